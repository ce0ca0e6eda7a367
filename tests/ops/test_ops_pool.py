"""Pooling against torch's: where windows lie, and what a mean is divided by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, layers, values
from wtsnet import ops
from wtsnet.errors import NetworkError

MAX: list[type[nn.Module]] = [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d]
AVERAGE: list[type[nn.Module]] = [nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d]
ADAPTIVE_MAX: list[type[nn.Module]] = [nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d]
ADAPTIVE_AVERAGE: list[type[nn.Module]] = [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d]


def configurations(count: int) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Sizes, and a window, stride and padding that fit them, for 1 to 3 dimensions."""
    dice = random.Random(0)
    while count:
        rank = dice.choice((1, 2, 2, 3))
        window = tuple(dice.randint(1, 5) for _ in range(rank))
        pad = tuple(dice.randint(0, k // 2) for k in window)
        sizes = tuple(dice.randint(1, 12) for _ in range(rank))
        if any(n + 2 * p < k for n, p, k in zip(sizes, pad, window, strict=True)):
            continue
        stride = dice.choice((None, tuple(dice.randint(1, 6) for _ in range(rank))))
        yield sizes, {"k": window, "stride": stride, "pad": pad, "ceil_mode": dice.random() < 0.6}
        count -= 1


@pytest.mark.parametrize("part", range(4))
def test_max_pool_anywhere(part: int) -> None:
    for sizes, given in list(configurations(240))[part::4]:
        k, stride, pad, ceil_mode = given.values()
        twin = MAX[len(sizes) - 1](k, stride, pad, ceil_mode=ceil_mode)
        check(lambda s, x, given=given: ops.max_pool(s, x, **given), twin, values(2, 3, *sizes) - 5, tol=0)


@pytest.mark.parametrize("part", range(4))
def test_avg_pool_anywhere(part: int) -> None:
    dice = random.Random(part)
    for sizes, given in list(configurations(320))[part::4]:
        k, stride, pad, ceil_mode = given.values()
        if len(sizes) == 3 and any(n < w for n, w in zip(sizes, k, strict=True)):
            continue  # torch's three-dimensional mean refuses a window that fits with the padding alone
        counted = dice.random() < 0.5
        divisor = dice.choice((None, None, 1, 7)) if len(sizes) > 1 else None
        extra = {} if divisor is None else {"divisor_override": divisor}
        twin = AVERAGE[len(sizes) - 1](k, stride, pad, ceil_mode, counted, **extra)
        more = {**given, "count_include_pad": counted, "divisor": divisor}
        check(lambda s, x, more=more: ops.avg_pool(s, x, **more), twin, values(2, 3, *sizes), tol=2e-6)


def test_a_window_may_start_only_inside() -> None:
    """In ceil mode, PyTorch leaves out a last window that would start in the padding behind."""
    for op, twin in ((ops.max_pool, nn.MaxPool1d), (ops.avg_pool, nn.AvgPool1d)):
        for size in range(1, 12):
            check(lambda s, x, op=op: op(s, x, 2, 3, 1, True), twin(2, 3, 1, ceil_mode=True), values(1, 2, size))


def test_means_are_corrected_only_where_they_must_be() -> None:
    for op, count in (
        (lambda s, x: ops.avg_pool(s, x, 3, 2, 1), 1),
        (lambda s, x: ops.avg_pool(s, x, 3, 2, 1, ceil_mode=True), 1),
        (lambda s, x: ops.avg_pool(s, x, 2, 2, ceil_mode=True, count_include_pad=False), 1),
        (lambda s, x: ops.adaptive_avg_pool(s, x, 3), 1),
        (lambda s, x: ops.avg_pool(s, x, 2, 2, ceil_mode=True), 3),
    ):
        assert len(layers(OneOp(op, values(1, 2, 9, 9)).net)) == count


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_dynamic_sizes(rank: int) -> None:
    sizes = ((1, 2, 4), 3, *[(4, 6, 12)] * rank)
    shapes = [(1, 3, *(4, 5, 6)[:rank]), (4, 3, *(12, 7, 4)[:rank])]
    for op, twin in (
        (lambda s, x: ops.max_pool(s, x, 3, 2, 1), MAX[rank - 1](3, 2, 1)),
        (lambda s, x: ops.avg_pool(s, x, 3, 2, 1), AVERAGE[rank - 1](3, 2, 1)),
        (
            lambda s, x: ops.avg_pool(s, x, 3, 2, 1, count_include_pad=False),
            AVERAGE[rank - 1](3, 2, 1, count_include_pad=False),
        ),
        (lambda s, x: ops.global_avg_pool(s, x), ADAPTIVE_AVERAGE[rank - 1](1)),
        (lambda s, x: ops.global_max_pool(s, x), ADAPTIVE_MAX[rank - 1](1)),
        (lambda s, x: ops.adaptive_avg_pool(s, x, 1), ADAPTIVE_AVERAGE[rank - 1](1)),
    ):
        build(check_sizes(op, twin, sizes, *shapes).net)


def test_divisor_with_dynamic_sizes() -> None:
    check_sizes(
        lambda s, x: ops.avg_pool(s, x, 3, 2, 1, divisor=5),
        nn.AvgPool2d(3, 2, 1, divisor_override=5),
        (1, 2, (4, 6, 9), (4, 6, 9)),
        (1, 2, 9, 4),
        (1, 2, 5, 6),
    )


@pytest.mark.parametrize(("k", "stride", "pad"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (5, 3, 2), (4, 1, 2)])
def test_max_pool_rounds_dynamic_sizes_up(k: int, stride: int, pad: int) -> None:
    one = check_sizes(
        lambda s, x: ops.max_pool(s, x, k, stride, pad, True),
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
        ((8, 6), 1),
        ((8, 6), 2),
        ((8, 6), (3, 4)),
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
    op = ops.adaptive_avg_pool if kind == "avg" else ops.adaptive_max_pool
    twin = (ADAPTIVE_AVERAGE if kind == "avg" else ADAPTIVE_MAX)[len(sizes) - 1](wanted)
    unchanged = tuple(twin(values(1, 1, *sizes)).shape[2:]) == sizes
    check(lambda s, x: op(s, x, wanted), twin, values(2, 3, *sizes), named=None if unchanged else "a.b")


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_with_dynamic_sizes(kind: str) -> None:
    """A dynamic size may be kept, or go to 1; the other dimension is free."""
    op = ops.adaptive_avg_pool if kind == "avg" else ops.adaptive_max_pool
    twin = nn.AdaptiveAvgPool2d if kind == "avg" else nn.AdaptiveMaxPool2d
    for wanted in ((None, 3), (None, 4), (1, 3), (1, 8)):
        one = check_sizes(
            lambda s, x, wanted=wanted: op(s, x, wanted),
            twin(wanted),
            ((1, 2, 3), 2, (2, 4, 9), 8),
            (3, 2, 9, 8),
            (1, 2, 2, 8),
        )
        build(one.net)
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda s, x: op(s, x, (2, 3)), ((1, 2, (4, 6, 8), 8), "float32"))
    assert str(caught.value) == (
        "a.b: adaptive pooling: found a dynamic size at dim 2 of (1, 2, -1, 8), expected a fixed one"
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    x = values(2, 3, 9, 7).to(dtype)
    for op, twin in (
        (lambda s, x: ops.avg_pool(s, x, 2, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True)),
        (lambda s, x: ops.adaptive_avg_pool(s, x, (4, 3)), nn.AdaptiveAvgPool2d((4, 3))),
    ):
        found = OneOp(op, x)(x)[0].float()
        assert (found - twin(x.float())).abs().max() <= (2e-3 if dtype == torch.float16 else 2e-2)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.max_pool(s, x, 3, 1, 2), "pad: found 2, expected at most half of the window 3"),
        (lambda s, x: ops.max_pool(s, x, 3, 1, -1), "pad: found -1, expected at least 0"),
        (lambda s, x: ops.max_pool(s, x, 0), "k: found 0, expected at least 1"),
        (lambda s, x: ops.max_pool(s, x, 2, 0), "stride: found 0, expected at least 1"),
        (lambda s, x: ops.max_pool(s, x, (2, 2, 2)), "k: found (2, 2, 2), expected a number or 2 of them"),
        (
            lambda s, x: ops.avg_pool(s, x, 9, 1, 1),
            "k: found a window 9 on sizes (8, 6) padded by 1, expected one that fits",
        ),
        (lambda s, x: ops.avg_pool(s, x, 2, divisor=0), "divisor: found 0, expected another number or None"),
        (lambda s, x: ops.adaptive_avg_pool(s, x, 0), "size: found 0, expected a positive number or 2 of them"),
        (
            lambda s, x: ops.adaptive_max_pool(s, x, (1, 2, 3)),
            "size: found (1, 2, 3), expected a positive number or 2 of them",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(1, 2, 8, 6))
    assert str(caught.value) == f"a.b: {text}"


def test_ceil_mode_needs_fixed_sizes_where_windows_may_be_left_out() -> None:
    spec = ((1, 2, (4, 6, 8)), "float32")
    for op in (lambda s, x: ops.max_pool(s, x, 2, 3, 1, True), lambda s, x: ops.avg_pool(s, x, 3, 2, 0, True)):
        with pytest.raises(NetworkError, match=r"^a\.b: ceil_mode: found a dynamic size, expected a fixed one"):
            OneOp(op, spec)


def test_rank_of_the_input() -> None:
    for op in (lambda s, x: ops.max_pool(s, x, 2), ops.global_avg_pool, lambda s, x: ops.adaptive_avg_pool(s, x, 1)):
        with pytest.raises(NetworkError, match=r"^a\.b: input: found shape \(3, 4\), expected \(N, C, …\)"):
            OneOp(op, values(3, 4))
