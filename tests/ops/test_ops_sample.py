"""Sampling at computed places against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, build, check, check_sizes, values
from wtsnet import ops
from wtsnet.errors import NetworkError


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode: str, padding_mode: str, align_corners: bool) -> None:
    options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    check(
        lambda s, x, grid: ops.grid_sample(s, x, grid, **options),
        lambda x, grid: F.grid_sample(x, grid, **options),
        *(values(2, 3, 5, 7), values(2, 4, 6, 2, seed=1)),  # about a third of the places lie outside
    )


def test_dynamic_sizes() -> None:
    any_size = (1, 4, 8)
    made = check_sizes(
        ops.grid_sample,
        lambda x, grid: F.grid_sample(x, grid, align_corners=False),
        [(any_size, 3, any_size, any_size), (any_size, any_size, any_size, 2)],
        *([(2, 3, 5, 7), (2, 4, 6, 2)], [(1, 3, 8, 2), (1, 1, 5, 2)]),
    )
    build(made.net)


WRONG: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], str]] = {
    "a volume": (
        (1, 2, 3, 4, 5),
        (1, 2, 2, 2, 3),
        {},
        r"found \(1, 2, 3, 4, 5\) and \(1, 2, 2, 2, 3\), expected \(N, C",
    ),
    "no pairs": ((1, 2, 3, 4), (1, 2, 2, 3), {}, r"expected \(N, C, H, W\) and \(N, H', W', 2\)"),
    "a mode": ((1, 2, 3, 4), (1, 2, 2, 2), {"mode": "linear"}, "found mode 'linear', expected one of bilinear, nea"),
    "a padding": (
        (1, 2, 3, 4),
        (1, 2, 2, 2),
        {"padding_mode": "wrap"},
        "found padding_mode 'wrap', expected one of ze",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_refusals(case: str) -> None:
    x, grid, options, text = WRONG[case]
    with pytest.raises(NetworkError, match=text):
        OneOp(lambda s, x, grid: ops.grid_sample(s, x, grid, **options), values(*x), values(*grid))


def test_two_dtypes() -> None:
    with pytest.raises(NetworkError, match="found float16 and float32, expected equal dtypes"):
        OneOp(ops.grid_sample, values(1, 2, 3, 4).to(torch.float16), values(1, 2, 2, 2))
