"""Simulated worlds: sequences with their true states, pictures of states, episodes driven step by step."""

from __future__ import annotations

import json

import numpy as np

from . import _kinostate as _rust
from ._arrays import numbers, shaped, whole


def world_names() -> list[str]:
    """Names of all worlds, as `World` and experiment files take them."""
    return _rust.world_names()


def _text(name: str, values: dict) -> str:
    def plain(value):
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return value.tolist()
        raise ValueError(f"{name}: numbers, lists and maps expected, got {type(value).__name__}")

    try:
        return json.dumps(values, default=plain, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


class World:
    """A world of the registry: its physics and how it is drawn.

    `name` is one of `world_names()`, keywords are its parameters as in an experiment file (docs/worlds.md): numbers, or
    distributions such as `{"uniform": [0.1, 0.3]}`, drawn anew for every sequence. `video` is the section
    `data.video`: width and height (pixels, 8..=256), `walls`, `colour`, `camera`, `exposure`, `looks`. What is left
    out has its default.

    ValueError names a parameter with what was expected and got.
    """

    def __init__(self, name: str, /, *, video: dict | None = None, **parameters):
        self.name = name
        self._rust = _rust.World(name, _text(f"world {name}", parameters), _text("video", video or {}))

    def __repr__(self) -> str:
        return f"World({self.name!r}, {self.parameters})"

    def __reduce__(self):
        return _again, (self.name, self.video, self.parameters)

    @property
    def parameters(self) -> dict:
        """Parameters with all defaults."""
        return json.loads(self._rust.settings()[0])

    @property
    def video(self) -> dict:
        """How it is drawn, with all defaults."""
        return json.loads(self._rust.settings()[1])

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return tuple(self._rust.frame_shape())

    @property
    def state_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the D state columns."""
        return self._rust.state_columns()

    @property
    def parameter_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the P parameters that are drawn once a sequence."""
        return self._rust.parameter_columns()

    @property
    def event_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the E kinds of contact."""
        return self._rust.event_columns()

    @property
    def action_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the A components of an action; none where the world is left to itself."""
        return self._rust.action_columns()

    @property
    def action_limits(self) -> np.ndarray:
        """Least and greatest value of each component, (A, 2); infinite where there is none."""
        return np.array(self._rust.action_limits(), dtype=np.float64).reshape(-1, 2)

    def record(
        self, sequences: int, *, frames: int = 20, dt: float = 0.2, seed: int = 0, split: str = "train", first: int = 0
    ) -> dict:
        """Simulates and draws sequences; everything of them by the names of a dataset's arrays.

        `frames` T, `dt` s apart. Sequence i is that of number `first + i` in the split `split` of a dataset with
        this seed and these settings, to the last byte, whatever the number of threads.

        Returns a dictionary: `frames` (N, T, C, H, W) uint8, `states` (N, T, D), `parameters` (N, P), `events` (N,
        T, E) uint8 counts of contacts in the interval before frame t, `event_times` (N, T, E) s (NaN: none), and
        where there are such `actions` (N, T, A) and `energies` (N, T, 2); float64 where nothing else is said."""
        sizes = whole("sequences", sequences), whole("frames", frames, 1)
        return self._rust.simulate(sizes, float(dt), whole("seed", seed), split, whole("first", first))

    def simulate(
        self, sequences: int, *, frames: int = 20, dt: float = 0.2, seed: int = 0, split: str = "train", first: int = 0
    ):
        """`frames` and `states` of `record`: (N, T, C, H, W) uint8 and (N, T, D) float64."""
        found = self.record(sequences, frames=frames, dt=dt, seed=seed, split=split, first=first)
        return found["frames"], found["states"]

    def render(self, states, parameters=None) -> np.ndarray:
        """Pictures (.., C, H, W) uint8 of states (.., D), in white on black.

        `parameters` are the physical ones that the sequences of the states drew, (P) for all or (.., P); they may
        be left out where the world draws none."""
        states = numbers("states", states)
        d, count = len(self.state_columns), self._rust.physical()
        if states.ndim == 0 or states.shape[-1] != d:
            names = ", ".join(name for name, _ in self.state_columns)
            raise ValueError(f"states: shape (.., {d}) expected ({names}), got {states.shape}")
        axes = states.shape[:-1]
        own = numbers("parameters", np.zeros((0,)) if parameters is None else parameters)
        try:
            own = np.broadcast_to(own[..., :count], (*axes, count))
        except ValueError:
            names = ", ".join(name for name, _ in self.parameter_columns[:count])
            raise ValueError(f"parameters: shape (.., {count}) expected ({names}), got {own.shape}") from None
        rows = int(np.prod(axes))
        pictures = self._rust.render(states.reshape(rows, d), np.ascontiguousarray(own).reshape(rows, count))
        return pictures.reshape(*axes, *self.frame_shape)

    def reset(self, *, dt: float = 0.2, seed: int = 0) -> Episode:
        """An episode at the start of sequence 0 of the split `train` of this seed, frames `dt` s apart."""
        return Episode(self, dt=dt, seed=seed)


def _again(name: str, video: dict, parameters: dict) -> World:
    return World(name, video=video, **parameters)


class Episode:
    """A world on its way: look at it, act, and again."""

    def __init__(self, world: World, *, dt: float = 0.2, seed: int = 0):
        self.world = world
        self._rust = _rust.Episodes(world._rust, float(dt), [whole("seed", seed)])

    @property
    def state(self) -> np.ndarray:
        """The state now, (D)."""
        return self._rust.state()[0]

    @property
    def parameters(self) -> np.ndarray:
        """The physical parameters of this episode, (P)."""
        return self._rust.parameters()[0]

    @property
    def frames(self) -> int:
        """Frames so far: 1 at the beginning."""
        return self._rust.frames()[0]

    def step(self, action=()) -> float:
        """Takes an action (A), moved to its limits where it is beyond, to the next frame.

        Returns what it costs to be where it was and to act so; NaN where the world has no task.
        """
        action = shaped("action", numbers("action", action), (len(self.world.action_columns),))
        return float(self._rust.step(action[None])[0])

    def render(self) -> np.ndarray:
        """The frame now, (C, H, W) uint8, in white on black."""
        return self._rust.render(False)[0]
