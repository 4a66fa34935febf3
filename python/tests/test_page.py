"""The wheel's section of docs/python.md: its blocks run in order, in a folder that holds the experiments of the
checkout."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks():
    page = (ROOT / "docs/python.md").read_text()
    section = page.split("\n## The package\n")[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_every_block_of_the_page_runs(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    found = blocks()
    assert len(found) >= 4
    names: dict = {}
    for block in found:
        modules = re.findall(r"^(?:import|from) (torch|jax|gymnasium|pandas)", block, re.MULTILINE)
        for module in modules:
            if module not in names:
                pytest.importorskip(module)
        exec(compile(block, "docs/python.md", "exec"), names)
