"""wtsnet/cli/record.py: `wtsnet record`."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.proof import several
from wtsnet.proof import load_module

CODE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 1)
    def forward(self, x):
        return self.conv(x)
"""
OWN = """
import torch
from torch import nn

class Matcher(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.words, self.fc = nn.Conv2d(3, 4, 3), nn.Embedding(9, 4), nn.Linear(4, 4)

    def forward(self, left, tokens, factor):
        picture = self.conv(left).mean((2, 3))
        return picture * factor, tokens.sum(1), self.fc(self.words(tokens).mean(1))

def broken():
    return nn.Linear("3", 4)

relu = nn.ReLU()
"""
SHAPES = ["--shape", "left=2x3x6x5", "--shape", "tokens=2x7:int64", "--shape", "factor=():bool"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """own.py and w.pth; several.py, the same as a model, and several.wts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    several.write(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    torch.save({"state_dict": several.twin().state_dict()}, tmp_path / "w.pth")
    return tmp_path


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """x.pt, here, whose code is in the folder `code`, where Python does not look."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "cli_recorded_model.py").write_text(CODE)
    path = list(sys.path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "code"), *path])
    model = importlib.import_module("cli_recorded_model").Model()
    torch.save({"model": model.half(), "ema": None}, tmp_path / "x.pt")
    monkeypatch.delitem(sys.modules, "cli_recorded_model")
    monkeypatch.setattr(sys, "path", path)
    return tmp_path / "x.pt"


def test_a_checkpoint(cli: Callable[..., Any], checkpoint: Path) -> None:
    for shape in ("1,3,4,5", "1x3x4x5"):
        done = cli("record", "x.pt", "--shape", shape, "-o", "x.npz", "--seed", "7", "--path", "code")
        size = Path("x.npz").stat().st_size
        assert (done.status, done.err) == (0, "")
        assert done.out == f"x.npz: 1 module and 1 output of Model for images 1×3×4×5, {size:,} bytes\n"
        golden = np.load("x.npz")
        assert golden.files == ["input/images", "module/conv", "output/0"]
        x = golden["input/images"]
        assert np.array_equal(x, np.random.default_rng(7).random((1, 3, 4, 5), dtype=np.float32))
        expected = load_module(checkpoint).float()(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(golden["output/0"], expected, rtol=1e-6, atol=1e-6)


def test_a_file_with_weights_is_what_verify_takes(cli: Callable[..., Any], here: Path) -> None:
    """The issue's own way: a module of one's own, its state dict, inputs of several shapes and dtypes."""
    done = cli("record", "own.py:Matcher", "-w", "w.pth", *SHAPES, "-o", "g.npz")
    size = Path("g.npz").stat().st_size
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        f"g.npz: 3 modules and 3 outputs of Matcher for left 2×3×6×5, tokens 2×7, factor (), {size:,} bytes\n"
    )
    golden = np.load("g.npz")
    assert set(golden["input/tokens"].flat) == {0, 1}
    assert [golden[f"input/{name}"].dtype for name in ("left", "tokens", "factor")] == ["float32", "int64", "bool"]
    done = cli("verify", "several.py:matcher", "-w", "several.wts", "-g", "g.npz")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("all within 1e-05\n")
    for weights in ("w.pth", "several.wts"):  # of one file the only class
        assert cli("record", "own.py", "-w", weights, *SHAPES, "-o", "other.npz").status == 0
        assert Path("other.npz").read_bytes() == Path("g.npz").read_bytes()


def test_without_weights_it_is_said(cli: Callable[..., Any], here: Path) -> None:
    done = cli("record", "own.py:relu", "--shape", "3", "-o", "g.npz")
    assert done.status == 0
    assert done.err == "note: no weights (-w) were given: recorded is what own.py:relu makes, random as it may be\n"
    assert done.out.startswith("g.npz: 0 modules and 1 output of ReLU for images 3, ")


def test_inputs_from_a_file(cli: Callable[..., Any], here: Path) -> None:
    given: dict[str, Any] = {name: value.numpy() for name, value in several.inputs().items()}
    np.savez("in.npz", **{**given, "left": given["left"].astype(np.float64)})
    done = cli("record", "own.py", "-w", "w.pth", "--inputs", "in.npz", "-o", "g.npz")
    assert "for left 2×3×6×5, tokens 2×7, factor (), " in done.out
    golden = np.load("g.npz")
    for name, value in given.items():
        assert np.array_equal(golden[f"input/{name}"], value)
        assert golden[f"input/{name}"].dtype == value.dtype


