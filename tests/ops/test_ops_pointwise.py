"""Arithmetic, comparison and functions of single values against torch's: numbers, broadcasting, dtypes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.ops.support import OneOp, bools, build, check, check_sizes, integers, values
from wtsnet import ops
from wtsnet.errors import NetworkError

BINARY: dict[str, Callable[..., torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "floor_divide": torch.floor_divide,
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "eq": torch.eq,
    "ne": torch.ne,
    "gt": torch.gt,
    "lt": torch.lt,
    "ge": torch.ge,
    "le": torch.le,
}
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
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
@pytest.mark.parametrize("number", [2, -1.5, 0.1, np.float32(0.3), np.float64(0.7), np.int64(3)], ids=repr)
def test_a_number(name: str, number: float) -> None:
    op, value = getattr(ops, name), torch.tensor(float(number))
    tol = 3e-6 if name in ("remainder", "fmod") else 1e-6  # a quotient's rounding, times the divisor
    check(lambda x: op(x, number), lambda x: BINARY[name](x, value), A, tol=tol)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("number", [2, -1.5, 0.1, np.float32(0.3), np.int64(3)], ids=repr)
def test_operators(name: str, number: float) -> None:
    """On both sides of them; a number may be numpy's."""
    sign, value = OPERATORS[name], torch.tensor(float(number))
    x = A.abs() + 0.1 if name == "pow" else A
    check(lambda x: sign(x, number), lambda x: sign(x, value), x)
    if name != "remainder":  # whose quotients are large beside x here
        check(lambda x: sign(number, x), lambda x: sign(value, x), x)
    check(sign, sign, x, values(6, 1, seed=1))


def test_operators_of_one_tensor() -> None:
    for sign in (operator.neg, abs, operator.pos):
        named = None if sign is operator.pos else "a.b"
        check(sign, sign, A, named=named)
        check(sign, sign, integers(2, 6, below=9) - 4, named=named)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("name", [name for name in BINARY if name not in ("floor_divide", "remainder", "fmod")])
def test_integers(name: str, dtype: torch.dtype) -> None:
    op, twin = getattr(ops, name), BINARY[name]
    x, y = (integers(2, 6, below=9, seed=seed).to(dtype) - 4 for seed in (0, 1))
    y = y + (y == 0) if name == "div" else y
    check(op, twin, x, y)
    check(lambda x: op(x, 3), lambda x: twin(x, torch.tensor(3, dtype=dtype)), x)
    check(lambda x: op(x, np.int64(3)), lambda x: twin(x, torch.tensor(3, dtype=dtype)), x)


