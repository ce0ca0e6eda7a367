"""Windows as columns, and back, against torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, build, check, check_sizes, close, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

SIZES = (5, 9, 14)
WINDOWS: dict[str, dict[str, Any]] = {
    "3x3": {"kernel_size": 3, "padding": 1},
    "patches": {"kernel_size": 4, "stride": 4},
    "patches of two sizes": {"kernel_size": (2, 3), "stride": (2, 3)},
    "patches in padding": {"kernel_size": 2, "stride": 2, "padding": 1},
    "half over": {"kernel_size": 4, "stride": 2, "padding": (2, 1)},
    "rows": {"kernel_size": (1, 3)},
    "columns": {"kernel_size": (5, 1), "stride": (2, 1), "padding": (2, 0)},
    "dilated": {"kernel_size": (2, 3), "dilation": (3, 2), "padding": (1, 2), "stride": (2, 1)},
    "dilated patches": {"kernel_size": 2, "stride": 2, "dilation": 2},
    "far apart": {"kernel_size": 2, "stride": 3},
    "single": {"kernel_size": 1},
    "every third": {"kernel_size": 1, "stride": 3, "padding": 1},
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("size", [(8, 12), (9, 10), (5, 7)], ids=str)
def test_unfold(name: str, size: tuple[int, int]) -> None:
    given = WINDOWS[name]
    check(lambda x: ops.unfold(x, **given), lambda x: F.unfold(x, **given), values(2, 3, *size), tol=0)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("size", [(8, 12), (9, 10), (5, 7)], ids=str)
def test_fold(name: str, size: tuple[int, int]) -> None:
    given = WINDOWS[name]
    columns = F.unfold(values(2, 3, *size), **given)
    check(
        lambda x: ops.fold(x, size, **given),
        lambda x: F.fold(x, size, **given),
        values(*columns.shape, seed=1),
    )


def test_dilation_padding_and_stride_that_all_differ() -> None:
    given = {"dilation": 2, "padding": 1, "stride": 3}
    x = values(1, 2, 9, 8)
    made = check(lambda x: ops.unfold(x, 3, **given), lambda x: F.unfold(x, 3, **given), x, tol=0)
    columns = made(x)[0]
    check(lambda x: ops.fold(x, (9, 8), 3, **given), lambda x: F.fold(x, (9, 8), 3, **given), columns)


def test_few_layers() -> None:
    """Patches are two reshapes around a permutation, other windows are picked along one dimension after the other."""
    x = values(1, 3, 8, 12)
    patches = OneOp(lambda x: ops.unfold(x, 4, stride=4), x)
    assert kinds(patches.net) == ["SHUFFLE"] * 3
    assert kinds(OneOp(lambda x: ops.fold(x, (8, 12), 4, stride=4), patches(x)[0]).net) == ["SHUFFLE"] * 3
    near = OneOp(lambda x: ops.unfold(x, 3, padding=1), x)
    picked = ["CONSTANT", "GATHER"]
    assert kinds(near.net) == ["CONSTANT", "SLICE", *picked, *picked, "SHUFFLE", "SHUFFLE"]
    summed = [*picked, "REDUCE"]
    back = OneOp(lambda x: ops.fold(x, (8, 12), 3, padding=1), near(x)[0])
    assert kinds(back.net) == ["SHUFFLE"] * 3 + ["CONSTANT", "SLICE", *summed, *summed]


@pytest.mark.parametrize("name", WINDOWS)
def test_unfold_of_dynamic_sizes(name: str) -> None:
    given = WINDOWS[name]
    made = check_sizes(
        lambda x: ops.unfold(x, **given),
        lambda x: F.unfold(x, **given),
        ((1, 2, 4), 3, SIZES, SIZES),
        *((1, 3, 5, 14), (4, 3, 9, 8), (2, 3, 12, 7)),
        tol=0,
    )
    if name in ("3x3", "patches"):
        build(made.net)


@pytest.mark.parametrize("name", WINDOWS)
def test_fold_of_dynamic_batch(name: str) -> None:
    given = WINDOWS[name]
    shape = F.unfold(values(1, 3, 9, 10), **given).shape[1:]
    made = check_sizes(
        lambda x: ops.fold(x, (9, 10), **given),
        lambda x: F.fold(x, (9, 10), **given),
        ((1, 2, 4), *shape),
        *((1, *shape), (4, *shape)),
    )
    assert made.outputs[0].shape == (-1, 3, 9, 10)
    if name in ("3x3", "patches"):
        build(made.net)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 2e-3), (torch.bfloat16, 1e-2)], ids=str)
def test_half_precision(dtype: torch.dtype, tol: float) -> None:
    x = values(2, 3, 9, 10).to(dtype)
    columns = OneOp(lambda x: ops.unfold(x, 3, padding=1), x)(x)[0]
    assert torch.equal(columns, F.unfold(x.float(), 3, padding=1).to(dtype))
    found = OneOp(lambda x: ops.fold(x, (9, 10), 3, padding=1), columns)(columns)[0]
    close(found.float(), F.fold(columns.float(), (9, 10), 3, padding=1), tol)


UNFOLD: Callable[..., Any] = ops.unfold
FOLD: Callable[..., Any] = ops.fold
WRONG: dict[str, tuple[Callable[..., Any], tuple[int, ...], dict[str, Any], str]] = {
    "a line": (
        UNFOLD,
        (1, 2, 8),
        {"kernel_size": 3},
        "unfold: input: found shape (1, 2, 8), expected (N, C, …) with 2",
    ),
    "a window too large": (
        UNFOLD,
        (1, 2, 8, 9),
        {"kernel_size": 5, "dilation": (1, 3), "padding": 1},
        "unfold: kernel_size: found a window of 13 on size 9 padded by 1, expected one that fits",
    ),
    "three sizes": (
        UNFOLD,
        (1, 2, 8, 9),
        {"kernel_size": (1, 2, 3)},
        "kernel_size: found (1, 2, 3), expected a number or 2 of them",
    ),
    "no stride": (UNFOLD, (1, 2, 8, 9), {"kernel_size": 2, "stride": 0}, "stride: found 0, expected at least 1"),
    "pictures": (
        FOLD,
        (1, 2, 8, 9),
        {"output_size": 8, "kernel_size": 3},
        "fold: input: found shape (1, 2, 8, 9), expected (N, C·kernel height·kernel width, windows)",
    ),
    "other kernels": (
        FOLD,
        (1, 8, 12),
        {"output_size": (5, 6), "kernel_size": 3},
        "fold: input: found shape (1, 8, 12), expected (N, a multiple of 9, 12)",
    ),
    "other windows": (
        FOLD,
        (1, 18, 13),
        {"output_size": (5, 6), "kernel_size": 3},
        "fold: input: found shape (1, 18, 13), expected (N, a multiple of 9, 12)",
    ),
    "a small picture": (FOLD, (1, 9, 1), {"output_size": (5, 2), "kernel_size": 3}, "found a window of 3 on size 2 pa"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refusals(case: str) -> None:
    op, shape, given, text = WRONG[case]
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda x: op(x, **given), values(*shape))
    assert text in str(caught.value)
