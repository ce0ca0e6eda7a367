"""Sizes that are known only at run time, to reckon with as with numbers.

`Dim` is lazy: nothing enters the network before an op asks for the value with `shape_tensor`, so a model may
write `n, c, h, w = x.dims` and pay only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network.network import Scope, Tensor


class Dim:
    """A size of a tensor at run time, or what is reckoned from such sizes: `h * 2`, `h // 2`, `h + w`, `h - 1`."""

    __slots__ = ("a", "b", "operation")

    def __init__(self, a: Tensor | Dim | int, b: Dim | int, operation: str = "SHAPE") -> None:
        """`a` and `b` are the operands; for "SHAPE", the tensor and its axis."""
        self.a = a
        self.b = b
        self.operation = operation

    def __mul__(self, other: int | Dim) -> Dim:
        return self if other == 1 else Dim(self, other, "PROD")

    def __floordiv__(self, other: int | Dim) -> Dim:
        return self if other == 1 else Dim(self, other, "FLOOR_DIV")

    def __add__(self, other: int | Dim) -> Dim:
        return self if other == 0 else Dim(self, other, "SUM")

    def __sub__(self, other: int | Dim) -> Dim:
        return self if other == 0 else Dim(self, other, "SUB")

    def __rsub__(self, other: int) -> Dim:
        return Dim(other, self, "SUB")

    __rmul__ = __mul__
    __radd__ = __add__

    def __repr__(self) -> str:
        return f"Dim({self.a!r}, {self.b!r}, {self.operation!r})"


def shape_tensor(s: Scope, dims: Sequence[int | Dim]) -> Tensor:
    """The sizes as one int64 shape tensor of `len(dims)` values."""
    if not any(isinstance(dim, Dim) for dim in dims):
        return s.constant(np.array(dims, np.int64), "int64", suffix="dims")
    values = [_value(s, dim) for dim in dims]
    if len(values) == 1:
        return values[0]
    return s.emit("add_concatenation", values, suffix="dims", axis=0)


def _value(s: Scope, dim: Tensor | Dim | int) -> Tensor:
    """One size as an int64 tensor of shape (1,)."""
    if not isinstance(dim, Dim):
        return s.constant(np.array([dim], np.int64), "int64", suffix="dim")
    if dim.operation == "SHAPE":
        shape = s.emit("add_shape", dim.a, suffix="shape")
        return s.emit("add_slice", shape, (dim.b,), (1,), (1,), suffix="dim")
    a, b = (_value(s, operand) for operand in (dim.a, dim.b))
    return s.emit("add_elementwise", a, b, s.enum("ElementWiseOperation", dim.operation), suffix="dim")
