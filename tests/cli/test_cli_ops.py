"""wtsnet/cli/ops.py: `wtsnet ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wtsnet import ops


def test_every_op_has_a_line_with_its_twin(cli: Callable[..., Any]) -> None:
    done = cli("ops")
    assert (done.status, done.err) == (0, "")
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert list(lines) == [name for name in ops.__all__ if name != "ACTIVATIONS"]
    assert "F.max_pool2d " in lines["max_pool2d"]
    assert "nn.Conv2d " in lines["conv2d"]
    assert all(len(line.split("  ")) >= 3 for line in lines.values()), "a name, a twin and a sentence each"


def test_one_op(cli: Callable[..., Any]) -> None:
    lines = cli("ops", "max_pool2d").out.splitlines()
    assert lines[0].startswith("max_pool2d(input: Tensor, kernel_size: int | Sequence[int], stride: ")
    assert lines[1] == "as F.max_pool2d"
    assert lines[3].startswith("The maximum of each window of (N, C, H, W)")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("concat", "cat"),
        ("MaxPool2d", "max_pool2d"),
        ("conv", "conv2d"),
        ("LayerNorm", "layer_norm"),
        ("upsample", "interpolate"),
        ("swish", "silu"),
        ("softmx", "'softmax'"),
    ],
)
def test_a_wrong_name_gets_the_right_one(fails: Callable[..., str], wrong: str, right: str) -> None:
    assert fails("ops", wrong) == f"unknown op {wrong!r}; did you mean {right}? (see: wtsnet ops)"
    if wrong == "conv":  # a file of the ops goes by this name
        return
    with pytest.raises(AttributeError, match=rf"wtsnet.ops has no op {wrong!r}; did you mean {right}\?"):
        getattr(ops, wrong)
