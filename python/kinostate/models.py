"""Trained models: what they believe about clips, how they go on, frames of beliefs, and the learned law."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import _kinostate as _rust
from ._arrays import booleans, numbers, shaped, whole
from .lgssm import Law


class Beliefs(Mapping):
    """Named arrays with named axes: `beliefs["z"]` (B, T, n) float64, `beliefs.axes["z"]` `("clip", "frame", "size")`.

    Names are those of the model's latents (`Model.latents`), with `_var`, `_cov` or `_kl` for their variances,
    covariances and divergences from the prior; futures have the axis `draw` before the others."""

    def __init__(self, arrays: Mapping[str, np.ndarray], axes: Mapping[str, tuple[str, ...]], latents=("z", "s", "a")):
        self._arrays = dict(arrays)
        #: Names of latents, the one that stands for the state first.
        self.latents = tuple(latents)
        #: Names of the axes of each array.
        self.axes = {name: tuple(axes[name]) for name in self._arrays}

    @classmethod
    def _of(cls, parts: dict, latents: list[dict]) -> Beliefs:
        arrays = {name: array for name, (_, array) in parts.items()}
        axes = {name: axes for name, (axes, _) in parts.items()}
        return cls(arrays, axes, [latent["name"] for latent in latents])

    def _parts(self) -> dict:
        return {name: (list(self.axes[name]), numbers(f"beliefs: {name}", array)) for name, array in self.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {', '.join(self.axes[name])} {array.shape}" for name, array in self.items())
        return f"Beliefs({shown})"

    def _first(self, *ends: str) -> np.ndarray | None:
        for name in self.latents:
            for end in ends:
                if name + end in self._arrays:
                    return self._arrays[name + end]
        return None

    @property
    def mean(self) -> np.ndarray:
        """Means or values of the latent that stands for the state, or of the codes where only they are there."""
        found = self._first("")
        if found is None:
            raise ValueError(f"beliefs: one of {', '.join(self.latents)} expected, got {', '.join(self) or 'nothing'}")
        return found

    @property
    def cov(self) -> np.ndarray | None:
        """Covariances of it, (.., n, n); None where there are none."""
        return self._first("_cov")

    @property
    def var(self) -> np.ndarray | None:
        """Variances of it, (.., n), from the covariances where those are there; None where there are neither."""
        cov = self.cov
        return self._first("_var") if cov is None else np.diagonal(cov, axis1=-2, axis2=-1)


class Modes(NamedTuple):
    """A law that chooses between K affine modes z_t = A_k z_{t-1} + b_k + w_t."""

    names: list[str]  #: K of them: `free`, `x low`, ..
    A: np.ndarray  #: (K, n, n)
    b: np.ndarray  #: (K, n)
    law: Law  #: what all share; its transition is that of mode 0


class Model:
    """One trained model and seed: `load(folder)` reads it.

    Clips are `frames` (B, T, C, H, W): uint8, or floats from 0 to 1; of a model that observes vectors (B, T, D)
    floats in the columns' own units. `seen` (B, T) is False where a frame is
    missing, `pixels_seen` (as frames) where a pixel is hidden: what stands there is never read and may be NaN.
    `actions` (B, T, A) are for models that read them."""

    def __init__(self, inner):
        self._rust = inner
        self._about = json.loads(inner.about())

    def __repr__(self) -> str:
        latents = ", ".join(f"{latent['name']}: {latent['size']}" for latent in self.latents)
        return f"Model({self.name!r}, {self.kind}, seed {self.seed}, latents {{{latents}}}, frames {self.frame_shape})"

    @property
    def name(self) -> str:
        """Its name in the experiment."""
        return self._about["name"]

    @property
    def kind(self) -> str:
        """Registered kind: `lg_vae`, `kalman_vae`, `rvae`, .."""
        return self._about["kind"]

    @property
    def seed(self) -> int:
        """The seed that it was trained with."""
        return self._about["seed"]

    @property
    def latents(self) -> list[dict]:
        """What its latents are: name, size, kind, whether a frame alone tells of it, whether it is smoothed."""
        return self._about["latents"]

    @property
    def claims(self) -> dict[str, bool]:
        """What it says that it is: `bound`, `causal`, `masks`, `actions`."""
        return self._about["claims"]

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(C, H, W); (D, 1, 1) for vectors."""
        return tuple(self._about["frame_shape"])

    @property
    def dt(self) -> float:
        """Time between the frames that it was trained on, s."""
        return self._about["dt"]

    @property
    def data(self) -> Path:
        """The dataset that it was trained on."""
        return Path(self._about["data"])

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Every parameter by name, float32."""
        return self._rust.parameters()

    @property
    def law(self) -> Law | None:
        """The learned law (`kinostate.lgssm`), A (n, n), b, Q, C (p, n), d, R, mu0, Sigma0; None where the model
        has no single one."""
        law = self._rust.law()
        return None if law is None else Law(**law)

    @property
    def input_matrix(self) -> np.ndarray | None:
        """B (n, A) by which actions move the state of that law, in their own units; None where it has no inputs."""
        return self._rust.input_matrix()

    @property
    def modes(self) -> Modes | None:
        """The modes of a law that chooses between several; None where there are none that can be told apart."""
        found = self._rust.modes()
        if found is None:
            return None
        names, A, b, law = found
        return Modes(names, A, b, Law(**law))

    def _vectors(self) -> bool:
        return bool(self._about["observed_columns"])

    def _clips(self, frames, seen, pixels_seen, actions) -> dict:
        array = np.asarray(frames)
        c, h, w = self.frame_shape
        shape = (c,) if self._vectors() else (c, h, w)
        if array.shape[2:] != shape:
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"frames: shape (B, T, {wanted}) expected, got {array.shape}")
        b, t, size = *array.shape[:2], c * h * w
        if t == 0:
            raise ValueError("frames: at least 1 frame expected, got 0")
        given = {"bytes": None, "floats": None, "seen": None, "pixels_seen": None, "actions": None}
        there = np.ones((b, t, size), dtype=bool)
        if seen is not None:
            given["seen"] = shaped("seen", booleans("seen", seen), (b, t))
            there &= given["seen"][..., None]
        if pixels_seen is not None:
            hidden = shaped("pixels_seen", booleans("pixels_seen", pixels_seen), array.shape)
            given["pixels_seen"] = hidden.reshape(b, t, size)
            there &= given["pixels_seen"]
        if array.dtype == np.uint8 and not self._vectors():
            given["bytes"] = np.ascontiguousarray(array).reshape(b, t, size)
        else:
            if array.dtype.kind != "f" and not self._vectors():
                raise ValueError(f"frames: uint8, or floats from 0 to 1 expected, got dtype {array.dtype}")
            values = numbers("frames", array, np.float32).reshape(b, t, size)
            read = values[there]
            if not np.isfinite(read).all():
                clip, frame, _ = np.argwhere(there & ~np.isfinite(values))[0]
                raise ValueError(
                    f"frames: clip {clip}, frame {frame} is not finite; `seen` tells which frames are missing"
                )
            if not self._vectors() and read.size and (read.min() < 0 or read.max() > 1):
                raise ValueError(f"frames: floats from 0 to 1 expected, got {read.min()} to {read.max()}")
            given["floats"] = np.where(there, values, np.float32(0))
        if actions is not None:
            actions = numbers("actions", actions)
            if actions.ndim != 3 or actions.shape[:2] != (b, t):
                raise ValueError(f"actions: shape ({b}, {t}, A) expected, got {actions.shape}")
            given["actions"] = actions
        for name in ("seen", "pixels_seen"):
            given[name] = None if given[name] is None else given[name].view(np.uint8)
        return given

    def _infer(self, word: str, context: int, *clips) -> Beliefs:
        found = Beliefs._of(self._rust.infer(self._clips(*clips), word, context), self.latents)
        if not found:
            raise ValueError(f"{self.kind}: no latent of this model has such a belief; it has {self.latents}")
        return found

    def encode(self, frames, *, seen=None, pixels_seen=None) -> Beliefs:
        """Beliefs given each frame alone: codes `a` (B, T, p) and `a_var`. ValueError for a model without such."""
        return self._infer("alone", 0, frames, seen, pixels_seen, None)

    def filter(self, frames, *, seen=None, pixels_seen=None, actions=None) -> Beliefs:
        """Beliefs about every frame given the frames up to it: means and covariances or variances of the state."""
        return self._infer("filtered", 0, frames, seen, pixels_seen, actions)

    def smooth(self, frames, *, seen=None, pixels_seen=None, actions=None) -> Beliefs:
        """Beliefs about every frame given all frames. ValueError for a model whose beliefs later frames do not
        change."""
        return self._infer("smoothed", 0, frames, seen, pixels_seen, actions)

    def open_loop(self, frames, context: int, *, seen=None, pixels_seen=None, actions=None) -> Beliefs:
        """Beliefs given the first `context` frames: filtered there, without further frames after."""
        return self._infer("first", whole("context", context), frames, seen, pixels_seen, actions)

    def predict(self, beliefs: Beliefs, horizon: int, *, draws: int = 1, seed: int = 0, actions=None) -> Beliefs:
        """Futures drawn from the model after the last frame of `beliefs`, which `filter` gave.

        Arrays (draws, B, horizon + 1, n): frame 0 is the mean of the last belief, frames after it go on from a draw
        of it. `actions` (B, horizon, A) act from the last frame on, for models that read them."""
        if not isinstance(beliefs, Beliefs):
            raise ValueError(f"predict: beliefs of `filter` expected, got {type(beliefs).__name__}")
        size = whole("horizon", horizon, 1), whole("draws", draws, 1)
        if actions is not None:
            actions = numbers("actions", actions)
            clips = beliefs.mean.shape[-3]
            if actions.ndim != 3 or actions.shape[:2] != (clips, horizon):
                raise ValueError(f"actions: shape ({clips}, {horizon}, A) expected, got {actions.shape}")
        return Beliefs._of(self._rust.rollout(beliefs._parts(), size, whole("seed", seed), actions), self.latents)

    def decode(self, beliefs: Beliefs) -> np.ndarray:
        """Frames of beliefs, (.., C, H, W) float32 from 0 to 1, with the axes of the beliefs before size: (B, T) or
        (draws, B, T). Vectors (.., D) are in the columns' own units."""
        if not isinstance(beliefs, Beliefs):
            raise ValueError(f"decode: beliefs expected, got {type(beliefs).__name__}")
        found = self._rust.decode(beliefs._parts())
        frame = self.frame_shape[:1] if self._vectors() else self.frame_shape
        return found.reshape(*beliefs.mean.shape[:-1], *frame)

    def bound(self, frames, *, seen=None, pixels_seen=None, actions=None, seed: int = 0) -> dict[str, np.ndarray]:
        """What every frame adds to each term of the evidence lower bound, nats, (B, T) by name; their sum over
        terms and frames is the bound of log p(frames). Latents are drawn once, from `seed`."""
        return self._rust.bound(self._clips(frames, seen, pixels_seen, actions), whole("seed", seed))


def load(folder: str | os.PathLike) -> Model:
    """The trained model of a folder `<run>/<model>/seed-<s>`, believing what stands in its `latents/`.

    It needs the run's `config.yaml` and dataset beside the weights: a law expects of codes the noise that they have
    on training sequences. OSError for a file that is not there, ValueError for one that is not what it should be.
    """
    return Model(_rust.load(os.fspath(folder)))
