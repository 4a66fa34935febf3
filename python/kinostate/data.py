"""Datasets on disk as NumPy views of their memory maps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from . import _kinostate as _rust


class Dataset(Mapping):
    """A dataset folder, or that of a run folder: a mapping from the names of its splits to `Split`s.

        data = ks.Dataset("results/box/data")
        frames, states = data["train"][0]             # (T, C, H, W) uint8, (T, D) float64

    Opening it checks sizes and SHA-256 of every file once; arrays are then read-only views of the files, so a
    dataset may be larger than memory. It pickles as its path: workers of a loader map it themselves.

    OSError for a folder that is not there, ValueError for files that are not what the manifest says.
    """

    def __init__(self, folder: str | os.PathLike):
        about = json.loads(_rust.open_dataset(os.fspath(folder)))
        self._open(Path(about["folder"]), about["manifest"])

    def _open(self, path: Path, manifest: dict) -> None:
        self.path, self.manifest = path, manifest
        self._splits = {name: Split(self, name) for name in manifest["splits"]}

    @classmethod
    def _unchecked(cls, path: Path, manifest: dict) -> Dataset:
        self = cls.__new__(cls)
        self._open(path, manifest)
        return self

    def __reduce__(self):
        # Checked already: a worker need not read every file again.
        return Dataset._unchecked, (self.path, self.manifest)

    def __getitem__(self, split: str) -> Split:
        try:
            return self._splits[split]
        except KeyError:
            raise ValueError(f"{self.path}: expected a split of {', '.join(self)}, got {split}") from None

    def __contains__(self, split) -> bool:
        return split in self._splits

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __repr__(self) -> str:
        splits = ", ".join(f"{name}: {len(split)}" for name, split in self.items())
        return f"Dataset({str(self.path)!r}, {{{splits}}})"

    def _columns(self, of: str) -> list[tuple[str, str]]:
        return [(column["name"], column["unit"]) for column in self.manifest.get(f"{of}_columns", [])]

    @property
    def dt(self) -> float:
        """Time between frames, s."""
        return self._made["dt"]

    @property
    def frames(self) -> int:
        """Frames of a sequence, T."""
        return self._made["frames"]

    @property
    def _made(self) -> dict:
        return self.manifest.get("config") or self.manifest["import"]

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(C, H, W); (D, 1, 1) where vectors stand in place of frames."""
        return tuple(self.manifest["frame_shape"])

    @property
    def state_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the state columns."""
        return self._columns("state")

    @property
    def parameter_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of what is constant in a sequence."""
        return self._columns("parameter")

    @property
    def event_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the kinds of contact."""
        return self._columns("event")

    @property
    def action_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the components of an action."""
        return self._columns("action")

    @property
    def observed_columns(self) -> list[tuple[str, str]]:
        """(name, unit) of the vectors in place of frames; none where frames are pictures."""
        return self._columns("observed")


class Split(Sequence):
    """The sequences of one split. `split[i]` is what is seen of sequence i and its true states: frames (T, C, H, W)
    uint8, or vectors (T, D) float32 where those are observed, and states (T, D) float64; both read-only views of
    the files."""

    def __init__(self, data: Dataset, name: str):
        self._data, self.name = data, name
        entries = data.manifest["splits"][name]
        self._ends = np.cumsum([entry["sequences"] for entry in entries])
        # Fields of an entry that are arrays have a checksum.
        self._names = [key for key, value in entries[0].items() if isinstance(value, dict)]
        self._maps: dict[str, list[np.ndarray]] = {}

    @property
    def names(self) -> list[str]:
        """The arrays that there are: `frames` or `vectors`, `states`, `parameters`, `events`, `event_times`, and
        where known `actions`, `energies`, `frame_seen`, `futures`; their types and shapes are in
        `Dataset.manifest["arrays"]`."""
        return list(self._names)

    def shards(self, name: str) -> list[np.ndarray]:
        """One read-only view (n, ..) for each file of this array."""
        if name not in self._names:
            raise ValueError(
                f"{self._data.path}: split {self.name}: expected an array of {', '.join(self._names)}, got {name}"
            )
        if name not in self._maps:
            folder = self._data.path / self.name
            files = [folder / f"shard-{i:05}" / f"{name}.npy" for i in range(len(self._ends))]
            self._maps[name] = [np.load(file, mmap_mode="r") for file in files]
        return self._maps[name]

    def array(self, name: str) -> np.ndarray:
        """The whole array (N, ..): a view where the split is one shard, else a copy."""
        shards = self.shards(name)
        return shards[0] if len(shards) == 1 else np.concatenate(shards)

    def get(self, name: str, i: int) -> np.ndarray:
        """Sequence i of this array: a read-only view."""
        i = range(len(self))[i]
        shard = int(np.searchsorted(self._ends, i, side="right"))
        before = 0 if shard == 0 else int(self._ends[shard - 1])
        return self.shards(name)[shard][i - before]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        seen = "vectors" if "vectors" in self._names else "frames"
        return self.get(seen, i), self.get("states", i)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self)} sequences, {', '.join(self._names)})"