# Every pair of signs, exact and not.
DIVIDENDS = [7, -7, 7, -7, 6, -6, 6, -6, 0, 0]
DIVISORS = [2, 2, -2, -2, 3, 3, -3, -3, 5, -5]


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float32])
def test_quotients_and_remainders_of_either_sign(dtype: torch.dtype) -> None:
    x, y = torch.tensor(DIVIDENDS, dtype=dtype), torch.tensor(DIVISORS, dtype=dtype)
    for op, twin in (
        (ops.floor_divide, torch.floor_divide),
        (ops.remainder, torch.remainder),
        (ops.fmod, torch.fmod),
        (ops.div, torch.div),
        (lambda x, y: ops.div(x, y, rounding_mode="trunc"), lambda x, y: torch.div(x, y, rounding_mode="trunc")),
        (lambda x, y: ops.div(x, y, rounding_mode="floor"), lambda x, y: torch.div(x, y, rounding_mode="floor")),
        (lambda x, y: x // y, lambda x, y: x // y),
        (lambda x, y: x % y, lambda x, y: x % y),
        (lambda x, y: x / y, lambda x, y: x / y),
    ):
        check(op, twin, x, y)
    for number in (3, -3):
        check(lambda x, n=number: x // n, lambda x, n=number: x // n, x)
        check(lambda x, n=number: x % n, lambda x, n=number: x % n, x)
        check(lambda x, n=number: ops.fmod(x, n), lambda x, n=number: torch.fmod(x, n), x)
        check(lambda x, n=number: n // x, lambda x, n=number: n // x, y)
        check(lambda x, n=number: n % x, lambda x, n=number: n % x, y)


@pytest.mark.parametrize("divisor", [0.75, -0.75, 0.1])
def test_remainders_of_fractions(divisor: float) -> None:
    for op, twin in ((ops.remainder, torch.remainder), (ops.fmod, torch.fmod)):
        check(lambda x, op=op: op(x, divisor), lambda x, twin=twin: twin(x, divisor), A * 3, tol=4e-6)


@pytest.mark.parametrize("number", [2, -0.5])
def test_alpha(number: float) -> None:
    b = values(6, 1, seed=1)
    check(lambda x, y: ops.add(x, y, alpha=number), lambda x, y: torch.add(x, y, alpha=number), A, b)
    check(lambda x, y: ops.sub(x, y, alpha=number), lambda x, y: torch.sub(x, y, alpha=number), A, b)
    check(lambda x: ops.add(x, 3, alpha=number), lambda x: torch.add(x, 3, alpha=number), A)
    i = integers(2, 6, below=9)
    check(lambda x: ops.sub(x, 2, alpha=3), lambda x: torch.sub(x, 2, alpha=3), i)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, 0, 2.0, np.float32(1.5)], ids=repr)
def test_pow(exponent: float) -> None:
    power = float(exponent)
    check(lambda x: ops.pow(x, exponent), lambda x: x**power, A.abs() + 0.1)
    check(lambda x: x**exponent, lambda x: x**power, A.abs() + 0.1)
    check(lambda x: 2.5**x, lambda x: 2.5**x, A)
    check(ops.pow, torch.pow, A.abs() + 0.1, values(6, 1, seed=1))
    if power in (2, 3, 0):
        check(lambda x: ops.pow(x, exponent), lambda x: x**power, A)
    check(lambda x: x**2, lambda x: x**2, integers(2, 6, below=9) - 4)


def test_a_power_of_integers() -> None:
    """Torch's of an integer and a fraction is a float32; TensorRT's of integers are integers."""
    check(lambda x: x**3, lambda x: x**3, integers(2, 6, below=9) - 4)


def test_a_number_to_the_power_of_a_tensor() -> None:
    check(lambda x: ops.pow(2.5, x), lambda x: torch.pow(2.5, x), A)
    check(lambda x: ops.pow(2, x), lambda x: torch.pow(2, x), A)


def test_sizes_are_numbers() -> None:
    """A Dim takes the tensor's dtype."""
    sizes = ((1, 2, 4), 6, (2, 4, 8))
    for op in (
        lambda x: x / x.shape[2] if isinstance(x, torch.Tensor) else x / x.dims[2],
        lambda x: x * x.size(0),
        lambda x: x.size(0) - x,
        lambda x: x.size(0) / (x * x + 1.0),
        lambda x: x > x.size(2) - 3,
        lambda x: x.flatten(1).sum(1) * x.size(2),
    ):
        build(check_sizes(op, op, sizes, (4, 6, 2), (1, 6, 8)).net)
    scalar = check_sizes(lambda x: x.sum() * x.size(0), lambda x: x.sum() * x.size(0), sizes, (4, 6, 2), (1, 6, 8))
    assert scalar.outputs[0].shape == ()


def test_dynamic_sizes() -> None:
    wide, row, one = ((1, 2, 4), 6, (2, 4, 8)), (6, (2, 4, 8)), ((2, 4, 8),)
    for other, shape in ((wide, lambda n, w: (n, 6, w)), (row, lambda n, w: (6, w)), (one, lambda n, w: (w,))):
        made = check_sizes(
            ops.sub,
            torch.sub,
            [wide, other],
            [(4, 6, 2), shape(4, 2)],
            [(1, 6, 8), shape(1, 8)],
        )
        build(made.net)
    made = check_sizes(
        ops.mul,
        torch.mul,
        [((1, 2, 4), (2, 4, 8)), (1, 3, (1, 2, 4), (2, 4, 8))],
        [(4, 8), (1, 3, 4, 8)],
        [(1, 2), (1, 3, 1, 2)],
    )
    build(made.net)


@pytest.mark.parametrize("value", [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 2e9, 0.0, float("inf")])
def test_rounding(value: float) -> None:
    x = torch.tensor([[value, -value]])
    for op, twin in ((ops.round, torch.round), (ops.floor, torch.floor), (ops.ceil, torch.ceil)):
        check(op, twin, x, tol=0)
    if np.isfinite(value):
        check(ops.trunc, torch.trunc, x, tol=0)


def test_rounding_to_digits_and_of_integers() -> None:
    for decimals in (1, 2, -1):
        check(lambda x, d=decimals: ops.round(x, decimals=d), lambda x, d=decimals: x.round(decimals=d), A * 40)
    x = integers(2, 6, below=9)
    for op in (ops.round, ops.floor, ops.ceil, ops.trunc):
        check(op, lambda x: x, x, named=None)


UNARY: dict[str, Callable[..., torch.Tensor]] = {
    name: getattr(torch, name)
    for name in (
        *("abs", "neg", "reciprocal", "square", "sign", "exp", "expm1", "erf", "sigmoid", "tanh"),
        *("sin", "cos", "sinh", "cosh", "asinh", "atan"),
    )
}


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("scale", [1e-4, 1, 30])
def test_functions_of_one_value(name: str, scale: float) -> None:
    check(getattr(ops, name), UNARY[name], A * scale)


@pytest.mark.parametrize("name", ["log", "log2", "log10", "sqrt", "rsqrt"])
@pytest.mark.parametrize("scale", [1e-4, 1, 30])
def test_functions_of_a_positive_value(name: str, scale: float) -> None:
    check(getattr(ops, name), getattr(torch, name), A.abs() * scale)


@pytest.mark.parametrize("name", ["asin", "acos", "atanh", "tan"])
def test_functions_of_a_value_up_to_one(name: str) -> None:
    x = torch.linspace(-0.99, 0.99, 48)
    for scale in (1, 1e-3):
        check(getattr(ops, name), getattr(torch, name), x * scale)
    check(ops.acosh, torch.acosh, x.abs() * 50 + 1)


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "erf", "reciprocal", "sigmoid", "tanh", "log1p", "rsqrt"]
)
def test_functions_of_integers_are_float32(name: str) -> None:
    check(getattr(ops, name), getattr(torch, name), integers(2, 6, below=9) + 1)


