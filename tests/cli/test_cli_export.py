"""wtsnet/cli/export.py, as `wtsnet export` and as `tools/gen_wts.py`."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from rich.console import Console
from torch import nn
from typer.testing import CliRunner

from tools import gen_wts
from wtsnet import read_wts
from wtsnet.checkpoint import exporting as checkpoint
from wtsnet.cli import options
from wtsnet.manifest.manifest import WeightsManifest

command = importlib.import_module("wtsnet.cli.export")  # its function goes by the same name


@pytest.fixture
def source(tmp_path: Path) -> Path:
    module = nn.DataParallel(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))).half()
    torch.save({"model": module, "names": ["a"], "spare": {"w": torch.ones(3)}}, tmp_path / "x.pt")
    return tmp_path / "x.pt"


def run(*arguments: str | Path) -> str:
    app = typer.Typer()
    app.command()(command.export)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_writes_beside_the_checkpoint(source: Path) -> None:
    output = run(source)
    target = source.with_suffix(".wts")
    assert output.splitlines() == [
        f"{source}, model: 7 entries, 13 values",
        "facts: names; eps of 1 batch norms",
        f"{target}: {target.stat().st_size:,} bytes, and x.wts.yaml beside it",
    ]
    assert list(read_wts(target)) == list(WeightsManifest.read(f"{target}.yaml").entries)


def test_the_eps_that_a_state_dict_does_not_tell(tmp_path: Path) -> None:
    """Those of a pickled module are told."""
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.LayerNorm(2), nn.Sequential(nn.BatchNorm1d(2)))
    torch.save(module.state_dict(), tmp_path / "s.pth")
    torch.save(module, tmp_path / "m.pth")
    assert run(tmp_path / "s.pth").splitlines()[1:3] == [
        "facts: none; eps of 0 batch norms",
        "batch-norm eps unknown for 2 batch norms: 1e-5 assumed, or what the model's definition says",
    ]
    output = run(tmp_path / "m.pth")
    assert "eps of 2 batch norms" in output
    assert "unknown" not in output
    torch.save(nn.BatchNorm2d(2).state_dict(), tmp_path / "one.pth")
    assert "\nbatch-norm eps unknown for 1 batch norm: 1e-5 assumed" in run(tmp_path / "one.pth", "--dry-run")
    torch.save({"a.running_mean": torch.ones(1), "xrunning_mean": torch.ones(1)}, tmp_path / "none.pth")
    assert "unknown" not in run(tmp_path / "none.pth")


def test_options(source: Path, tmp_path: Path) -> None:
    run(source, "-o", tmp_path / "out.wts", "--strip-prefix", "module.")
    assert list(read_wts(tmp_path / "out.wts"))[:2] == ["0.weight", "0.bias"]
    assert run(source, "--key", "spare", "-o", tmp_path / "out.wts").startswith(f"{source}, spare: 1 entries, 3 values")
    assert list(read_wts(tmp_path / "out.wts")) == ["w"]


def test_dry_run(source: Path) -> None:
    output = run(source, "--dry-run")
    assert output.splitlines()[-1] == f"{source.with_suffix('.wts')} would be written, and x.wts.yaml beside it"
    assert list(source.parent.iterdir()) == [source]


def test_help_has_an_example() -> None:
    assert "Example: wtsnet export yolov5s.pt -o yolov5s.wts" in run("--help")


@pytest.mark.parametrize(
    ("seconds", "terminal", "shown"), [(0.01, True, False), (0.6, True, True), (0.6, False, False)]
)
def test_progress_after_a_second(monkeypatch: pytest.MonkeyPatch, seconds: float, terminal: bool, shown: bool) -> None:
    times = iter(index * seconds for index in range(100))
    screen = io.StringIO()
    monkeypatch.setattr(options, "monotonic", lambda: next(times))
    monkeypatch.setattr(options, "Console", lambda stderr: Console(file=screen, force_terminal=terminal, width=80))
    with options.late_progress() as progress:
        for done in range(1, 5):
            progress("Writing x.wts", done, 4)
    assert ("Writing x.wts" in screen.getvalue()) is shown
    assert ("100%" in screen.getvalue()) is shown
    assert shown or not screen.getvalue()


def test_gen_wts_writes_what_export_does(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["gen_wts.py", source, "-o", tmp_path / "out.wts", "--strip-prefix", "module."]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as end:
        gen_wts.main()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"{source}, model: 7 entries, 13 values")
    checkpoint.export(source, tmp_path / "same.wts", strip_prefix="module.")
    assert (tmp_path / "out.wts").read_bytes() == (tmp_path / "same.wts").read_bytes()


def test_gen_wts_says_what_is_wrong_in_a_line(source: Path) -> None:
    words: list[str | Path] = [sys.executable, gen_wts.__file__, source, "--key", "spar"]
    result = subprocess.run(words, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {source}: no key 'spar'; it has 'model', 'names', 'spare'; did you mean 'spare'?\n"
    )
