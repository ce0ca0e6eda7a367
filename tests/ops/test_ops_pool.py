"""Pooling against torch's: where windows lie, and what a mean is divided by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

MAX: list[Any] = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVERAGE: list[Any] = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
ADAPTIVE_MAX: list[Any] = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d]
ADAPTIVE_AVERAGE: list[Any] = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d]
MAX_OPS: list[Any] = [ops.max_pool1d, ops.max_pool2d, ops.max_pool3d]
AVERAGE_OPS: list[Any] = [ops.avg_pool1d, ops.avg_pool2d, ops.avg_pool3d]
ADAPTIVE_MAX_OPS: list[Any] = [ops.adaptive_max_pool1d, ops.adaptive_max_pool2d, ops.adaptive_max_pool3d]
WRONG: dict[str, Any] = {"text": "no", "number": 1}
ADAPTIVE_AVERAGE_OPS: list[Any] = [ops.adaptive_avg_pool1d, ops.adaptive_avg_pool2d, ops.adaptive_avg_pool3d]


def configurations(count: int, dilated: bool = False) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Sizes, and a window, stride, padding and dilation that fit them, for 1 to 3 dimensions."""
    dice = random.Random(int(dilated))
    while count:
        rank = dice.choice((1, 2, 2, 3))
        window = tuple(dice.randint(1, 5) for _ in range(rank))
        pad = tuple(dice.randint(0, k // 2) for k in window)
        sizes = tuple(dice.randint(1, 12) for _ in range(rank))
        dilation = tuple(dice.randint(1, 3) if dilated else 1 for _ in range(rank))
        reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
        if any(n + 2 * p < k for n, p, k in zip(sizes, pad, reach, strict=True)):
            continue
        stride = dice.choice((None, tuple(dice.randint(1, 6) for _ in range(rank))))
        given = {"kernel_size": window, "stride": stride, "padding": pad, "ceil_mode": dice.random() < 0.6}
        yield sizes, {**given, "dilation": dilation} if dilated else given
        count -= 1


@pytest.mark.parametrize("part", range(4))
def test_max_pool_anywhere(part: int) -> None:
    for sizes, given in list(configurations(160))[part::4]:
        op, twin = MAX_OPS[len(sizes) - 1], MAX[len(sizes) - 1]
        check(
            lambda x, op=op, given=given: op(x, **given),
            lambda x, twin=twin, given=given: twin(x, **given),
            values(2, 3, *sizes) - 5,
            tol=0,
        )


@pytest.mark.parametrize("part", range(4))
def test_dilated_max_pool_anywhere(part: int) -> None:
    for sizes, given in list(configurations(100, dilated=True))[part::4]:
        op, twin = MAX_OPS[len(sizes) - 1], MAX[len(sizes) - 1]
        check(
            lambda x, op=op, given=given: op(x, **given),
            lambda x, twin=twin, given=given: twin(x, **given),
            values(2, 3, *sizes) - 5,
            tol=0,
        )


@pytest.mark.parametrize("part", range(4))
def test_avg_pool_anywhere(part: int) -> None:
    dice = random.Random(part)
    for sizes, given in list(configurations(200))[part::4]:
        window = given["kernel_size"]
        if len(sizes) == 3 and any(n < w for n, w in zip(sizes, window, strict=True)):
            continue  # torch's three-dimensional mean refuses a window that fits with the padding alone
        more = {**given, "count_include_pad": dice.random() < 0.5}
        divisor = dice.choice((None, None, 1, 7)) if len(sizes) > 1 else None
        if divisor is not None:
            more["divisor_override"] = divisor
        op, twin = AVERAGE_OPS[len(sizes) - 1], AVERAGE[len(sizes) - 1]
        check(
            lambda x, op=op, more=more: op(x, **more),
            lambda x, twin=twin, more=more: twin(x, **more),
            values(2, 3, *sizes),
            tol=2e-6,
        )


def test_a_window_may_start_only_inside() -> None:
    """In ceil mode, PyTorch leaves out a last window that would start in the padding behind."""
    for op, twin in ((ops.max_pool1d, F.max_pool1d), (ops.avg_pool1d, F.avg_pool1d)):
        for size in range(1, 12):
            check(
                lambda x, op=op: op(x, 2, 3, 1, ceil_mode=True),
                lambda x, twin=twin: twin(x, 2, 3, 1, ceil_mode=True),
                values(1, 2, size),
            )


@pytest.mark.parametrize("module", [nn.MaxPool2d(3, 2, 1, 2), nn.MaxPool2d(2), nn.AvgPool2d(3, 2, 1, True, False)])
def test_what_a_module_is_made_with(module: Any) -> None:
    """The fourth of MaxPool2d is the dilation; it was ceil_mode here, and now goes by name."""
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "count_include_pad")
    given = {name: getattr(module, name) for name in names if hasattr(module, name)}
    op = ops.max_pool2d if isinstance(module, nn.MaxPool2d) else ops.avg_pool2d
    check(lambda x: op(x, **given), module, values(1, 2, 9, 9))
    with pytest.raises(NetworkError, match=r"found 5 arguments by position, expected at most 4; by name: dilation,"):
        OneOp(lambda x: ops.max_pool2d(x, 3, 2, 1, 1), values(1, 2, 9, 9))  # type: ignore[call-arg]  # on purpose


def test_means_are_corrected_only_where_they_must_be() -> None:
    for op, wanted in (
        (lambda x: ops.avg_pool2d(x, 3, 2, 1), ["POOLING"]),
        (lambda x: ops.avg_pool2d(x, 3, 2, 1, ceil_mode=True), ["POOLING"]),
        (lambda x: ops.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False), ["POOLING"]),
        (lambda x: ops.adaptive_avg_pool2d(x, 3), ["POOLING"]),
        (lambda x: ops.adaptive_avg_pool2d(x, 1), ["REDUCE"]),
        (lambda x: ops.adaptive_max_pool2d(x, (9, 1)), ["POOLING"]),
        (lambda x: ops.avg_pool2d(x, 2, 2, ceil_mode=True), ["POOLING", "CONSTANT", "ELEMENTWISE"]),
        (lambda x: ops.max_pool2d(x, 3, 2, 1), ["POOLING"]),
        (lambda x: ops.max_pool2d(x, 3, 2, 1, dilation=1, ceil_mode=True), ["POOLING"]),
    ):
        assert kinds(OneOp(op, values(1, 2, 9, 9)).net) == wanted


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_dynamic_sizes(rank: int) -> None:
    i = rank - 1
    sizes = ((1, 2, 4), 3, *[(5, 6, 12)] * rank)
    shapes = [(1, 3, *(5, 8, 6)[:rank]), (4, 3, *(12, 7, 5)[:rank])]
    for op, twin in (
        (lambda x: MAX_OPS[i](x, 3, 2, 1), lambda x: MAX[i](x, 3, 2, 1)),
        (lambda x: MAX_OPS[i](x, 3, 2, 1, dilation=2), lambda x: MAX[i](x, 3, 2, 1, dilation=2)),
        (lambda x: AVERAGE_OPS[i](x, 3, 2, 1), lambda x: AVERAGE[i](x, 3, 2, 1)),
        (
            lambda x: AVERAGE_OPS[i](x, 3, 2, 1, count_include_pad=False),
            lambda x: AVERAGE[i](x, 3, 2, 1, count_include_pad=False),
        ),
        (lambda x: ADAPTIVE_AVERAGE_OPS[i](x, 1), lambda x: ADAPTIVE_AVERAGE[i](x, 1)),
        (lambda x: ADAPTIVE_MAX_OPS[i](x, 1), lambda x: ADAPTIVE_MAX[i](x, 1)),
        (
            lambda x: x.mean(tuple(range(2, rank + 2)), keepdim=True),
            lambda x: x.mean(tuple(range(2, rank + 2)), keepdim=True),
        ),
        (lambda x: x.amax(tuple(range(2, rank + 2))), lambda x: x.amax(tuple(range(2, rank + 2)))),
    ):
        build(check_sizes(op, twin, sizes, *shapes).net)