@pytest.mark.parametrize("name", ["abs", "neg", "sign", "square"])
def test_functions_that_keep_integers(name: str) -> None:
    check(getattr(ops, name), getattr(torch, name), integers(2, 6, below=9) - 4)
    check(getattr(ops, name), getattr(torch, name), integers(2, 6, below=9).long() - 4)


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_small_values_keep_their_digits(name: str) -> None:
    """What eˣ − 1 and log(1 + x) are there for: near 0 the plain formula has no digit right."""
    x = torch.logspace(-9, 0, 90)
    x = torch.cat([x, -x * 0.9])
    twin = getattr(torch, name)
    torch.testing.assert_close(OneOp(getattr(ops, name), x)(x)[0], twin(x), rtol=3e-6, atol=0)


def test_log1p_and_expm1_at_the_ends() -> None:
    x = torch.tensor([0.0, -1.0, 1e3, 1e10, 3e38, float("inf"), -2.0])
    torch.testing.assert_close(OneOp(ops.log1p, x)(x)[0], torch.log1p(x), rtol=1e-6, atol=0, equal_nan=True)
    x = torch.tensor([0.0, 80.0, -80.0, -200.0, 88.0])
    torch.testing.assert_close(OneOp(ops.expm1, x)(x)[0], torch.expm1(x), rtol=3e-5, atol=0)


def test_atan2() -> None:
    """All four quarters, the axes and the origin."""
    ends = torch.tensor([0.0, 1.0, -1.0, 2.5, -3.0, 1e-20, -1e20])
    y, x = torch.cartesian_prod(ends, ends).T
    torch.testing.assert_close(OneOp(ops.atan2, y, x)(y, x)[0], torch.atan2(y, x), rtol=1e-6, atol=0)
    check(ops.atan2, torch.atan2, A, values(6, 1, seed=1))
    check(ops.atan2, torch.atan2, integers(2, 6, below=5) - 2, integers(2, 6, below=5, seed=1) - 2)


def test_not_a_number_and_infinity() -> None:
    x = torch.tensor([0.0, float("nan"), float("inf"), float("-inf"), 1.0])
    check(ops.isnan, torch.isnan, x)
    check(ops.isinf, torch.isinf, x)
    for name in ("eq", "ne", "gt", "lt", "ge", "le"):  # nothing but != holds of NaN
        check(getattr(ops, name), getattr(torch, name), x, x.clone())
        check(lambda x, n=name: getattr(ops, n)(x, 1.0), lambda x, n=name: getattr(torch, n)(x, 1.0), x)


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
    check(lambda c, x, y: x.where(c, y), lambda c, x, y: x.where(c, y), flags, values(*a), values(*b, seed=1), tol=0)
    check(lambda c, x: ops.where(c, x, -2.5), lambda c, x: torch.where(c, x, -2.5), flags, values(*a), tol=0)
    check(lambda c, x: ops.where(c, 3, x), lambda c, x: torch.where(c, 3.0, x), flags, values(*a), tol=0)


