"""Sampling at computed places against torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, build, check, check_sizes, close, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

pytestmark = pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid behavior has changed")
SIZES = (1, 4, 8)


@pytest.mark.parametrize("align_corners", [None, False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode: str, padding_mode: str, align_corners: bool | None) -> None:
    made = check(
        lambda x, grid: ops.grid_sample(x, grid, mode, padding_mode, align_corners=align_corners),
        lambda x, grid: F.grid_sample(x, grid, mode, padding_mode, align_corners=bool(align_corners)),
        *(values(2, 3, 5, 7), values(2, 4, 6, 2, seed=1)),  # about a third of the places lie outside
    )
    assert kinds(made.net) == ["GRID_SAMPLE"]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample_of_volumes(mode: str, padding_mode: str, align_corners: bool) -> None:
    made = check(
        lambda x, grid: ops.grid_sample(x, grid, mode, padding_mode, align_corners=align_corners),
        lambda x, grid: F.grid_sample(x, grid, mode, padding_mode, align_corners=align_corners),
        *(values(2, 3, 4, 5, 6), values(2, 3, 4, 2, 3, seed=1)),
    )
    build(made.net)


def test_dynamic_sizes() -> None:
    made = check_sizes(
        ops.grid_sample,
        lambda x, grid: F.grid_sample(x, grid, align_corners=False),
        [(SIZES, 3, SIZES, SIZES), (SIZES, SIZES, SIZES, 2)],
        *([(2, 3, 5, 7), (2, 4, 6, 2)], [(1, 3, 8, 2), (1, 1, 5, 2)]),
    )
    build(made.net)


@pytest.mark.parametrize("align_corners", [None, False, True])
@pytest.mark.parametrize("size", [(4, 5), (1, 6), (3, 1), (1, 1), (3, 4, 5), (2, 1, 3)], ids=str)
def test_affine_grid(size: tuple[int, ...], align_corners: bool | None) -> None:
    rank = len(size)
    made = check(
        lambda theta: ops.affine_grid(theta, (2, 3, *size), align_corners=align_corners),
        lambda theta: F.affine_grid(theta, [2, 3, *size], align_corners=bool(align_corners)),
        values(2, rank, rank + 1),
    )
    assert kinds(made.net) == ["CONSTANT", "MATRIX_MULTIPLY", "SHUFFLE"]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("height", [None, 6])
def test_affine_grid_of_dynamic_sizes(height: int | None, align_corners: bool) -> None:
    """A spatial transformer: the grid is that of the picture, one of whose sizes may be known."""
    made = check_sizes(
        lambda x, theta: ops.affine_grid(theta, x.dims, align_corners=align_corners),
        lambda x, theta: F.affine_grid(theta, list(x.shape), align_corners=align_corners),
        [(SIZES, 3, height or SIZES, SIZES), (SIZES, 2, 3)],
        *(
            [(2, 3, height or 5, 7), (2, 2, 3)],
            [(1, 3, height or 1, 8), (1, 2, 3)],
            [(3, 3, height or 8, 1), (3, 2, 3)],
        ),
    )
    assert made.outputs[0].shape == (-1, height or -1, -1, 2)
    build(made.net)


def test_affine_grid_of_volumes_of_dynamic_sizes() -> None:
    made = check_sizes(
        lambda x, theta: ops.affine_grid(theta, x.dims),
        lambda x, theta: F.affine_grid(theta, list(x.shape), align_corners=False),
        [(SIZES, 3, SIZES, 4, SIZES), (SIZES, 3, 4)],
        *([(2, 3, 5, 4, 7), (2, 3, 4)], [(1, 3, 1, 4, 8), (1, 3, 4)]),
    )
    assert made.outputs[0].shape == (-1, -1, 4, -1, 3)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 1e-3), (torch.bfloat16, 8e-3)], ids=str)
def test_half_precision(dtype: torch.dtype, tol: float) -> None:
    theta, x = values(2, 2, 3).to(dtype), values(2, 3, 9, 9, seed=1).to(dtype)
    grid = OneOp(lambda theta: ops.affine_grid(theta, (2, 3, 5, 6)), theta)(theta)[0]
    assert grid.dtype == dtype
    close(grid.float(), F.affine_grid(theta.float(), [2, 3, 5, 6], align_corners=False), tol)
    made = OneOp(ops.grid_sample, x, grid)(x, grid)[0]
    close(made.float(), F.grid_sample(x.float(), grid.float(), align_corners=False), tol)


GRID = ops.grid_sample
AFFINE = ops.affine_grid
BOTH = r"\(N, C, H, W\) and \(N, H', W', 2\), or \(N, C, D, H, W\) and \(N, D', H', W', 3\)"
WRONG: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], dict[str, Any], str]] = {
    "a line": (GRID, [(1, 2, 3), (1, 2, 1)], {}, rf"found \(1, 2, 3\) and \(1, 2, 1\), expected {BOTH}"),
    "no pairs": (GRID, [(1, 2, 3, 4), (1, 2, 2, 3)], {}, f"expected {BOTH}"),
    "pairs for a volume": (GRID, [(1, 2, 3, 4, 5), (1, 2, 2, 2)], {}, f"expected {BOTH}"),
    "other pictures": (GRID, [(2, 2, 3, 4), (3, 2, 2, 2)], {}, r"grid: found \(3, 2, 2, 2\) for \(2, 2, 3, 4\), ex"),
    "a mode": (
        GRID,
        [(1, 2, 3, 4), (1, 2, 2, 2)],
        {"mode": "linear"},
        r"mode: found 'linear' for shape \(1, 2, 3, 4\), expected one of bilinear, nearest, bicubic$",
    ),
    "a cubic volume": (
        GRID,
        [(1, 2, 3, 4, 5), (1, 2, 2, 2, 3)],
        {"mode": "bicubic"},
        r"mode: found 'bicubic' for shape \(1, 2, 3, 4, 5\), expected one of bilinear, nearest$",
    ),
    "a padding": (
        GRID,
        [(1, 2, 3, 4), (1, 2, 2, 2)],
        {"padding_mode": "wrap"},
        "padding_mode: found 'wrap', expected one of zeros, border, reflection",
    ),
    "a linear map": (AFFINE, [(1, 2, 2)], {"size": (1, 2, 3, 4)}, r"found \(1, 2, 2\) for a size of 4 numbers, exp"),
    "a map of volumes": (AFFINE, [(1, 3, 4)], {"size": (1, 2, 3, 4)}, r"expected \(N, 2, 3\) for \(N, C, H, W\), or"),
    "no size": (AFFINE, [(1, 2, 3)], {"size": (3, 4)}, "for a size of 2 numbers"),
    "an empty size": (AFFINE, [(1, 2, 3)], {"size": (1, 1, 3, 0)}, r"size: found \(1, 1, 3, 0\), expected positive n"),
    "other maps": (AFFINE, [(2, 2, 3)], {"size": (3, 1, 3, 4)}, r"size: found N = 3 for theta \(2, 2, 3\), expected 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refusals(case: str) -> None:
    op, shapes, options, text = WRONG[case]
    with pytest.raises(NetworkError, match=text):
        OneOp(lambda *xs: op(*xs, **options), *(values(*shape) for shape in shapes))


def test_dtypes() -> None:
    with pytest.raises(NetworkError, match="found float16 and float32, expected equal dtypes"):
        OneOp(ops.grid_sample, values(1, 2, 3, 4).half(), values(1, 2, 2, 2))
    with pytest.raises(NetworkError, match="theta: found int32, expected floats"):
        OneOp(lambda theta: ops.affine_grid(theta, (1, 1, 3, 4)), torch.ones(1, 2, 3, dtype=torch.int32))