def test_divisor_with_dynamic_sizes() -> None:
    check_sizes(
        lambda x: ops.avg_pool2d(x, 3, 2, 1, divisor_override=5),
        nn.AvgPool2d(3, 2, 1, divisor_override=5),
        (1, 2, (4, 6, 9), (4, 6, 9)),
        (1, 2, 9, 4),
        (1, 2, 5, 6),
    )


@pytest.mark.parametrize(("k", "stride", "pad"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (5, 3, 2), (4, 1, 2)])
def test_max_pool_rounds_dynamic_sizes_up(k: int, stride: int, pad: int) -> None:
    one = check_sizes(
        lambda x: ops.max_pool2d(x, k, stride, pad, ceil_mode=True),
        nn.MaxPool2d(k, stride, pad, ceil_mode=True),
        (1, 2, (5, 6, 14), (5, 6, 14)),
        *((1, 2, size, 19 - size) for size in range(5, 15)),
    )
    build(one.net)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ((7,), 3),
        ((8,), 4),
        ((3,), 5),
        ((7,), 7),
        ((7,), (3,)),
        ((8, 6), 1),
        ((8, 6), 2),
        ((8, 6), (3, 4)),
        ((8, 6), [3, 4]),
        ((7, 6), (None, 3)),
        ((7, 6), (4, None)),
        ((7, 6), (None, None)),
        ((7, 6), (7, 6)),
        ((5, 4), (7, 1)),
        ((1, 1), 7),
        ((6, 7, 5), (3, 2, 4)),
        ((6, 7, 5), (None, 1, 5)),
        ((6, 4, 2), 2),
    ],
    ids=str,
)
def test_adaptive(kind: str, sizes: tuple[int, ...], wanted: Any) -> None:
    i = len(sizes) - 1
    op = (ADAPTIVE_AVERAGE_OPS if kind == "avg" else ADAPTIVE_MAX_OPS)[i]
    twin = (ADAPTIVE_AVERAGE if kind == "avg" else ADAPTIVE_MAX)[i]
    unchanged = tuple(twin(values(1, 1, *sizes), wanted).shape[2:]) == sizes
    check(
        lambda x: op(x, wanted),
        lambda x: twin(x, wanted),
        values(2, 3, *sizes),
        named=None if unchanged else "a.b",
    )


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_with_dynamic_sizes(kind: str) -> None:
    """A dynamic size may be kept, or go to 1; the other dimension is free."""
    op = ops.adaptive_avg_pool2d if kind == "avg" else ops.adaptive_max_pool2d
    twin = nn.AdaptiveAvgPool2d if kind == "avg" else nn.AdaptiveMaxPool2d
    for wanted in ((None, 3), (None, 4), (1, 3), (1, 8)):
        one = check_sizes(
            lambda x, wanted=wanted: op(x, wanted),
            twin(wanted),
            ((1, 2, 3), 2, (2, 4, 9), 8),
            (3, 2, 9, 8),
            (1, 2, 2, 8),
        )
        build(one.net)
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda x: op(x, (2, 3)), ((1, 2, (4, 6, 8), 8), "float32"))
    assert str(caught.value) == (
        f"a.b: {op.__name__}: found a dynamic size at dim 2 of (1, 2, -1, 8), expected a fixed one"
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    x = values(2, 3, 9, 7).to(dtype)
    for op, twin in (
        (lambda x: ops.avg_pool2d(x, 2, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True)),
        (lambda x: ops.adaptive_avg_pool2d(x, (4, 3)), nn.AdaptiveAvgPool2d((4, 3))),
        (lambda x: ops.max_pool2d(x, 2, 1, 1, dilation=2), nn.MaxPool2d(2, 1, 1, 2)),
    ):
        found = OneOp(op, x)(x)[0].float()
        assert (found - twin(x.float())).abs().max() <= (2e-3 if dtype == torch.float16 else 2e-2)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda x: ops.max_pool2d(x, 3, 1, 2),
            "max_pool2d: padding: found (2, 2), expected at most half of the window (3, 3)",
        ),
        (
            lambda x: ops.max_pool2d(x, 3, 1, 2, dilation=2),
            "max_pool2d: padding: found (2, 2), expected at most half of the window (3, 3)",
        ),
        (lambda x: ops.max_pool2d(x, 3, 1, -1), "max_pool2d: padding: found -1, expected at least 0"),
        (lambda x: ops.max_pool2d(x, 0), "max_pool2d: kernel_size: found 0, expected at least 1"),
        (lambda x: ops.max_pool2d(x, 2, 0), "max_pool2d: stride: found 0, expected at least 1"),
        (lambda x: ops.max_pool2d(x, 2, dilation=0), "max_pool2d: dilation: found 0, expected at least 1"),
        (
            lambda x: ops.max_pool2d(x, (2, 2, 2)),
            "max_pool2d: kernel_size: found (2, 2, 2), expected a number or 2 of them",
        ),
        (
            lambda x: ops.avg_pool2d(x, 9, 1, 1),
            "avg_pool2d: kernel_size: found a window (9, 9) on sizes (8, 6) padded by (1, 1), expected one that fits",
        ),
        (
            lambda x: ops.max_pool2d(x, 4, dilation=3),
            "max_pool2d: kernel_size: found a window of 10 on size 8 padded by 0, expected one that fits",
        ),
        (
            lambda x: ops.avg_pool2d(x, 2, divisor_override=0),
            "avg_pool2d: divisor_override: found 0, expected another number or None",
        ),
        (
            lambda x: ops.adaptive_avg_pool2d(x, 0),
            "adaptive_avg_pool2d: output_size: found 0, expected a positive number or 2 of them",
        ),
        (
            lambda x: ops.adaptive_max_pool2d(x, (1, 2, 3)),
            "adaptive_max_pool2d: output_size: found (1, 2, 3), expected a positive number or 2 of them",
        ),
        (
            lambda x: ops.max_pool2d(x, 3, ceil_mode=WRONG["text"]),
            "max_pool2d: ceil_mode: found 'no', expected True or False",
        ),
        (
            lambda x: ops.max_pool2d(x, 3, ceil_mode=WRONG["number"]),
            "max_pool2d: ceil_mode: found 1, expected True or False",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(1, 2, 8, 6))
    assert str(caught.value) == f"a.b: {text}"


