"""wtsnet/cli/verify.py: `wtsnet verify`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.proof import several
from tests.small import tiny, tiny_file
from wtsnet.reference import ReferenceRunner


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """golden.npz of mine.py:tiny and tiny.wts, here."""
    monkeypatch.chdir(tmp_path)
    wtsnet.write_wts("tiny.wts", tiny())
    net = wtsnet.define(tiny_file(tmp_path), "tiny.wts")
    x = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    with ReferenceRunner(net.trt) as runner:
        made = {name: value.numpy().copy() for name, value in runner.trace({"images": x}, ["conv", "pool", "output"])}
    arrays = {"module/conv": made["conv"], "module/pool": made["pool"], "module/act": made["output"]}
    np.savez("golden.npz", **{"input/images": x, **arrays, "module/drop": made["conv"], "output/0": made["output"]})
    return tmp_path / "golden.npz"


COMMAND = ["verify", "mine.py:tiny", "-w", "tiny.wts", "-g", "golden.npz"]


def test_equal(cli: Callable[..., Any], golden: Path) -> None:
    done = cli(*COMMAND)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["the", "worst", "ten", "max|a-b|/max|b|"]
    assert sorted(line.split()[0] for line in lines[1:5]) == ["act", "conv", "output", "pool"]
    assert lines[5] == "compared 4 outputs; 1 are not in the network (folded or unnamed)"
    assert lines[6] == "all within 1e-05"


def test_a_broken_weight(cli: Callable[..., Any], golden: Path) -> None:
    wtsnet.write_wts("tiny.wts", {**tiny(), "conv.bias": tiny()["conv.bias"] + np.float32(0.01)})
    done = cli(*COMMAND)
    assert (done.status, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[-1].startswith("the first beyond 1e-05: conv, ")
    errors = [float(line.split()[-1]) for line in lines[1:5]]
    assert errors == sorted(errors, reverse=True)
    assert cli(*COMMAND, "--tolerance", "0.5").status == 0


def test_a_shape_that_differs_is_explained(cli: Callable[..., Any], golden: Path) -> None:
    with np.load(golden) as file:
        arrays = {**file, "module/pool": np.zeros((1, 5, 1, 1), np.float32)}
    np.savez(golden, **arrays)
    done = cli(*COMMAND)
    assert done.status == 1
    assert done.out.endswith("the first beyond 1e-05: pool, inf (found shape (1, 4, 1, 1), expected (1, 5, 1, 1))\n")


def test_lower_precision(cli: Callable[..., Any], golden: Path) -> None:
    assert cli(*COMMAND, "--precision", "fp16").out.endswith("all within 0.01\n")
    assert cli(*COMMAND, "--precision", "fp16", "--tolerance", "1e-7").status == 1


def test_several_inputs(cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the one model of a file."""
    monkeypatch.chdir(tmp_path)
    several.write(tmp_path)
    wtsnet.record(several.twin(), several.inputs(), "g.npz")
    done = cli("verify", "several.py", "-w", "several.wts", "-g", "g.npz")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("compared 6 outputs; 0 are not in the network (folded or unnamed)\nall within 1e-05\n")
    wtsnet.record(several.twin(), tuple(several.inputs().values()), "g.npz", ["left", "b", "c"])
    assert cli("verify", "several.py", "-w", "several.wts", "-g", "g.npz").status == 0


def test_the_help_says_where_a_golden_file_comes_from(cli: Callable[..., Any]) -> None:
    text = " ".join(cli("verify", "--help").out.replace("│", " ").split())
    assert "What `wtsnet record` wrote." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mine.py:tiny -w tiny.wts -g none.npz", "none.npz: can't be read as a golden file ("),
        ("mine.py:tiny -w tiny.wts -g tiny.wts", "tiny.wts: can't be read as a golden file"),
        ("mine.py:tiny -w none.wts -g golden.npz", "{here}/none.wts: "),
        ("mine.py:tinny -w tiny.wts -g golden.npz", "unknown model 'tinny'"),
        ("lenet -w tiny.wts -g golden.npz", "tiny.wts: conv1.weight: the network wants it, the weights lack it"),
        ("mine.py:tiny -w tiny.wts -g golden.npz --device tpu", "device: found 'tpu', expected cpu or a cuda device"),
        ("mine.py:tiny -w tiny.wts -g golden.npz --head raw", "tiny: unknown option 'head' (it has none)"),
        ("mine.py:tiny -w tiny.wts -g golden.npz --set tolerance=1", "--set: found 'tolerance=1', expected an option"),
    ],
)
def test_errors(fails: Callable[..., str], golden: Path, arguments: str, message: str) -> None:
    assert fails("verify", *arguments.split()).startswith(message.format(here=golden.parent))
