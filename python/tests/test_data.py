"""Datasets: read-only views of the files, checked when they are opened."""

import pickle
import shutil

import numpy as np
import pytest

import kinostate as ks


def test_a_split_is_views_of_its_files(run):
    data = run.data
    assert (
        list(data) == ["train", "validation", "test"]
        and data.frame_shape == (1, 16, 16)
        and data.frames == 8
        and data.dt == 0.2
    )
    assert [name for name, _ in data.state_columns] == ["x", "y", "vx", "vy"]
    train = data["train"]
    assert len(train) == 24 and len(train.shards("frames")) == 5
    whole = train.array("states")
    for i, (frames, states) in enumerate(train):
        np.testing.assert_array_equal(states, whole[i])
        assert frames.shape == (8, 1, 16, 16) and frames.dtype == np.uint8
        file = np.load(data.path / "train" / f"shard-{i // 5:05}" / "frames.npy")
        np.testing.assert_array_equal(frames, file[i % 5])
    np.testing.assert_array_equal(train[-1][1], whole[23])
    assert isinstance(train.get("frames", 3).base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        train.get("frames", 3)[...] = 0
    with pytest.raises(IndexError):
        train[24]


def test_it_pickles_as_its_path(run):
    data = run.data
    text = pickle.dumps(data)
    assert len(text) < 20_000
    np.testing.assert_array_equal(pickle.loads(text)["test"][0][0], data["test"][0][0])


def test_what_is_wrong_is_told_as_the_command_line_does(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: No such file"):
        ks.Dataset(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected a split of train, validation, test, got tset"):
        run.data["tset"]
    with pytest.raises(ValueError, match="expected an array of frames, .*, got frmes"):
        run.data["test"].get("frmes", 0)
    copy = tmp_path / "data"
    shutil.copytree(run.data.path, copy)
    file = copy / "test" / "shard-00000" / "states.npy"
    values = bytearray(file.read_bytes())
    values[-1] ^= 1
    file.write_bytes(values)
    with pytest.raises(ValueError, match="states.npy"):
        ks.Dataset(copy)
    file.unlink()
    with pytest.raises(ValueError, match="states.npy: expected .* bytes, got no such file"):
        ks.Dataset(copy)