def test_where_of_numbers_and_other_dtypes() -> None:
    flags = bools(2, 6)
    for a, b in ((1.0, 2.0), (1.0, 2), (1, 2), (True, False)):
        check(lambda c, a=a, b=b: ops.where(c, a, b), lambda c, a=a, b=b: torch.where(c, a, b), flags)
    check(ops.where, torch.where, flags, bools(2, 6, seed=1), bools(2, 6, seed=2))
    check(lambda c, x: ops.where(c, x, 7), lambda c, x: torch.where(c, x, 7), flags, integers(2, 6, below=9))
    check(lambda c, x: ops.where(c, x, True), lambda c, x: torch.where(c, x, True), flags, bools(2, 6, seed=1))


def test_where_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda x, y: ops.where(x > 0, x, y),
        lambda x, y: torch.where(x > 0, x, y),
        [((1, 2, 4), 6, (2, 4, 8)), ((2, 4, 8),)],
        [(4, 6, 2), (2,)],
        [(1, 6, 8), (8,)],
    )
    build(one.net)


def test_masked_fill() -> None:
    mask = bools(6, 1, seed=3)
    for value in (-1.5, float("-inf"), 2):
        check(lambda x, m, v=value: ops.masked_fill(x, m, v), lambda x, m, v=value: x.masked_fill(m, v), A, mask, tol=0)
        check(lambda x, m, v=value: x.masked_fill(m, v), lambda x, m, v=value: x.masked_fill(m, v), A, mask, tol=0)
    check(lambda x, m: x.masked_fill(m, 3), lambda x, m: x.masked_fill(m, 3), integers(2, 6, below=9), bools(2, 1))
    check(lambda x, m: x.masked_fill(m, True), lambda x, m: x.masked_fill(m, True), bools(2, 6), bools(2, 6, seed=1))
    one = check_sizes(
        lambda x, y: x.masked_fill(y > 0, 0.0),
        lambda x, y: x.masked_fill(y > 0, 0.0),
        [((1, 2, 4), 6, (2, 4, 8)), ((2, 4, 8),)],
        [(4, 6, 2), (2,)],
        [(1, 6, 8), (8,)],
    )
    build(one.net)


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (None, 0.25), (0.25, None), (0.5, -0.5), (0, 1)], ids=str)
def test_clamp(low: float | None, high: float | None) -> None:
    check(lambda x: ops.clamp(x, low, high), lambda x: x.clamp(low, high), A, tol=0)
    check(lambda x: x.clamp(min=low, max=high), lambda x: x.clamp(min=low, max=high), A, tol=0)


def test_clamp_between_tensors() -> None:
    low, high = values(6, 1, seed=1), values(4, seed=2)
    check(ops.clamp, torch.clamp, A, low, high, tol=0)
    check(lambda x, low: ops.clamp(x, low), torch.clamp, A, low, tol=0)
    check(lambda x, high: ops.clamp(x, max=high), lambda x, high: x.clamp(max=high), A, high, tol=0)
    check(lambda x, low: ops.clamp(x, low, 0.5), lambda x, low: x.clamp(low).clamp(max=0.5), A, low, tol=0)
    check(lambda x: ops.clamp(x, -2, 3), lambda x: x.clamp(-2, 3), integers(2, 6, below=9) - 4)


@pytest.mark.parametrize("weight", [0, 0.25, 1, 1.5])
def test_lerp(weight: float) -> None:
    b = values(2, 6, 4, seed=1)
    check(lambda x, y: ops.lerp(x, y, weight), lambda x, y: torch.lerp(x, y, weight), A, b)
    check(ops.lerp, torch.lerp, A, b, values(2, 6, 4, seed=2))


LOGICAL = ("logical_and", "logical_or", "logical_xor")


