"""Trained models believe what their run wrote down, and go on from there."""

import numpy as np
import pytest

import kinostate as ks

KINDS = ["line", "walls", "recurrent", "still", "markov"]


@pytest.fixture(scope="module")
def frames(run):
    return run.data["test"].array("frames")


@pytest.mark.parametrize("name", KINDS)
def test_beliefs_are_those_that_the_run_wrote(run, frames, name):
    model, stored = run.load(name), run.latents(name)
    asked = 0
    for word, ask in [("encoder", model.encode), ("filtered", model.filter), ("smoothed", model.smooth)]:
        if word not in stored:
            with pytest.raises(ValueError, match="no latent of this model has such a belief"):
                ask(frames)
            continue
        found = ask(frames)
        np.testing.assert_array_equal(found.mean, stored[word])
        for end, values in [("_cov", found.cov), ("_var", found.var)]:
            if word + end in stored:
                np.testing.assert_array_equal(values, stored[word + end])
        asked += 1
    assert asked > 0


@pytest.mark.parametrize("name", KINDS)
def test_open_loop_is_what_the_run_predicted(run, frames, name):
    model, stored = run.load(name), run.latents(name)
    if "predicted" not in stored:
        pytest.skip(f"{name} has no beliefs in time")
    np.testing.assert_array_equal(model.open_loop(frames, 4).mean, stored["predicted"])


@pytest.mark.parametrize("name", KINDS)
def test_the_bound_is_the_surprise_that_the_run_wrote(run, frames, name):
    # The run drew other noise; over 64 frames of an untrained-like model the means agree to a few per cent.
    found = run.load(name).bound(frames)
    stored = run.latents(name)
    total = sum(found.values())
    assert total.shape == (8, 8) and set(f"bound_{key}" for key in found) <= set(stored)
    bound = sum(stored[f"bound_{key}"] for key in found)
    np.testing.assert_allclose(total.mean(), bound.mean(), rtol=0.05)
    # Surprise is what a frame costs above the least that its own pixels cost a Bernoulli decoder.
    x = frames.astype(float).reshape(8, 8, -1) / 255
    grey = (x > 0) & (x < 1)
    y = np.where(grey, x, 0.5)
    least = np.where(grey, y * np.log(y) + (1 - y) * np.log(1 - y), 0).sum(axis=2)
    bernoulli = name != "recurrent"
    np.testing.assert_allclose(stored["surprise"], (least if bernoulli else 0) - bound, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["line", "walls", "recurrent", "markov"])
def test_futures_start_at_the_belief_and_decode(run, frames, name):
    model = run.load(name)
    now = model.filter(frames)
    ahead = model.predict(now, 5, draws=3, seed=1)
    assert ahead.mean.shape[:3] == (3, 8, 6) and next(iter(ahead.axes.values())) == ("draw", "clip", "frame", "size")
    for draw in ahead.mean:
        np.testing.assert_allclose(draw[:, 0], now.mean[:, -1], rtol=1e-6)
    again = model.predict(now, 5, draws=3, seed=1)
    np.testing.assert_array_equal(again.mean, ahead.mean)
    assert not np.array_equal(model.predict(now, 5, draws=3, seed=2).mean, ahead.mean)
    seen, shown = model.decode(now), model.decode(ahead)
    assert seen.shape == (8, 8, 1, 16, 16) and shown.shape == (3, 8, 6, 1, 16, 16)
    assert 0 <= shown.min() and shown.max() <= 1
    np.testing.assert_allclose(shown[0, :, 0], seen[:, -1], atol=1e-5)


def test_missing_frames_are_never_read(run, frames):
    seen = np.ones((8, 8), dtype=bool)
    seen[:, 3] = False
    for name in KINDS:
        model = run.load(name)
        ask = model.encode if name == "still" else model.filter
        if name == "still":
            continue
        hidden = frames.astype(np.float32) / 255
        hidden[:, 3] = np.nan
        np.testing.assert_array_equal(ask(hidden, seen=seen).mean, ask(frames, seen=seen).mean, err_msg=name)
        assert not np.array_equal(ask(frames, seen=seen).mean, ask(frames).mean), name
        with pytest.raises(ValueError, match="clip 0, frame 3 is not finite"):
            ask(hidden)


