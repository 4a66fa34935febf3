"""What the tests share: a small run with a model of every kind, made once."""

import numpy as np
import pytest

import kinostate as ks

FRAMES = {"encoder": {"cnn": {"channels": [4], "kernels": [5], "strides": [2]}}, "decoder": {"mlp": {"hidden": [16]}}}

EXPERIMENT = {
    "name": "tiny",
    "question": "Does Python have what the run has?",
    "data": {
        "simulator": {"bouncing_ball": {}},
        "frames": 8,
        "dt": 0.2,
        "splits": {"train": 24, "validation": 8, "test": 8},
        "video": {"width": 16, "height": 16},
        "sequences_per_shard": 5,
    },
    "models": {
        "line": {"lg_vae": {"frames": FRAMES}},
        "walls": {"kalman_vae": {"frames": FRAMES, "transition": {"reflecting": {}}}},
        "recurrent": {"rvae": {}},
        "still": {"vae": {"frames": FRAMES}},
        "markov": {"dkf": {"frames": FRAMES}},
    },
    "train": {"steps": 6, "batch": 8, "validate_every": 3},
    "encode": {"drop_rates": [0.5]},
    "analyses": [{"probe": {}}],
}


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The run of EXPERIMENT up to its report."""
    return ks.run(EXPERIMENT, out=tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def law():
    """A stable law with inputs and codes drawn from it: B 3, T 5, n 3, p 2, k 1."""
    rng = np.random.default_rng(0)

    def cov(size):
        root = rng.normal(size=(size, size))
        return root @ root.T + 0.5 * np.eye(size)

    n, p, batch, frames = 3, 2, 3, 5
    A = rng.normal(size=(n, n))
    given = {
        "codes": rng.normal(size=(batch, frames, p)),
        "A": 0.9 * A / np.abs(np.linalg.eigvals(A)).max(),
        "C": rng.normal(size=(p, n)),
        "Q": cov(n),
        "R": cov(p),
        "b": rng.normal(size=n),
        "d": rng.normal(size=p),
        "mu0": rng.normal(size=n),
        "Sigma0": cov(n),
    }
    return given
