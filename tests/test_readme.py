"""The README's commands and code do what it says, typed in as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = TEXT.partition("## The five-minute tour")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder in which the repository's tools lie where the README's commands look for them."""
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    return tmp_path


def run(command: list[str] | str, folder: Path) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "120"},
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_tour_runs_as_written(folder: Path) -> None:
    commands = [line for block in re.findall(r"```sh\n(.*?)```", TOUR, re.S) for line in block.splitlines()]
    printed = {command.split()[1]: run(command, folder) for command in commands}
    assert len(printed) == 6
    assert "349 entries" in printed["export"]
    assert "all within 1e-05" in printed["verify"]
    assert "found" in printed["run"]
    assert (folder / "found" / "held_out.png").is_file()


def test_the_example_model_equals_pytorch(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(code.splitlines()) <= 33, "the README says about thirty lines"
    (folder / "tiny.py").write_text(code, encoding="utf-8")
    printed = run([sys.executable, "tiny.py"], folder)
    assert float(printed.split(":")[1]) < 1e-6
    assert (folder / "tiny.plan.yaml").is_file()


def test_every_command_of_the_readme_exists() -> None:
    from wtsnet.cli import COMMANDS

    known = {command.__name__ for command in COMMANDS}
    named = set(re.findall(r"(?:^|`)wtsnet (\w+)", TEXT, re.M))
    assert len(named) >= 5
    assert named <= known
