"""Elementwise arithmetic, comparison and selection. Operands broadcast over sizes of 1; ranks are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def _operand(s: Scope, value: Tensor | float, like: Tensor) -> Tensor:
    if isinstance(value, int | float):
        return s.constant(np.full((1,) * like.rank, value), like.dtype)
    if value.rank < like.rank:  # broadcasting as in torch: sizes of 1 in front
        return s.emit("add_shuffle", value, suffix="rank", reshape_dims=_lifted(s, value, like.rank))
    return value


def _lifted(s: Scope, value: Tensor, rank: int) -> tuple[int, ...]:
    if value.shape.count(-1) > 1:
        raise s.error(f"broadcast of {value.shape} to rank {rank}: at most one size may be dynamic")
    return (1,) * (rank - value.rank) + value.shape


def elementwise(s: Scope, operation: str, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """TensorRT's ElementWiseOperation `operation` of two tensors, or of a tensor and a number."""
    like = a if not isinstance(a, int | float) and (isinstance(b, int | float) or a.rank >= b.rank) else b
    if isinstance(like, int | float):
        raise s.error(f"{operation}: found two numbers, expected a tensor")
    left, right = _operand(s, a, like), _operand(s, b, like)
    if left.dtype != right.dtype:
        raise s.error(f"{operation}: found {left.dtype} and {right.dtype}, expected equal dtypes")
    return s.emit("add_elementwise", left, right, s.enum("ElementWiseOperation", operation), suffix=suffix)


def add(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """a + b."""
    return elementwise(s, "SUM", a, b, suffix)


def sub(s: Scope, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """a − b."""
    return elementwise(s, "SUB", a, b, suffix)


def mul(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """a · b."""
    return elementwise(s, "PROD", a, b, suffix)


def div(s: Scope, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """a / b; of integers, rounded toward zero."""
    return elementwise(s, "DIV", a, b, suffix)


def floor_div(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """⌊a / b⌋."""
    return elementwise(s, "FLOOR_DIV", a, b, suffix)


def power(s: Scope, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """a to the power b."""
    return elementwise(s, "POW", a, b, suffix)


def maximum(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """The greater of a and b."""
    return elementwise(s, "MAX", a, b, suffix)


def minimum(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """The lesser of a and b."""
    return elementwise(s, "MIN", a, b, suffix)


def equal(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """a == b, as bool."""
    return elementwise(s, "EQUAL", a, b, suffix)


def greater(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """a > b, as bool."""
    return elementwise(s, "GREATER", a, b, suffix)


def less(s: Scope, a: Tensor, b: Tensor | float, suffix: str = "") -> Tensor:
    """a < b, as bool."""
    return elementwise(s, "LESS", a, b, suffix)


def where(s: Scope, condition: Tensor, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """a where `condition` (bool) holds, else b; a number takes the other's dtype."""
    like = b if isinstance(a, int | float) else a
    if isinstance(like, int | float):
        raise s.error("where: found two numbers, expected a tensor")
    return s.emit("add_select", condition, _operand(s, a, like), _operand(s, b, like), suffix=suffix)


def clamp(s: Scope, x: Tensor, low: float | None = None, high: float | None = None, suffix: str = "") -> Tensor:
    """x, no less than `low` and no more than `high`."""
    if low is None and high is None:
        raise s.error("clamp: found neither low nor high, expected at least one")
    if low is None:
        return minimum(s, x, high, suffix)  # type: ignore[arg-type]  # one of the two is given
    if high is None:
        return maximum(s, x, low, suffix)
    return minimum(s, maximum(s, x, low, suffix="low"), high, suffix)


def unary(s: Scope, operation: str, x: Tensor, suffix: str = "") -> Tensor:
    """TensorRT's UnaryOperation `operation` of every value."""
    return s.emit("add_unary", x, s.enum("UnaryOperation", operation), suffix=suffix)


def exp(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """e to the power x."""
    return unary(s, "EXP", x, suffix)


def log(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """The natural logarithm of x."""
    return unary(s, "LOG", x, suffix)


def sqrt(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """The square root of x."""
    return unary(s, "SQRT", x, suffix)


def absolute(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """|x|."""
    return unary(s, "ABS", x, suffix)


def negative(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """−x."""
    return unary(s, "NEG", x, suffix)


def reciprocal(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """1 / x."""
    return unary(s, "RECIP", x, suffix)


def floor(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """⌊x⌋."""
    return unary(s, "FLOOR", x, suffix)


def ceil(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """⌈x⌉."""
    return unary(s, "CEIL", x, suffix)


def rounded(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """x to the nearest integer, halves to the even one, as `torch.round`."""
    return unary(s, "ROUND", x, suffix)


def sine(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """sin x, x in radians."""
    return unary(s, "SIN", x, suffix)


def cosine(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """cos x, x in radians."""
    return unary(s, "COS", x, suffix)


def erf(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """The error function of x."""
    return unary(s, "ERF", x, suffix)


def logical_not(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """not x, of bools."""
    return unary(s, "NOT", x, suffix)