def test_inputs_without_names_are_called_as_the_forward_does(cli: Callable[..., Any], here: Path) -> None:
    shapes = ["--shape", "2,3,6,5", "--shape", "2x7:int32", "--shape", "1"]
    done = cli("record", "own.py", "-w", "w.pth", *shapes, "-o", "g.npz")
    assert "for left 2×3×6×5, tokens 2×7, factor 1, " in done.out


def test_a_part_of_the_checkpoint(cli: Callable[..., Any], fails: Callable[..., str], checkpoint: Path) -> None:
    words = ["record", "x.pt", "--shape", "1,3,4,5", "-o", "x.npz", "--path", "code", "--key"]
    assert cli(*words, "model").status == 0
    Path("x.npz").unlink()
    assert fails(*words, "ema").startswith("found NoneType in 'ema' of x.pt, which has 'model', 'ema'; expected a")
    assert not Path("x.npz").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("own.py -w w.pth --shape 1,3,6,5", "own.py: TypeError: Matcher.forward() missing 2 required positional"),
        ("own.py -w w.pth --shape left=1x4x6x5 --shape tokens=1x2:int64 --shape factor=1",
         "own.py, line 11: RuntimeError: Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 4, 6, 5] to"),
        ("own.py:broken --shape 1", "own.py, line 15: TypeError: "),
        ("own.py:Macher --shape 1", "own.py: has no 'Macher'; did you mean 'Matcher'? (it has Matcher, broken, relu)"),
        ("own.py:relu -w w.pth --shape 1", "w.pth: does not fit own.py:relu: the module has no conv.weight, conv."),
        ("own.py:relu", "found neither of --shape and --inputs, expected one of them"),
        ("own.py:relu --shape 1 --inputs in.npz", "found both of --shape and --inputs, expected one of them"),
        ("own.py:relu --shape 1,-3", "--shape: found '1,-3', expected sizes, as in 1,3,640,640 or tokens=1x128:int64"),
        ("own.py:relu --shape 1:2:3", "--shape: found '1:2:3', expected sizes"),
        ("own.py:relu --shape =1", "--shape: found '=1', expected sizes"),
        ("own.py:relu --shape x=", "--shape: found 'x=', expected sizes"),
        ("own.py:relu --shape 1:int46", "dtype: found 'int46', expected float32 or one of bool, int8, uint8, "),
        ("own.py:relu --shape x=1 --shape 2", "--shape: found x=1, 2, expected a name for each, or for none"),
        ("own.py:relu --shape x=1 --shape x=2", "--shape: found x=1, x=2, expected a name for each, or for none"),
        ("own.py:relu --inputs in.npz", "in.npz: can't be read as an .npz of inputs ("),
        ("none.pt --shape 1", "none.pt: can't be read (No such file or directory)"),
        ("w.pth --shape 1", "found NoneType in 'ema' or 'model' of w.pth, which has 'state_dict'; expected a module "),
        ("relu.pt --shape 1 -w w.pth", "relu.pt: found weights as well, expected none: a checkpoint carries its own"),
        ("linear.pt --shape 1,3", "linear.pt: RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
        ("own.py:relu --shape 1 -o none/g.npz", "none/g.npz: can't be written (No such file or directory)"),
        ("own.py:relu --shape 99999999999999999999", "shape: found 99999999999999999999, which is too large for this"),
        ("own.py:relu --shape 9999999999x9999:int64", "shape: found 9999999999×9999, which is too large for this mach"),
    ],
)  # fmt: skip
def test_errors(fails: Callable[..., str], here: Path, words: str, message: str) -> None:
    torch.save(torch.nn.Linear(2, 1), "linear.pt")
    torch.save(torch.nn.ReLU(), "relu.pt")
    assert fails("record", "-o", "g.npz", *words.split()).startswith(message)
    assert not list(here.glob("*.npz"))


def test_help(cli: Callable[..., Any]) -> None:
    text = " ".join(cli("record", "--help").out.replace("│", " ").split())
    assert "only use it on sources that you trust" in text
    assert "Example: wtsnet record own.py:Net -w net.pth --shape 1,3,32,32 -o golden.npz" in text


def test_it_needs_no_tensorrt(here: Path) -> None:
    """It runs where the PyTorch code lives."""
    script = """
import sys
sys.modules["tensorrt"] = sys.modules["tensorrt_rtx"] = None  # they can't be imported
from wtsnet.cli import main
main()
"""
    words = [sys.executable, "-c", script, "record", "own.py", "-w", "w.pth", *SHAPES, "-o", "g.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("g.npz: 3 modules and 3 outputs of Matcher for left 2×3×6×5, ")
