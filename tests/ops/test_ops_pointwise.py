"""Elementwise arithmetic against torch's: numbers, broadcasting, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.ops.support import OneOp, build, check, check_sizes, integers, values
from wtsnet import ops
from wtsnet.errors import NetworkError

BINARY: dict[str, Any] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "floor_div": torch.floor_divide,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "greater": torch.gt,
    "less": torch.lt,
}
A = values(2, 6, 4)
SHAPES = [
    ((2, 6, 4), (2, 6, 4)),
    ((2, 6, 4), (1, 6, 1)),
    ((2, 1, 4), (1, 6, 1)),
    ((2, 6, 4), (4,)),
    ((4,), (2, 6, 4)),
    ((6, 1), (2, 1, 4)),
    ((2, 6, 4), ()),
    ((1,), (2, 6, 4)),
    ((), ()),
]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_two_tensors(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check(getattr(ops, name), BINARY[name], values(*a), values(*b, seed=1))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("number", [2, -1.5, 0.1, np.float32(0.3), np.float64(0.7)], ids=repr)
def test_a_number(name: str, number: float) -> None:
    op, twin, value = getattr(ops, name), BINARY[name], torch.tensor(float(number))
    check(lambda s, x: op(s, x, number), lambda x: twin(x, value), A)
    check(lambda s, x: op(s, number, x), lambda x: twin(value, x), A)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("name", [name for name in BINARY if name not in ("div", "floor_div")])
def test_integers(name: str, dtype: torch.dtype) -> None:
    op, twin = getattr(ops, name), BINARY[name]
    x, y = (integers(2, 6, below=9, seed=seed).to(dtype) - 4 for seed in (0, 1))
    check(op, twin, x, y)
    check(lambda s, x: op(s, x, 3), lambda x: twin(x, torch.tensor(3, dtype=dtype)), x)


def test_division_of_integers() -> None:
    """`div` rounds toward zero, `floor_div` down."""
    x, y = torch.tensor([7, -7, 7, -7, 6, 0], dtype=torch.int32), torch.tensor([2, 2, -2, -2, 3, 5], dtype=torch.int32)
    check(ops.div, lambda x, y: torch.div(x, y, rounding_mode="trunc"), x, y)
    check(ops.floor_div, lambda x, y: torch.div(x, y, rounding_mode="floor"), x, y)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, 0])
def test_power(exponent: float) -> None:
    check(lambda s, x: ops.power(s, x, exponent), lambda x: x**exponent, A.abs() + 0.1)
    check(lambda s, x: ops.power(s, 2.5, x), lambda x: 2.5**x, A)
    if exponent in (2, 3):
        check(lambda s, x: ops.power(s, x, exponent), lambda x: x**exponent, A)


def test_dynamic_sizes() -> None:
    wide, row, one = ((1, 2, 4), 6, (2, 4, 8)), (6, (2, 4, 8)), ((2, 4, 8),)
    for other, shape in ((wide, lambda n, w: (n, 6, w)), (row, lambda n, w: (6, w)), (one, lambda n, w: (w,))):
        made = check_sizes(
            lambda s, x, y: ops.sub(s, x, y),
            torch.sub,
            [wide, other],
            [(4, 6, 2), shape(4, 2)],
            [(1, 6, 8), shape(1, 8)],
        )
        build(made.net)
    made = check_sizes(
        lambda s, x, y: ops.mul(s, x, y),
        torch.mul,
        [((1, 2, 4), (2, 4, 8)), (1, 3, (1, 2, 4), (2, 4, 8))],
        [(4, 8), (1, 3, 4, 8)],
        [(1, 2), (1, 3, 1, 2)],
    )
    build(made.net)


@pytest.mark.parametrize("value", [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 2e9, 0.0])
def test_rounding(value: float) -> None:
    x = torch.tensor([[value, -value]])
    for op, twin in ((ops.rounded, torch.round), (ops.floor, torch.floor), (ops.ceil, torch.ceil)):
        check(op, twin, x, tol=0)


@pytest.mark.parametrize("scale", [1e-4, 1, 30])
def test_functions_of_one_value(scale: float) -> None:
    x = A * scale
    for op, twin in (
        (ops.absolute, torch.abs),
        (ops.negative, torch.neg),
        (ops.reciprocal, torch.reciprocal),
        (ops.sine, torch.sin),
        (ops.cosine, torch.cos),
        (ops.erf, torch.erf),
        (ops.exp, torch.exp),
        (lambda s, x: ops.log(s, ops.absolute(s, x, "abs")), lambda x: x.abs().log()),
        (lambda s, x: ops.sqrt(s, ops.absolute(s, x, "abs")), lambda x: x.abs().sqrt()),
    ):
        check(op, twin, x)


@pytest.mark.parametrize(
    ("condition", "a", "b"),
    [
        ((2, 6), (2, 6), (2, 6)),
        ((2, 6), (6,), (2, 1)),
        ((6,), (2, 6), ()),
        ((2, 3, 6), (6,), (3, 6)),
        ((), (2, 6), (2, 6)),
    ],
    ids=str,
)
def test_where(condition: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> None:
    flags = values(*condition, seed=3) > 0
    check(ops.where, torch.where, flags, values(*a), values(*b, seed=1), tol=0)
    check(lambda s, c, x: ops.where(s, c, x, -2.5), lambda c, x: torch.where(c, x, -2.5), flags, values(*a), tol=0)
    check(lambda s, c, x: ops.where(s, c, 3, x), lambda c, x: torch.where(c, 3.0, x), flags, values(*a), tol=0)


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (None, 0.25), (0.25, None), (0.5, -0.5), (0, 1)], ids=str)
def test_clamp(low: float | None, high: float | None) -> None:
    check(lambda s, x: ops.clamp(s, x, low, high), lambda x: x.clamp(low, high), A, tol=0)


def test_bools() -> None:
    flags, others = values(2, 6) > 0, values(2, 6, seed=1) > 0
    check(ops.logical_not, torch.logical_not, flags)
    for kind, twin in (("AND", torch.logical_and), ("OR", torch.logical_or), ("XOR", torch.logical_xor)):
        check(lambda s, a, b, k=kind: ops.elementwise(s, k, a, b), twin, flags, others)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda s, x, i: ops.add(s, x, i),
            "SUM: found float32 and int32, expected equal dtypes",
        ),
        (
            lambda s, x, i: ops.where(s, ops.greater(s, x, 0.0), x, i),
            "where: found float32 and int32, expected equal dtypes",
        ),
        (
            lambda s, x, i: ops.mul(s, x, ops.cut(s, x, 1, 0, 2)),
            "PROD: found shapes (3, 6) and (3, 2), expected sizes that are equal or 1",
        ),
        (lambda s, x, i: ops.div(s, 1.0, 2.0), "DIV: found two numbers, expected a tensor"),
        (
            lambda s, x, i: ops.where(s, ops.greater(s, x, 0.0), 1.0, 2.0),
            "where: found two numbers, expected a tensor",
        ),
        (lambda s, x, i: ops.clamp(s, x), "clamp: found neither low nor high, expected at least one"),
        (lambda s, x, i: ops.add(s, i, 0.5), "found a constant that int32 can't hold, expected integers in its range"),
        (
            lambda s, x, i: ops.less(s, i, 1 << 40),
            "found a constant that int32 can't hold, expected integers in its range",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 6), integers(3, 6, below=4))
    assert str(caught.value) == f"a.b: {text}"


def test_where_needs_a_bool() -> None:
    with pytest.raises(NetworkError, match=r"^a\.b.*[Bb]ool"):
        OneOp(lambda s, x: ops.where(s, x, x, x), values(3, 6))
