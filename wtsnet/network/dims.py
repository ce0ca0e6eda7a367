"""Sizes that are known only at run time, to reckon with as with numbers.

`Dim` is lazy: nothing enters the network before an op asks for the value with `shape_tensor`, so a model may
write `n, c, h, w = x.dims` and pay only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network.network import Network
    from wtsnet.network.tensor import Tensor


class Late(int):
    """The -1 in a tensor's `shape` of a size that is known only at run time. It is equal to -1, and may be given
    where that has a meaning; to reckon with it is an error, which would else go wrong in silence."""

    def refuse(self, *_: object) -> NoReturn:
        """Raise NetworkError: what to take in its place is said."""
        raise NetworkError(
            "a size that is known only at run time, -1 in x.shape, can't be reckoned with; x.dims[i] or x.size(i) can"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = __abs__ = refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = refuse
    __pow__ = __rpow__ = __divmod__ = __rdivmod__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = refuse


LATE = Late(-1)


class Dim:
    """A size of a tensor at run time, or what is reckoned from such sizes: `h * 2`, `h // 2`, `h % 2`, `h + w`,
    `h - 1`. It has no value before the network runs, so to compare it is an error."""

    __slots__ = ("a", "b", "operation")
    __hash__ = object.__hash__

    def __init__(self, a: Tensor | Dim | int, b: Dim | int, operation: str = "SHAPE") -> None:
        """`a` and `b` are the operands; for "SHAPE", the tensor and its axis."""
        self.a = a
        self.b = b
        self.operation = operation

    def __mul__(self, other: int | Dim) -> Any:
        return _of(self, other, "PROD", same=1)

    def __floordiv__(self, other: int | Dim) -> Any:
        return _of(self, other, "FLOOR_DIV", same=1)

    def __rfloordiv__(self, other: int) -> Any:
        return _of(other, self, "FLOOR_DIV")

    def __mod__(self, other: int | Dim) -> Any:
        return self - self // other * other if _is_size(other) else NotImplemented

    def __rmod__(self, other: int) -> Any:
        return other - other // self * self if _is_size(other) else NotImplemented

    def __add__(self, other: int | Dim) -> Any:
        if isinstance(other, Dim) and other.operation == "SUB" and _same_size(self, other.b):
            return other.a  # x.h + (y.h − x.h): padding up to the size of another
        return _of(self, other, "SUM", same=0)

    def __sub__(self, other: int | Dim) -> Any:
        return _of(self, other, "SUB", same=0)

    def __rsub__(self, other: int) -> Any:
        return _of(other, self, "SUB")

    def __neg__(self) -> Dim:
        return Dim(0, self, "SUB")

    def __pos__(self) -> Dim:
        return self

    __rmul__ = __mul__
    __radd__ = __add__

    def __eq__(self, other: object) -> bool:
        return self._compared() if _is_size(other) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._compared() if _is_size(other) else NotImplemented

    __le__ = __gt__ = __ge__ = __lt__

    def __bool__(self) -> bool:
        return self._compared()

    def __index__(self) -> int:
        return self._compared()

    def _compared(self) -> bool:
        found = f"found a size of {self.tensor!r} that is known only at run time"
        raise self.tensor.error(f"{found}, expected a fixed one where Python compares or counts")

    @property
    def tensor(self) -> Tensor:
        """The first tensor whose size it is made of."""
        operand = self.a if not _is_number(self.a) else self.b
        return operand.tensor if isinstance(operand, Dim) else operand  # type: ignore[return-value]  # one is no number

    def __repr__(self) -> str:
        return f"Dim({self.a!r}, {self.b!r}, {self.operation!r})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | np.integer)


def _is_size(value: object) -> bool:
    return isinstance(value, Dim) or _is_number(value)


def _same_size(a: Dim, b: int | Dim) -> bool:
    """Whether both are the size of one tensor along one axis."""
    if not isinstance(b, Dim) or not a.operation == b.operation == "SHAPE":
        return False
    return a.tensor.trt is b.tensor.trt and a.b == b.b


def _of(a: int | Dim, b: int | Dim, operation: str, same: int | None = None) -> Any:
    """`a` and `b` put together; `a` itself where `b` is the number `same`, which changes nothing."""
    if not _is_size(a) or not _is_size(b):
        return NotImplemented
    if same is not None and not isinstance(b, Dim) and b == same:
        return a
    return Dim(a, b, operation)


def largest(a: int | Dim, b: int | Dim) -> int | Dim:
    """The larger of two sizes."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else Dim(a, b, "MAX")


def smallest(a: int | Dim, b: int | Dim) -> int | Dim:
    """The smaller of two sizes."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else Dim(a, b, "MIN")


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
        return net.size(dim.a, dim.b)  # type: ignore[arg-type]  # a tensor and its axis
    a, b = (_value(net, operand) for operand in (dim.a, dim.b))
    return net.emit("add_elementwise", a, b, tensorrt.enum("ElementWiseOperation", dim.operation), label="dim")
