"""wtsnet/cli/compare.py: `wtsnet compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import wtsnet
from tests.proof import several
from tests.small_onnx import KERNEL, conv, export, relu, two_inputs, write
from tests.upstream import upstream


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """l.wts and l.onnx of one LeNet; its batch is dynamic in the latter."""
    monkeypatch.chdir(tmp_path)
    module, x = upstream("lenet")
    wtsnet.write_wts("l.wts", {key: value.numpy() for key, value in module.state_dict().items()})
    names = {"input_names": ["data"], "output_names": ["out"], "dynamic_axes": {"data": {0: "n"}, "out": {0: "n"}}}
    export(module, x, tmp_path / "l.onnx", **names)
    return tmp_path


def test_equal(cli: Callable[..., Any], here: Path) -> None:
    done = cli("compare", "lenet:l.wts", "l.onnx", "--batch", "2")
    assert (done.status, done.err) == (0, "")
    header, row, end = done.out.splitlines()
    assert header.split() == ["output", "shape", "dtype", "max|a-b|/max|b|", "mean|a-b|/max|b|"]
    assert row.split()[:5] == ["prob", "=", "out", "2×10", "float32"]
    most, mean = map(float, row.split()[5:])
    assert 0 <= mean <= most < 1e-6
    assert end == "all within 1e-05"


def test_a_changed_weight(cli: Callable[..., Any], here: Path) -> None:
    arrays = {key: np.array(values, np.float32) for key, values in wtsnet.read_wts("l.wts").items()}
    arrays["fc3.bias"][0] += 1
    wtsnet.write_wts("l.wts", arrays)
    done = cli("compare", "lenet:l.wts", "l.onnx", "--batch", "1")
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[-1].startswith("the first beyond 1e-05: prob = out, ")
    assert cli("compare", "lenet:l.wts", "l.onnx", "--batch", "1", "--tolerance", "1").status == 0


def test_the_options_reach_their_side(cli: Callable[..., Any], here: Path) -> None:
    done = cli("compare", "lenet:l.wts", "l.onnx", "--batch", "1", "--precision", "fp16")
    assert done.status == 0
    assert done.out.endswith("all within 0.01\n")
    assert float(done.out.splitlines()[1].split()[5]) > 1e-5
    two_inputs(here / "t.onnx")
    done = cli(
        "compare", "t.onnx", "t.onnx", "--batch", "2", "--imgsz", "4x5", "--shape", "bias=1x1x1x5", "--seed", "7"
    )
    assert [line.split()[:2] for line in done.out.splitlines()[1:3]] == [["total", "2×3×4×5"], ["product", "2×3×4×5"]]
    assert cli("build", "l.onnx", "--batch", "1").status == 0
    done = cli("compare", "l.plan", "lenet:l.wts", "--runner", "reference", "--device", "cpu")
    assert done.out.endswith("all within 1e-05\n")


def test_shapes_of_a_model_of_several_inputs(cli: Callable[..., Any], here: Path) -> None:
    """The one model of a file, by its name and without."""
    several.write(here)
    shapes = ["--shape", "tokens=1x8:1x16:1x32", "--shape", "left=1x3x6x5"]
    done = cli("compare", "several.py:several.wts", "several.py:matcher:several.wts", *shapes)
    assert (done.status, done.err) == (0, "")
    assert [line.split()[:3] for line in done.out.splitlines()[1:4]] == [
        ["picture", "1×4", "float32"], ["count", "1", "int64"], ["text", "1×4", "float32"]
    ]  # fmt: skip


def test_inputs_from_a_file_and_a_seed(cli: Callable[..., Any], here: Path) -> None:
    conv(here / "a.onnx")
    conv(here / "b.onnx", kernel=KERNEL + np.float32(1e-3))
    np.savez("x.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    assert cli("compare", "a.onnx", "b.onnx", "--input", "x.npz").status == 0
    outs = [cli("compare", "a.onnx", "b.onnx", "--seed", seed) for seed in "001"]
    assert [done.status for done in outs] == [1, 1, 1]
    assert outs[0].out == outs[1].out != outs[2].out


def test_what_is_not_compared_is_said(cli: Callable[..., Any], here: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["z"])]
    write(here / "two.onnx", nodes, {"x": (1, 2)}, ["y", "z"])
    relu(here / "one.onnx", (1, 2))
    done = cli("compare", "two.onnx", "one.onnx")
    assert done.status == 0
    assert "\nnot compared: z (1, 2) of two.onnx\n" in done.out


def test_a_shape_that_differs_is_explained(cli: Callable[..., Any], here: Path) -> None:
    conv(here / "a.onnx")
    conv(here / "b.onnx", kernel=KERNEL[:2])
    done = cli("compare", "a.onnx", "b.onnx")
    assert done.status == 1
    row = done.out.splitlines()[1]
    assert row.split()[:5] == ["y", "1×4×6×6", "float32", "inf", "inf"]
    assert row.endswith("  found shape (1, 4, 6, 6), expected (1, 2, 6, 6)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("l.wts l.onnx", "l.wts: a .wts does not say which network it is of; expected MODEL:l.wts"),
        ("own.py l.onnx", "own.py: found no weights, expected own.py:FILE.wts"),
        ("lenet:l.wts l.wts", "l.wts: a .wts does not say which network it is of; expected MODEL:l.wts"),
        ("lenet:l.wts lenet:l.wts --shape dta=1x1x32x32", "shape: unknown input 'dta'; did you mean 'data'?"),
        ("lenet:l.wts lenet:l.wts --shape data=1x1x32", "lenet: shape of data: found (1, 1, 32), expected 4 sizes"),
        ("lenet:none.wts l.onnx --batch 1", "{here}/none.wts: "),
        ("none.plan l.onnx --batch 1", "none.plan: no such file; expected an .onnx file, a plan, or MODEL:FILE.wts"),
        ("lenet:l.wts l.onnx", "l.onnx: input data -1×1×32×32: axis 0 is dynamic and was given no size; give --batch"),
        ("lenet:l.wts fixed.onnx", "no shape fits both networks: they take data 1×1×32×32 to 1×1×32×32 and x 1×1×4×4"),
        ("fixed.onnx fixed.onnx --head raw", "head: found 'raw', which fixed.onnx and fixed.onnx do not take"),
        ("fixed.onnx fixed.onnx --runner tensorrt", "runner: found 'tensorrt', which is for plans; fixed.onnx and"),
        ("fixed.onnx fixed.onnx --device tpu", "device: found 'tpu', expected cpu or a cuda device"),
        ("fixed.onnx fixed.onnx --input l.wts", "l.wts: not a readable picture"),
        ("fixed.onnx fixed.onnx --input x.npz", "x.npz: can't be read as an .npz of inputs"),
        ("fixed.onnx fixed.onnx --set seed=1", "--set: found 'seed=1', expected an option of the model (seed is none"),
        ("fixed.onnx fixed.onnx --set inputs=1", "--set: found 'inputs=1', expected an option of the model"),
    ],
)
def test_errors(fails: Callable[..., str], here: Path, arguments: str, message: str) -> None:
    relu(here / "fixed.onnx", (1, 1, 4, 4))
    Path("own.py").touch()
    assert fails("compare", *arguments.split()).startswith(message.format(here=here))
