"""Experiments from Python and from the wheel's own command."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import EXPERIMENT

import kinostate as ks
from kinostate import _kinostate

SMALL = EXPERIMENT | {"models": {"line": EXPERIMENT["models"]["line"]}}


def test_a_run_tells_what_it_found(run):
    assert run.models == {name: [0] for name in sorted(EXPERIMENT["models"])}
    assert run.report.exists() and set(run.summary["models"]) == set(EXPERIMENT["models"])
    found = run.findings()
    assert [finding["analysis"] for finding in found] == ["probe"] * 5
    assert {finding["model"] for finding in found} == set(EXPERIMENT["models"])
    assert found[0]["metrics"][0].keys() == {"name", "value", "interval", "unit"}
    pandas = pytest.importorskip("pandas")
    table = ks.findings_table(run.path)
    assert len(table) == sum(len(finding["metrics"]) for finding in found)
    row = table.iloc[0]
    assert row.metric == found[0]["metrics"][0]["name"] and row.value == found[0]["metrics"][0]["value"]
    assert pandas.api.types.is_float_dtype(table["low"])


def test_python_and_the_command_leave_the_same_bytes(tmp_path):
    import json

    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(SMALL))
    here = ks.run(file, out=tmp_path / "a", set={"train.steps": 4, "seeds": [1]}, threads=1)
    command = [sys.executable, "-m", "kinostate._command", "run", str(file), "--quiet", "--threads", "2"]
    command += ["--out", str(tmp_path / "b"), "--set", "train.steps=4", "--set", "seeds=[1]"]
    subprocess.run(command, check=True, cwd=tmp_path)
    for name in [
        "config.yaml",
        "summary.json",
        "line/seed-1/model.safetensors",
        "line/seed-1/latents/test/filtered.npy",
    ]:
        assert (here.path / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    # All is finished: the second time is short.
    assert ks.run(file, out=tmp_path / "a", set=["train.steps=4", "seeds=[1]"]).path == here.path


def test_some_steps_are_some_steps(tmp_path):
    run = ks.run(SMALL, out=tmp_path / "run", steps=["generate"])
    assert run.data.frames == 8 and run.models == {}


def test_a_sweep_is_the_folder_of_its_runs(tmp_path):
    swept = SMALL | {"sweep": {"grid": {"train.steps": [2, 3]}}, "name": "swept"}
    run = ks.run(swept, out=tmp_path / "swept", steps=["generate"])
    assert len(run.runs) == 2 and all(one.data.frames == 8 for one in run.runs.values())


def test_wrong_experiments_are_told_as_the_command_line_does(tmp_path):
    wrong = SMALL | {"train": {"stpes": 3, "batch": 0}}
    with pytest.raises(ValueError, match="(?s)stpes.*steps.*batch|batch.*stpes"):
        ks.run(wrong, out=tmp_path / "run")
    with pytest.raises(ValueError, match="train.stpes"):
        ks.check(SMALL, set={"train.stpes": 3})
    with pytest.raises(ValueError, match="steps: expected some of generate, .*, got trian"):
        ks.run(SMALL, out=tmp_path / "run", steps=["trian"])
    with pytest.raises(ValueError, match="threads: expected at least 1, got 0"):
        ks.run(SMALL, out=tmp_path / "run", threads=0)
    with pytest.raises(FileNotFoundError, match="none.yaml"):
        ks.run(tmp_path / "none.yaml")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ks.findings(tmp_path / "nowhere")
    assert "steps: 6" in ks.check(SMALL)


def test_a_panic_is_a_runtime_error_that_says_so():
    with pytest.raises(RuntimeError, match="kinostate panicked, .*: asked to"):
        _kinostate.panic_inside()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_saves_and_the_same_call_goes_on(tmp_path):
    long = {"train.steps": 100_000, "train.validate_every": 5}

    def interrupt():
        while not (tmp_path / "run/line/seed-0/metrics.jsonl").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        ks.run(SMALL, out=tmp_path / "run", set=long)
    thread.join()
    assert (tmp_path / "run/line/seed-0/checkpoint.safetensors").exists()
    # Nothing is left of having been asked.
    ks.run(SMALL, out=tmp_path / "other", steps=["generate"])


def test_the_wheels_command_is_the_program(tmp_path):
    def command(*words):
        # From elsewhere: the folder of the sources would hide the installed package.
        program = [sys.executable, "-m", "kinostate._command", *words]
        return subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)

    assert command("--version").stdout == f"kinostate {ks.__version__}\n"
    assert command("chekc").returncode == 2
    found = command("check", "none.yaml")
    assert found.returncode == 2 and found.stderr.startswith("kinostate: none.yaml")
