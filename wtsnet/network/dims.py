"""Sizes that are known only at run time, to reckon with as with numbers.

`Dim` is lazy: nothing enters the network before an op asks for the value with `shape_tensor`, so a model may
write `n, c, h, w = x.dims` and pay only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network.network import Network
    from wtsnet.network.tensor import Tensor


class Dim:
    """A size of a tensor at run time, or what is reckoned from such sizes: `h * 2`, `h // 2`, `h % 2`, `h + w`,
    `h - 1`."""

    __slots__ = ("a", "b", "operation")

    def __init__(self, a: Tensor | Dim | int, b: Dim | int, operation: str = "SHAPE") -> None:
        """`a` and `b` are the operands; for "SHAPE", the tensor and its axis."""
        self.a = a
        self.b = b
        self.operation = operation

    def __mul__(self, other: int | Dim) -> Dim:
        return self if _is(other, 1) else Dim(self, other, "PROD")

    def __floordiv__(self, other: int | Dim) -> Dim:
        return self if _is(other, 1) else Dim(self, other, "FLOOR_DIV")

    def __rfloordiv__(self, other: int) -> Dim:
        return Dim(other, self, "FLOOR_DIV")

    def __mod__(self, other: int | Dim) -> Dim:
        return self - self // other * other

    def __add__(self, other: int | Dim) -> Dim:
        return self if _is(other, 0) else Dim(self, other, "SUM")

    def __sub__(self, other: int | Dim) -> Dim:
        return self if _is(other, 0) else Dim(self, other, "SUB")

    def __rsub__(self, other: int) -> Dim:
        return Dim(other, self, "SUB")

    def __neg__(self) -> Dim:
        return 0 - self

    __rmul__ = __mul__
    __radd__ = __add__

    def __repr__(self) -> str:
        return f"Dim({self.a!r}, {self.b!r}, {self.operation!r})"


def largest(a: int | Dim, b: int | Dim) -> int | Dim:
    """The larger of two sizes."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else Dim(a, b, "MAX")


def smallest(a: int | Dim, b: int | Dim) -> int | Dim:
    """The smaller of two sizes."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else Dim(a, b, "MIN")


def _is(other: int | Dim, number: int) -> bool:
    return isinstance(other, int) and other == number


def shape_tensor(net: Network, dims: Sequence[int | Dim]) -> Tensor:
    """The sizes as one int64 shape tensor of `len(dims)` values.

    Raises:
        NetworkError: a size is that of a tensor of another network.
    """
    if not any(isinstance(dim, Dim) for dim in dims):
        return net.constant(np.array(dims, np.int64), "int64", label="dims")
    values = [_value(net, dim) for dim in dims]
    if len(values) == 1:
        return values[0]
    return net.emit("add_concatenation", values, label="dims", axis=0)


def _value(net: Network, dim: Tensor | Dim | int) -> Tensor:
    """One size as an int64 tensor of shape (1,)."""
    if not isinstance(dim, Dim):
        return net.constant(np.array([dim], np.int64), "int64", label="dim")
    if dim.operation == "SHAPE":
        shape = net.emit("add_shape", dim.a, label="shape")
        return net.emit("add_slice", shape, (dim.b,), (1,), (1,), label="dim")
    a, b = (_value(net, operand) for operand in (dim.a, dim.b))
    return net.emit("add_elementwise", a, b, tensorrt.enum("ElementWiseOperation", dim.operation), label="dim")
