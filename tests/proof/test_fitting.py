"""wtsnet/proof/fitting.py: golden files of any number of inputs, of any rank and dtype."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wtsnet
from tests.proof.several import inputs, twin, write
from wtsnet.errors import ModelError, VerifyError
from wtsnet.proof import record, verify

ROWS = ["conv", "words", "fc", "output 0", "output 1", "output 2"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return f"{write(tmp_path)}:matcher"


def golden(folder: Path, **changed: Any) -> Path:
    """The golden file of the twin, with inputs of other values under their names; None leaves one out."""
    record(twin(), inputs(), folder / "g.npz")
    with np.load(folder / "g.npz") as file:
        arrays = dict(file)
    for name, value in changed.items():
        arrays.pop(f"input/{name}", None)
        if value is not None:
            arrays[f"input/{name}"] = value
    np.savez(folder / "g.npz", **arrays)
    return folder / "g.npz"


def test_several_inputs(model: str, tmp_path: Path) -> None:
    report = verify(model, tmp_path / "several.wts", golden(tmp_path))
    assert [row.name for row in report.rows] == ROWS
    assert (report.first, report.skipped) == (None, [])
    assert verify(model.removesuffix(":matcher"), tmp_path / "several.wts", golden(tmp_path)).first is None


def test_a_value_that_differs_is_found(model: str, tmp_path: Path) -> None:
    """Each input reaches the network: another value of one shows where it is used first."""
    for name, value, first in (("left", 2, "conv"), ("tokens", 1, "words"), ("factor", 2, "output 0")):
        array = inputs()[name].numpy()
        other = (array + value) % 9 if name == "tokens" else array * value
        found = verify(model, tmp_path / "several.wts", golden(tmp_path, **{name: other})).first
        assert found is not None
        assert found.name == first


def test_names_that_differ_go_by_their_order(model: str, tmp_path: Path) -> None:
    for names in (["a", "b", "c"], ["a", "tokens", "b"], ["left", "x", "factor"]):
        record(twin(), tuple(inputs().values()), tmp_path / "g.npz", names)
        assert verify(model, tmp_path / "several.wts", tmp_path / "g.npz").first is None
    order = ("factor", "left", "tokens")  # by keyword
    record(twin(), {name: inputs()[name] for name in order}, tmp_path / "g.npz")
    assert np.load(tmp_path / "g.npz").files[:3] == [f"input/{name}" for name in order]
    assert verify(model, tmp_path / "several.wts", tmp_path / "g.npz").first is None


def test_dtypes_are_cast_where_nothing_is_lost(model: str, tmp_path: Path) -> None:
    tokens = inputs()["tokens"].numpy()
    for fine in (tokens.astype(np.int32), tokens.astype(np.uint8), tokens.astype(np.float32)):
        assert verify(model, tmp_path / "several.wts", golden(tmp_path, tokens=fine)).first is None
    single = tokens.astype(np.float32)
    for name, value, message in (
        ("tokens", single + np.float32(0.5), "input tokens: found float32 values that int64 can't hold exactly"),
        ("tokens", single + np.float32(np.nan), "input tokens: found float32 values that int64 can't hold exactly"),
        ("tokens", single + np.float32(1e30), "input tokens: found float32 values that int64 can't hold exactly"),
        ("factor", np.float32(1 / 3), "input factor: found float32 values that float16 can't hold exactly"),
        ("factor", np.float32(1e6), "input factor: found float32 values that float16 can't hold exactly"),
        ("left", np.full((2, 3, 6, 5), 2**24 + 1), "input left: found int64 values that float32 can't hold exactly"),
    ):
        path = golden(tmp_path, **{name: value})
        with pytest.raises(VerifyError, match=f"^{re.escape(f'{path}: {message}')}$"):
            verify(model, tmp_path / "several.wts", path)
    nan = np.full((2, 3, 6, 5), np.nan, np.float32)  # which float32 does hold
    assert verify(model, tmp_path / "several.wts", golden(tmp_path, left=nan)).first is not None


def test_inputs_that_are_not_the_models(model: str, tmp_path: Path) -> None:
    takes = f"expected 3 of them: {model} takes left, tokens, factor"
    for changed, message in (
        ({"tokens": None}, f"found factor (), left 2×3×6×5; {takes}"),
        ({"tokens": None, "left": None, "factor": None}, f"found no inputs; {takes}"),
        ({"more": np.zeros(3)}, f"found left 2×3×6×5, tokens 2×7, factor (), more 3; {takes}"),
    ):
        path = golden(tmp_path, **changed)
        with pytest.raises(VerifyError) as caught:
            verify(model, tmp_path / "several.wts", path)
        found, _, rest = str(caught.value).removeprefix(f"{path}: found ").partition("; ")
        wanted, _, wanted_rest = message.removeprefix("found ").partition("; ")
        assert (sorted(found.split(", ")), rest) == (sorted(wanted.split(", ")), wanted_rest)
    for wrong in (np.zeros((2, 3, 6, 4), np.float32), np.zeros((2, 3, 6), np.float32)):
        with pytest.raises(ModelError, match="left"):
            verify(model, tmp_path / "several.wts", golden(tmp_path, left=wrong))


def test_options_that_say_more(model: str, tmp_path: Path) -> None:
    path = golden(tmp_path)
    ranges = {"tokens": ((2, 1), (2, 7), (2, 9))}
    assert verify(model, tmp_path / "several.wts", path, precision="fp16").tolerance == 1e-2
    assert verify(model, tmp_path / "several.wts", path, shapes=ranges, batch=2).first is None
    with pytest.raises(ModelError, match="unknown option 'head'"):
        verify(model, tmp_path / "several.wts", path, head="raw")


def test_an_axis_of_any_length(tmp_path: Path) -> None:
    """`Linear` on (N, T, C), whose middle axis is of any length."""
    (tmp_path / "lin.py").write_text(
        "import wtsnet\nfrom wtsnet.ops import linear\n"
        '@wtsnet.model("lin", inputs={"x": wtsnet.Input(("T", "N", 3))})\n'
        'def lin(s, x):\n    return linear(s / "fc", x, 2)\n'
    )
    module = torch.nn.Sequential()
    module.add_module("fc", torch.nn.Linear(3, 2))
    record(module, torch.rand(5, 4, 3), tmp_path / "g.npz")
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    report = verify(f"{tmp_path / 'lin.py'}", weights, tmp_path / "g.npz")
    assert [row.name for row in report.rows] == ["fc", "output 0"]
    assert report.first is None
    net = wtsnet.define(f"{tmp_path / 'lin.py'}", weights, shapes={"x": (5, 4, 3)})
    assert net.outputs()[0]["shape"] == [5, 4, 2]