@pytest.mark.parametrize("name", LOGICAL)
def test_bools(name: str) -> None:
    op, twin = getattr(ops, name), getattr(torch, name)
    check(op, twin, bools(2, 6), bools(2, 6, seed=1))
    check(op, twin, bools(2, 6), bools(6, seed=1))
    check(op, twin, integers(2, 6, below=2), integers(2, 6, below=3, seed=1))  # true where they are not 0
    check(op, twin, integers(2, 6, below=2), bools(2, 6, seed=1))
    check(op, twin, values(2, 6).relu(), bools(2, 6, seed=1))


def test_operators_of_bools() -> None:
    a, b = bools(2, 6), bools(2, 6, seed=1)
    for sign in (operator.and_, operator.or_, operator.xor, operator.eq, operator.ne):
        check(sign, sign, a, b)
    check(operator.invert, operator.invert, a)
    for number in (True, False):
        check(lambda x, n=number: x == n, lambda x, n=number: x == n, a)
        check(lambda x, n=number: x != n, lambda x, n=number: x != n, a)
        check(lambda x, n=number: x & n, lambda x, n=number: x & n, a)
        check(lambda x, n=number: n | x, lambda x, n=number: n | x, a)
    for x in (a, integers(2, 6, below=2), values(2, 6).relu()):
        check(ops.logical_not, torch.logical_not, x)


EQUAL = "expected equal dtypes: TensorRT casts nothing by itself, x.to(dtype) does"
BOOLS = "{}: found bool, expected numbers: TensorRT has no arithmetic of bools, .to(dtype) makes numbers"


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda x, i: ops.add(x, i),
            f"add: found float32 and int32, {EQUAL}",
        ),
        (
            lambda x, i: ops.where(x > 0.0, x, i),
            f"where: found float32 and int32, {EQUAL}",
        ),
        (
            lambda x, i: ops.mul(x, x[:, :2]),
            "mul: found shapes (3, 6) and (3, 2), expected sizes that are equal or 1",
        ),
        (
            lambda x, i: ops.where(x[:2] > 0, x, x),
            "where: found shapes (2, 6), (3, 6) and (3, 6), expected sizes that are equal or 1",
        ),
        (lambda x, i: ops.clamp(x), "clamp: found neither min nor max, expected at least one"),
        (
            lambda x, i: ops.add(i, 0.5),
            'add: found int32 and 0.5, expected an integer: x.to("float32") makes floats',
        ),
        (
            lambda x, i: ops.lt(i, 1 << 40),
            "lt: found a constant that int32 can't hold, expected integers in its range",
        ),
        (lambda x, i: ops.where(x, x, x), "where: condition: found float32, expected bool"),
        (lambda x, i: x.masked_fill(i, 1.0), "masked_fill: mask: found int32, expected bool"),
        (lambda x, i: (x > 0) + 1, BOOLS.format("add")),
        (lambda x, i: (x > 0) * (x < 1), BOOLS.format("mul")),
        (lambda x, i: (x > 0) < (x < 1), BOOLS.format("lt")),
        (lambda x, i: (x > 0) == 1, "eq: found bool and 1, expected True, False or a tensor of bools"),
        (
            lambda x, i: ops.div(x, 2, rounding_mode="up"),
            "div: rounding_mode: found 'up', expected None, 'trunc' or 'floor'",
        ),
        (lambda x, i: i & i, "bitwise_and: found int32, expected bool: TensorRT has no arithmetic of bits"),
        (lambda x, i: ~i, "bitwise_not: found int32, expected bool: TensorRT has no arithmetic of bits"),
        (
            lambda x, i: (x > 0) | i,
            f"bitwise_or: found bool and int32, {EQUAL}",
        ),
        (lambda x, i: x + "1", "add: other: found '1', expected a Tensor, a Dim or a number"),
        (lambda x, i: "1" + x, "add: other: found '1', expected a Tensor, a Dim or a number"),
        (lambda x, i: [1] - x, "found [1] on the left of an operator, expected a number or a Tensor"),
        (lambda x, i: x * None, "mul: other: found None, expected a Tensor, a Dim or a number"),
        (lambda x, i: (x > 0) & 1, "bitwise_and: other: found 1, expected a Tensor, True or False"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 6), integers(3, 6, below=4))
    assert str(caught.value) == f"a.b: {text}"


def test_numbers_alone() -> None:
    for op in (ops.div, ops.pow):
        numbers: Any = (1.0, 2.0)
        with pytest.raises(NetworkError, match=rf"^{op.__name__}: .*[Tt]ensor"):
            op(*numbers)
