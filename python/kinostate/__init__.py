"""kinostate: worlds whose physics is known, models that learn their latent state from video, and what the latents mean.

    import kinostate as ks

    world = ks.World("pendulum", damping=0.1)
    frames, states = world.simulate(64, frames=20, dt=0.2, seed=0)      # (64, 20, 1, 32, 32) uint8, (64, 20, D) float64
    run = ks.run("experiments/quickstart.yaml", set={"train.steps": 200})
    model = ks.load(run.path / "lg_vae/seed-0")
    z = model.filter(frames)                                            # z.mean (64, 20, n)

Wrong values, shapes and dtypes raise ValueError, files that can't be read OSError, in the words of the command
line. Sizes by one letter everywhere: N sequences, B batch, T frames, C H W a frame, D state columns, P parameters,
A action components, n latent and p code dimensions. State t is the state that frame t shows; action t acts from
frame t to frame t+1.

Needed apart from NumPy only where it is used: pandas (tables), gymnasium (`kinostate.gym`), torch
(`kinostate.torch`), jax (`kinostate.jax`)."""

from . import lgssm
from ._kinostate import __version__
from .data import Dataset, Split
from .models import Beliefs, Model, Modes, load
from .runs import Run, check, findings, findings_table, run
from .worlds import Episode, World, world_names

__all__ = [
    "Beliefs",
    "Dataset",
    "Episode",
    "Model",
    "Modes",
    "Run",
    "Split",
    "World",
    "__version__",
    "check",
    "findings",
    "findings_table",
    "lgssm",
    "load",
    "run",
    "world_names",
]
