"""Worlds as gymnasium environments: `gymnasium.make("kinostate/PendulumV1-v0")`, and many at once in one call.

Every world of the registry is there under its name in capitals, with what `World` takes as keywords. Worlds that
can be acted on have the actions of `World.action_columns` within their limits; the others are left to themselves
and take the one action 0. The reward is minus the world's cost, 0 where it has no task. An episode is truncated
after `frames` frames; it never terminates."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from . import _kinostate as _rust
from .worlds import World, world_names

#: Time between frames that a world's source has, s; 0.2 for all others.
DT = {"pendulum_v1": 0.05, "cartpole": 0.02}


def register() -> None:
    """Registers every world; called by gymnasium itself when the wheel is installed, and on import of this module."""
    for name in world_names():
        id = f"kinostate/{''.join(word.capitalize() for word in name.split('_'))}-v0"
        if id not in gymnasium.registry:
            gymnasium.register(
                id,
                entry_point="kinostate.gym:WorldEnv",
                vector_entry_point="kinostate.gym:WorldVectorEnv",
                kwargs={"world": name},
            )


class _Common:
    """What one environment and many share: settings, spaces, actions.

    `world` is a `World`, or a name with the world's `video` and parameters; `dt` s between its `frames` frames;
    `observe` is `pixels` or `state`; `render_mode` is `rgb_array` or None."""

    def __init__(
        self,
        world="bouncing_ball",
        *,
        dt=None,
        frames=200,
        video=None,
        observe="pixels",
        render_mode=None,
        **parameters,
    ):
        if not isinstance(world, World):
            world = World(world, video=video, **parameters)
        elif video is not None or parameters:
            raise ValueError("world: either a World or its parameters expected, got both")
        if observe not in ("pixels", "state"):
            raise ValueError(f"observe: pixels or state expected, got {observe!r}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: rgb_array or None expected, got {render_mode!r}")
        if frames < 2:
            raise ValueError(f"frames: at least 2 expected, got {frames}")
        self.world, self.frames, self.observe = world, frames, observe
        self.dt = DT.get(world.name, 0.2) if dt is None else float(dt)
        self.render_mode = render_mode
        limits = world.action_limits.astype(np.float32)
        self._acts = len(limits) > 0
        self._action = gymnasium.spaces.Box(limits[:, 0], limits[:, 1]) if self._acts else gymnasium.spaces.Discrete(1)
        c, h, w = world.frame_shape
        if observe == "pixels":
            self._seen = gymnasium.spaces.Box(0, 255, (h, w, c), np.uint8)
        else:
            self._seen = gymnasium.spaces.Box(-np.inf, np.inf, (len(world.state_columns),), np.float64)
        self.metadata = self.metadata | {"render_fps": max(1, round(1 / self.dt))}
        self._episodes = None

    def _actions(self, action, count: int) -> np.ndarray:
        size = len(self.world.action_columns)
        return np.ascontiguousarray(
            np.reshape(action, (count, size)) if self._acts else np.zeros((count, 0)), dtype=np.float64
        )

    def _rgb(self, pictures: np.ndarray) -> np.ndarray:
        return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures


class WorldEnv(_Common, gymnasium.Env):
    """One world on its way. Observations are frames (H, W, C) uint8, or states (D) with `observe="state"`;
    `info["state"]` is the true state (D) float64 and `info["parameters"]` what its episode drew."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, world="bouncing_ball", **settings):
        super().__init__(world, **settings)
        self.action_space, self.observation_space = self._action, self._seen

    def _look(self):
        self._state = self._episodes.state()[0]
        return self._episodes.render(True)[0] if self.observe == "pixels" else self._state.copy()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        own = int(self.np_random.integers(2**32))
        self._episodes, self._frame = _rust.Episodes(self.world._rust, self.dt, [own]), 0
        seen = self._look()
        return seen, {"state": self._state, "parameters": self._episodes.parameters()[0]}

    def step(self, action):
        if self._episodes is None:
            raise gymnasium.error.ResetNeeded("step: reset first")
        cost = self._episodes.step(self._actions(action, 1))[0]
        self._frame += 1
        seen, ended = self._look(), self._frame >= self.frames - 1
        return seen, 0.0 if np.isnan(cost) else -float(cost), False, ended, {"state": self._state}

    def render(self):
        if self.render_mode is None or self._episodes is None:
            return None
        return self._rgb(self._episodes.render(True)[0])


class WorldVectorEnv(_Common, VectorEnv):
    """Many worlds moved and drawn in one call, on all cores and in one process. `info["state"]` is (num_envs, D).
    An episode that ended is begun anew by the next step, whose action it ignores."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20, "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs=1, world="bouncing_ball", **settings):
        super().__init__(world, **settings)
        self.num_envs = num_envs
        self.single_action_space, self.single_observation_space = self._action, self._seen
        self.action_space = batch_space(self._action, num_envs)
        self.observation_space = batch_space(self._seen, num_envs)

    def _look(self):
        self._state = self._episodes.state()
        return self._episodes.render(True) if self.observe == "pixels" else self._state.copy()

    def _info(self) -> dict:
        everywhere = np.ones(self.num_envs, dtype=bool)
        return {
            "state": self._state,
            "_state": everywhere,
            "parameters": self._episodes.parameters(),
            "_parameters": everywhere,
        }

    def _seeds(self, count: int) -> list[int]:
        return [int(seed) for seed in self.np_random.integers(2**32, size=count)]

    def reset(self, *, seed=None, options=None):
        if seed is not None and not isinstance(seed, (int, np.integer)):
            # One a world, as `WorldEnv` would begin with it.
            own = [int(gymnasium.utils.seeding.np_random(int(one))[0].integers(2**32)) for one in seed]
            if len(own) != self.num_envs:
                raise ValueError(f"seed: {self.num_envs} seeds expected, got {len(own)}")
        else:
            super().reset(seed=None if seed is None else int(seed))
            own = self._seeds(self.num_envs)
        self._episodes = _rust.Episodes(self.world._rust, self.dt, own)
        self._frame = np.zeros(self.num_envs, dtype=int)
        seen = self._look()
        return seen, self._info()

    def step(self, actions):
        if self._episodes is None:
            raise gymnasium.error.ResetNeeded("step: reset first")
        ended = self._frame >= self.frames - 1
        costs = self._episodes.step(self._actions(actions, self.num_envs))
        self._frame += 1
        rewards = np.where(np.isnan(costs), 0.0, -costs)
        if ended.any():
            which = np.flatnonzero(ended)
            self._episodes.reset([int(i) for i in which], self._seeds(len(which)))
            self._frame[which], rewards[which] = 0, 0.0
        seen = self._look()
        truncated = self._frame >= self.frames - 1
        return seen, rewards, np.zeros(self.num_envs, dtype=bool), truncated, self._info()

    def render(self):
        if self.render_mode is None or self._episodes is None:
            return None
        return tuple(self._rgb(self._episodes.render(True)))


register()
