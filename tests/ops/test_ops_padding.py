"""Padding against torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, bools, build, check, check_sizes, integers, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.ops.padding import pad_with

WIDTHS = [(1, 2), (0, 3, 2, 1), (2, 2, 0, 0), (4, 4, 3, 3)]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_pad(mode: str, widths: tuple[int, ...]) -> None:
    x = values(2, 3, 6, 5) if len(widths) == 4 else values(2, 3, 5)
    check(lambda x: ops.pad(x, widths, mode), lambda x: F.pad(x, widths, mode), x, tol=0)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_three_dimensions(mode: str) -> None:
    widths = (1, 2, 2, 0, 1, 1)
    check(lambda x: ops.pad(x, widths, mode), lambda x: F.pad(x, widths, mode), values(1, 2, 3, 4, 5), tol=0)


@pytest.mark.parametrize("value", [None, 0.0, -1.5, 1e4, float("-inf"), 2])
@pytest.mark.parametrize(
    "widths", [(1, 2, 0, 0, 3, 1), (0, 0, 0, 0, 0, 0, 1, 2), (-1, 2), (-2, -1, 1, -3), ()], ids=str
)
def test_constant(value: float | None, widths: tuple[int, ...]) -> None:
    named = "a.b" if widths else None
    x = values(2, 3, 6, 5)
    check(lambda x: ops.pad(x, widths, value=value), lambda x: F.pad(x, widths, value=value), x, tol=0, named=named)


@pytest.mark.parametrize("mode", ["replicate", "circular", "reflect"])
def test_negative_widths_cut(mode: str) -> None:
    widths = (-1, 2, 1, -2)
    x = values(1, 2, 6, 5)
    wide = F.pad(x[:, :, :-2, 1:], (0, 2, 1, 0), mode)
    if mode != "circular":  # what torch wraps around is cut first
        check(lambda x: ops.pad(x, widths, mode), lambda x: wide, x, tol=0)
    check(lambda x: ops.pad(x, (-1, -2), mode), lambda x: x[..., 1:-2], x, tol=0)


def test_widths_may_be_numpys_and_in_a_list() -> None:
    several: list[Any] = [[1, 2], np.array([1, 2]), (np.int64(1), np.int32(2))]
    for widths in several:
        check(lambda x, w=widths: ops.pad(x, w), lambda x: F.pad(x, [1, 2]), values(2, 3, 5), tol=0)


def test_integers_and_bools() -> None:
    x = integers(2, 5, below=9)
    check(lambda x: ops.pad(x, (1, 2), value=7), lambda x: F.pad(x, (1, 2), value=7), x)
    check(lambda x: ops.pad(x, (1, 2)), lambda x: F.pad(x, (1, 2)), bools(2, 5))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_dynamic_sizes(mode: str) -> None:
    widths = (1, 2, 3, 0)
    one = check_sizes(
        lambda x: ops.pad(x, widths, mode),
        lambda x: F.pad(x, widths, mode),
        ((1, 2, 4), 3, (4, 6, 9), (4, 6, 9)),
        (4, 3, 4, 9),
        (1, 3, 8, 5),
        tol=0,
    )
    assert one.outputs[0].shape == (-1, 3, -1, -1)
    build(one.net)


def test_up_to_a_multiple() -> None:
    """Widths that are known only at run time: a window transformer's."""

    def op(x: Any) -> Any:
        h, w = x.size(1), x.size(2)
        function = F.pad if isinstance(x, torch.Tensor) else ops.pad
        return function(x, (0, 0, 0, (4 - w % 4) % 4, 0, (4 - h % 4) % 4))

    one = check_sizes(op, op, (1, (3, 6, 9), (3, 6, 9), 2), (1, 3, 8, 2), (1, 9, 5, 2), (1, 4, 6, 2), tol=0)
    build(one.net)


def test_negative_widths_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda x: ops.pad(x, (-1, 2, 1, -2), value=1.0),
        lambda x: F.pad(x, (-1, 2, 1, -2), value=1.0),
        ((1, 2, 4), 3, (4, 6, 9), (4, 6, 9)),
        (4, 3, 4, 9),
        (1, 3, 8, 5),
        tol=0,
    )
    build(one.net)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    x = values(1, 2, 5, 4).to(dtype)
    found = OneOp(lambda x: ops.pad(x, (1, 2), value=0.1), x)(x)[0]
    assert torch.equal(found.float(), F.pad(x, (1, 2), value=0.1).float())


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: ops.pad(x, (1,)), "pad: found 1 widths, expected two a dimension, at most 6"),
        (lambda x: ops.pad(x, (1,) * 8), "pad: found 8 widths, expected two a dimension, at most 6"),
        (
            lambda x: ops.pad(x, (1, 1), "mirror"),
            "mode: found 'mirror', expected one of constant, reflect, replicate, circular",
        ),
        (
            lambda x: ops.pad(x, (1, 1), "reflect", 2.0),
            "value: found 2.0 with mode 'reflect', expected it with 'constant' alone",
        ),
        (
            lambda x: ops.pad(x, (0, 5), "reflect"),
            "pad: found (0, 5) for size 5, expected at most 4 with 'reflect'",
        ),
        (
            lambda x: ops.pad(x, (6, 0), "circular"),
            "pad: found (6, 0) for size 5, expected at most 5 with 'circular'",
        ),
        (lambda x: ops.pad(x, (-3, -2)), "pad: found (-3, -2) for size 5, expected some of it to be left"),
        (
            lambda x: ops.pad(x.int(), (1, 1), value=0.5),
            "found a constant that int32 can't hold, expected integers in its range",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(2, 3, 5))
    assert str(caught.value) == f"a.b: pad: {text}"


def test_pairs_for_each_dimension() -> None:
    """As numpy's padding takes them; used where widths are reckoned."""
    check(lambda x: pad_with(x, [(0, 1), (2, 0)]), lambda x: F.pad(x, (2, 0, 0, 1)), values(2, 3), tol=0)
