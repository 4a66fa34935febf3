"""Experiments from Python: run them, and read what they found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from . import _kinostate as _rust
from .data import Dataset
from .models import Model, load


def _source(experiment):
    if isinstance(experiment, Mapping):
        name = experiment.get("name", "experiment")
        return f"{name}.yaml", json.dumps(experiment)
    return os.fspath(experiment)


def _sets(values: Mapping | Sequence[str] | None) -> list[str]:
    """Overrides as the command line has them: `--set key.path=value`."""
    if values is None:
        return []
    if not isinstance(values, Mapping):
        return [values] if isinstance(values, str) else list(values)

    def plain(value):
        if isinstance(value, (np.generic, np.ndarray)):
            return value.tolist()
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        raise ValueError(f"set: numbers, text, lists and maps expected, got {type(value).__name__}")

    return [f"{key}={json.dumps(value, default=plain)}" for key, value in values.items()]


def check(experiment, *, set=None) -> str:
    """The experiment with all defaults filled in, as YAML. ValueError with all its mistakes at once."""
    return _rust.resolved(_source(experiment), _sets(set))


def run(
    experiment,
    *,
    set: Mapping | Sequence[str] | None = None,
    out: str | os.PathLike | None = None,
    steps: Sequence[str] | None = None,
    only: Sequence[str] = (),
    threads: int | None = None,
    quiet: bool = True,
    again: bool = False,
    overwrite: bool = False,
) -> Run:
    """Does everything that an experiment asks for, from simulation to report; finished stages are skipped.

    `experiment` is a YAML file, or the same as a dictionary. `set` overrides values: `{"train.steps": 200, "seeds":
    [0]}`, or texts as for `--set`. `out` is the run folder (`results/<name>`); `steps` some of generate, train,
    encode, rollout, analyze, plot, report; `only` runs of a sweep; `threads` one a core where left out, results do
    not depend on it. Ctrl-C saves and stops; the same call goes on from there.

    ValueError for a wrong experiment, with all its mistakes; OSError for files.
    """
    how = {
        "out": None if out is None else os.fspath(out),
        "steps": None if steps is None else list(steps),
        "only": list(only),
        "threads": threads,
        "quiet": quiet,
        "again": again,
        "overwrite": overwrite,
    }
    return Run(_rust.run(_source(experiment), _sets(set), how))


def _json(path: Path):
    return json.loads(path.read_text())


class Run:
    """A run folder. Of a sweep it is the folder of all runs: `runs` has them."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.path}: No such file or directory (os error 2)")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def runs(self) -> dict[str, Run]:
        """The runs of a sweep by name; none of a single run."""
        if (self.path / "config.yaml").exists():
            return {}
        return {path.parent.name: Run(path.parent) for path in sorted(self.path.glob("*/config.yaml"))}

    @property
    def summary(self) -> dict:
        """`summary.json`: main numbers with mean, standard deviation and values over seeds."""
        return _json(self.path / "summary.json")

    @property
    def report(self) -> Path:
        """The report for a browser."""
        return self.path / "report.html"

    @property
    def data(self) -> Dataset:
        """The dataset."""
        return Dataset(self.path)

    @property
    def models(self) -> dict[str, list[int]]:
        """Seeds of every model that is trained."""
        found: dict[str, list[int]] = {}
        for path in self.path.glob("*/seed-*/model.safetensors"):
            found.setdefault(path.parent.parent.name, []).append(int(path.parent.name.removeprefix("seed-")))
        return {name: sorted(seeds) for name, seeds in sorted(found.items())}

    def load(self, model: str, seed: int = 0) -> Model:
        """One trained model."""
        return load(self.path / model / f"seed-{seed}")

    def latents(self, model: str, seed: int = 0, split: str = "test") -> dict[str, np.ndarray]:
        """What the model believes about a split, by the names of docs/python.md, read-only views."""
        folder = self.path / model / f"seed-{seed}" / "latents" / split
        files = sorted(folder.glob("*.npy"))
        if not files:
            raise FileNotFoundError(f"{folder}: no arrays; `run(.., steps=['encode'])` writes them")
        return {file.stem: np.load(file, mmap_mode="r") for file in files}

    def findings(self) -> list[dict]:
        """See `findings`."""
        return findings(self.path)


def findings(folder: str | os.PathLike) -> list[dict]:
    """What the analyses found below a folder: a dictionary for each run, model, seed and analysis, with `run`,
    `model`, `seed`, `analysis`, `question`, `answer`, `metrics` (name, value, interval, unit), `definitions`,
    `tables`, `figures`."""
    root = Run(folder).path
    found = []
    for path in sorted(root.glob("**/seed-*/findings/*.json")):
        model = path.parent.parent.parent
        whose = {
            "run": str(model.parent),
            "model": model.name,
            "seed": int(path.parent.parent.name.removeprefix("seed-")),
        }
        found.append(whose | _json(path))
    return found


def findings_table(folder: str | os.PathLike):
    """All numbers of `findings` as a pandas DataFrame: run, model, seed, analysis, metric, value, low, high (95 %
    interval, NaN where there is none), unit."""
    import pandas

    rows = []
    for finding in findings(folder):
        for metric in finding["metrics"]:
            low, high = metric["interval"] or (np.nan, np.nan)
            whose = [finding[key] for key in ("run", "model", "seed", "analysis")]
            rows.append([*whose, metric["name"], metric["value"], low, high, metric["unit"]])
    columns = ["run", "model", "seed", "analysis", "metric", "value", "low", "high", "unit"]
    return pandas.DataFrame(rows, columns=columns)