def test_numpys_numbers_are_numbers() -> None:
    given: dict[str, Any] = {"kernel_size": np.int64(3), "stride": np.int32(2), "ceil_mode": np.True_}
    check(
        lambda x: ops.max_pool2d(x, **given),
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
        values(1, 2, 8, 6),
    )


def test_ceil_mode_needs_fixed_sizes_where_windows_may_be_left_out() -> None:
    spec = ((1, 2, (4, 6, 8)), "float32")
    for op in (
        lambda x: ops.max_pool1d(x, 2, 3, 1, ceil_mode=True),
        lambda x: ops.avg_pool1d(x, 3, 2, 0, ceil_mode=True),
        lambda x: ops.max_pool1d(x, 2, 3, 1, dilation=2, ceil_mode=True),
    ):
        with pytest.raises(NetworkError, match=r"^a\.b: \w+: ceil_mode: found a dynamic size, expected a fixed one"):
            OneOp(op, spec)


def test_rank_of_the_input() -> None:
    for rank, several in enumerate(zip(MAX_OPS, AVERAGE_OPS, ADAPTIVE_MAX_OPS, ADAPTIVE_AVERAGE_OPS, strict=True), 1):
        for op in several:
            text = rf"^a\.b: {op.__name__}: input: found shape \(3, 4\), expected \(N, C, …\) with {rank} spatial"
            with pytest.raises(NetworkError, match=text):
                OneOp(lambda x, op=op: op(x, 2), values(3, 4))
