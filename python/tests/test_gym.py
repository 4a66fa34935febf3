"""Worlds as gymnasium environments."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402

import kinostate as ks  # noqa: E402
import kinostate.gym  # noqa: E402, F401


def id_of(name):
    return f"kinostate/{''.join(word.capitalize() for word in name.split('_'))}-v0"


@pytest.mark.parametrize("name", ks.world_names())
def test_gymnasiums_own_check_passes(name):
    env = gymnasium.make(id_of(name), frames=6, render_mode="rgb_array")
    check_env(env.unwrapped, skip_render_check=False)


def test_the_pendulum_is_gymnasiums_own():
    ours = gymnasium.make("kinostate/PendulumV1-v0", observe="state", frames=200).unwrapped
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    _, info = ours.reset(seed=4)
    theirs.reset(seed=4)
    theirs.state = info["state"][:2].copy()
    rng = np.random.default_rng(0)
    for _ in range(199):
        action = rng.uniform(-2.5, 2.5, size=1).astype(np.float32)
        _, reward, _, ended, info = ours.step(action)
        _, want, *_ = theirs.step(action)
        # Gymnasium rounds the action to float32 and nothing else; chaos is far away in 10 s.
        assert abs(reward - want) < 1e-6
        np.testing.assert_allclose(np.cos(info["state"][0]), np.cos(theirs.state[0]), atol=1e-7)
    assert ended


def test_the_same_seed_is_the_same_episode_and_many_are_each_of_one():
    many = gymnasium.make_vec("kinostate/PushedBall-v0", num_envs=3, frames=5)
    many.action_space.seed(0)
    seeds, actions = [7, 8, 9], [many.action_space.sample() for _ in range(4)]
    seen, info = many.reset(seed=seeds)
    singles = [gymnasium.make("kinostate/PushedBall-v0", frames=5).unwrapped for _ in seeds]
    for i, (env, seed) in enumerate(zip(singles, seeds)):
        own, own_info = env.reset(seed=seed)
        np.testing.assert_array_equal(own, seen[i])
        np.testing.assert_array_equal(own_info["state"], info["state"][i])
    for action in actions:
        seen, reward, terminated, truncated, info = many.step(action)
        for i, env in enumerate(singles):
            own, own_reward, _, own_truncated, own_info = env.step(action[i])
            np.testing.assert_array_equal(own, seen[i])
            np.testing.assert_array_equal(own_info["state"], info["state"][i])
            assert own_reward == reward[i] and own_truncated == truncated[i]
    assert truncated.all() and not terminated.any()
    # The next step begins anew, whatever the action.
    _, reward, _, truncated, again = many.step(actions[0])
    assert (reward == 0).all() and not truncated.any() and not np.array_equal(again["state"], info["state"])


def test_64_worlds_are_moved_in_one_call():
    many = gymnasium.make_vec("kinostate/BouncingBall-v0", num_envs=64)
    seen, info = many.reset(seed=1)
    assert seen.shape == (64, 32, 32, 1) and seen.dtype == np.uint8 and info["state"].shape == (64, 4)
    for _ in range(3):
        seen, *_ = many.step(many.action_space.sample())
    assert seen in many.observation_space
    _, again = many.reset(seed=1)
    np.testing.assert_array_equal(again["state"], info["state"])


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="observe: pixels or state expected, got 'sound'"):
        gymnasium.make("kinostate/Pong-v0", observe="sound")
    with pytest.raises(ValueError, match="unknown field `speeed`"):
        gymnasium.make("kinostate/Pong-v0", speeed=3)
