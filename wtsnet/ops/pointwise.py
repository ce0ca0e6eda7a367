"""Elementwise arithmetic, comparison and selection. Operands broadcast as in torch; their dtypes are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import Tensor
from wtsnet.ops.shape import lifted

if TYPE_CHECKING:
    from wtsnet.network import Scope


def _operands(s: Scope, what: str, a: Tensor | float, b: Tensor | float, rank: int = 0) -> tuple[Tensor, Tensor]:
    """Both as tensors of one rank, at least `rank`; a number becomes a constant of the other's dtype."""
    tensors = [operand for operand in (a, b) if isinstance(operand, Tensor)]
    if not tensors:
        raise s.error(f"{what}: found two numbers, expected a tensor")
    first, last = tensors[0], tensors[-1]
    if first.dtype != last.dtype:
        raise s.error(f"{what}: found {first.dtype} and {last.dtype}, expected equal dtypes")
    sizes = zip(first.shape[::-1], last.shape[::-1], strict=False)
    if any(m != n and not {m, n} & {1, -1} for m, n in sizes):
        raise s.error(f"{what}: found shapes {first.shape} and {last.shape}, expected sizes that are equal or 1")
    rank = max(rank, first.rank, last.rank)
    left, right = (
        lifted(s, operand, rank)
        if isinstance(operand, Tensor)
        else s.constant(np.full((1,) * rank, operand), first.dtype)
        for operand in (a, b)
    )
    return left, right


def elementwise(s: Scope, operation: str, a: Tensor | float, b: Tensor | float, suffix: str = "") -> Tensor:
    """TensorRT's ElementWiseOperation `operation` of two tensors, or of a tensor and a number."""
    left, right = _operands(s, operation, a, b)
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
    left, right = _operands(s, "where", a, b, condition.rank)
    return s.emit("add_select", lifted(s, condition, left.rank), left, right, suffix=suffix)


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