def test_the_law_is_the_one_that_the_run_wrote_and_explains_its_filter(run, frames):
    model = run.load("line")
    law, codes = model.law, model.encode(frames)["a"]
    assert law.A.shape == (4, 4) and law.C.shape == (2, 4) and model.modes is None
    found = ks.lgssm.smooth(codes, **law._asdict())
    # The same numbers by the same way, but for sums over another batch.
    np.testing.assert_allclose(found.filtered, model.filter(frames).mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.mean, model.smooth(frames).mean, rtol=1e-12, atol=1e-12)
    modes = run.load("walls").modes
    assert len(modes.names) == len(modes.A) == len(modes.b) and modes.A.shape[1:] == (4, 4) and modes.names[0] == "free"
    assert run.load("recurrent").law is None
    assert sum(values.size for values in model.parameters.values()) > 100


def test_many_clips_are_what_each_is(run):
    model = run.load("line")
    world = ks.World("bouncing_ball", video={"width": 16, "height": 16})
    frames, _ = world.simulate(60, frames=8, seed=9)
    whole = model.filter(frames)
    one = np.concatenate([model.filter(frames[i : i + 1]).mean for i in range(60)])
    # One clip or 25 at once: other kernels in f32.
    np.testing.assert_allclose(one, whole.mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (lambda f: (f[0],), r"frames: shape \(B, T, 1, 16, 16\) expected, got \(8, 1, 16, 16\)"),
        (lambda f: (f[:, :, :, :8],), r"frames: shape .* expected, got \(8, 8, 1, 8, 16\)"),
        (lambda f: (f[:, :0],), "at least 1 frame expected"),
        (lambda f: (f.astype(int),), "uint8, or floats from 0 to 1 expected, got dtype int64"),
        (lambda f: (f.astype(float),), "floats from 0 to 1 expected, got"),
        (lambda f: (f / 255 * 1j,), "expected, got dtype complex128"),
        (lambda f: (f, np.ones((8, 7), bool)), r"seen: shape \(8, 8\) expected, got \(8, 7\)"),
        (lambda f: (f, np.full((8, 8), 3)), "seen: booleans expected"),
    ],
)
def test_wrong_clips_are_named(run, frames, clips, words):
    frames, *seen = clips(frames)
    with pytest.raises(ValueError, match=words):
        run.load("line").filter(frames, seen=seen[0] if seen else None)


def test_wrong_beliefs_and_folders_are_named(run, frames, tmp_path):
    model = run.load("line")
    now = model.filter(frames)
    with pytest.raises(ValueError, match="z_cov expected, got z"):
        model.predict(ks.Beliefs({"z": now["z"]}, now.axes), 3)
    with pytest.raises(ValueError, match="horizon: a whole number of at least 1"):
        model.predict(now, 0)
    with pytest.raises(ValueError, match="beliefs of `filter` expected, got ndarray"):
        model.predict(now.mean, 3)
    with pytest.raises(ValueError, match="an axis of draw, .* expected, got time"):
        model.decode(ks.Beliefs({"z": now["z"]}, {"z": ("clip", "time", "size")}))
    with pytest.raises(ValueError, match="4 dimensions|expected"):
        model.predict(ks.Beliefs({"z": now["z"][..., :3], "z_cov": now["z_cov"]}, now.axes), 3)
    with pytest.raises(FileNotFoundError, match="seed-7"):
        run.load("line", 7)
    with pytest.raises(ValueError, match="expected the folder of one model and seed"):
        ks.load(run.path)
    with pytest.raises(FileNotFoundError):
        ks.load(tmp_path / "a" / "seed-0")
