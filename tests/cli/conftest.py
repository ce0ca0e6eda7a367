"""The command line in this process: what it prints and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from wtsnet.cli import main


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["wtsnet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def fails(cli: Callable[..., Done]) -> Callable[..., str]:
    """The one line on stderr of a command that exits with 2 and prints nothing else."""

    def run(*arguments: str | Path) -> str:
        done = cli(*arguments)
        assert done.status == 2, done
        assert done.out == ""
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        assert done.err.endswith("\n")
        return done.err.removeprefix("error: ").rstrip("\n")

    return run
