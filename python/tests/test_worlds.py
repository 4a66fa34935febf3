"""Worlds: sequences are a dataset's, episodes are sequences, pictures are those of states."""

import pickle

import numpy as np
import pytest

import kinostate as ks


def test_sequences_are_the_bytes_of_the_dataset_with_this_seed(run):
    world = ks.World("bouncing_ball", video={"width": 16, "height": 16})
    found = world.record(8, frames=8, dt=0.2, seed=run.data.manifest["config"]["seed"], split="validation")
    split = run.data["validation"]
    for name in split.names:
        np.testing.assert_array_equal(found[name], split.array(name), err_msg=name)
    assert [found["states"].shape[2], found["parameters"].shape[1]] == [
        len(world.state_columns),
        len(world.parameter_columns),
    ]
    one = world.record(1, frames=8, seed=0, split="validation", first=5)
    np.testing.assert_array_equal(one["frames"][0], found["frames"][5])


@pytest.mark.parametrize("name", ks.world_names())
def test_every_world_simulates_renders_and_steps(name):
    world = ks.World(name, video={"width": 24, "height": 16})
    found = world.record(2, frames=4, dt=0.05, seed=3)
    frames, states = found["frames"], found["states"]
    assert frames.shape == (2, 4, 1, 16, 24) and frames.dtype == np.uint8
    assert states.shape == (2, 4, len(world.state_columns)) and np.isfinite(states).all()
    drawn = world.render(states, found["parameters"][:, None])
    np.testing.assert_array_equal(drawn, frames)
    episode = world.reset(dt=0.05, seed=3)
    np.testing.assert_array_equal(episode.state, states[0, 0])
    np.testing.assert_array_equal(episode.parameters, found["parameters"][0])
    np.testing.assert_array_equal(episode.render(), frames[0, 0])
    actions = found.get("actions", np.zeros((2, 4, 0)))
    for t in range(3):
        episode.step(actions[0, t])
        # A world of chance draws differently where it is driven from outside; others go the same way.
        if name not in DRAWS_OF_THEIR_OWN:
            np.testing.assert_array_equal(episode.state, states[0, t + 1])
            np.testing.assert_array_equal(episode.render(), frames[0, t + 1])
    assert episode.frames == 4


# Their actions come from the same stream as what else is left to chance.
DRAWS_OF_THEIR_OWN = ()


def test_parameters_and_video_come_back_and_pickle():
    world = ks.World("pendulum", damping=np.float64(0.1), video={"colour": True, "height": 40})
    assert world.parameters["damping"] == 0.1 and world.frame_shape == (3, 40, 32)
    again = pickle.loads(pickle.dumps(world))
    assert again.parameters == world.parameters and again.video == world.video
    np.testing.assert_array_equal(again.simulate(2)[0], world.simulate(2)[0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ks.World("pendlum"), "expected one of .*pendulum.*, got pendlum"),
        (lambda: ks.World("pendulum", dampng=0.1), "world pendulum: unknown field `dampng`, expected one of .*damping"),
        (lambda: ks.World("pendulum", damping=-1.0), "damping: expected .* got"),
        (lambda: ks.World("pendulum", damping=float("nan")), "world pendulum"),
        (lambda: ks.World("pendulum", damping=object()), "numbers, lists and maps expected"),
        (lambda: ks.World("pendulum", video={"width": 4}), "video.width: expected within 8..=256 pixels, got 4"),
        (lambda: ks.World("pendulum").simulate(-1), "sequences: a whole number of at least 0 expected, got -1"),
        (lambda: ks.World("pendulum").simulate(2.5), "sequences: a whole number"),
        (lambda: ks.World("pendulum").simulate(1, dt=0.0), "dt: expected finite and above 0 s, got 0"),
        (lambda: ks.World("pendulum").render(np.zeros(3)), r"states: shape \(.., \d\) expected .*, got \(3,\)"),
        (lambda: ks.World("bouncing_ball").render(np.zeros((2, 4)), np.zeros(0)), r"parameters: shape \(.., \d\)"),
        (
            lambda: ks.World("bouncing_ball").render(np.full((1, 4), np.nan), np.ones(99)),
            "render: finite numbers expected",
        ),
        (lambda: ks.World("pendulum").reset().step([1.0, 2.0]), r"action: shape \(.*\) expected, got \(2,\)"),
        (lambda: ks.World("pendulum_v1").reset(dt=0.05).step([np.nan]), "action: expected 1 finite numbers"),
    ],
)
def test_wrong_values_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
