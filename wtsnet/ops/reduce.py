"""Reductions, softmax and top-k."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops.pointwise import exp, log, negative, sub
from wtsnet.ops.shape import checked_axis, squeeze

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor

TOPK_LIMIT = 3840  # the largest k of TensorRT's top-k layer


def axis_mask(s: Scope, x: Tensor, dims: int | Sequence[int] | None) -> int:
    """TensorRT's bit mask for `dims` of `x`; None stands for all."""
    axes = range(x.rank) if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not axes:
        raise s.error("dim: found no dimensions, expected at least one, or None for all")
    mask = 0
    for axis in axes:
        mask |= 1 << checked_axis(s, x, axis)
    return mask


def reduce(
    s: Scope, operation: str, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool, suffix: str = ""
) -> Tensor:
    """TensorRT's ReduceOperation `operation` over `dim` (a number, several, or None for all)."""
    kind = s.enum("ReduceOperation", operation)
    return s.emit("add_reduce", x, kind, axis_mask(s, x, dim), keepdim, suffix=suffix)


def mean(
    s: Scope, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.mean` over `dim`."""
    return reduce(s, "AVG", x, dim, keepdim, suffix)


def total(
    s: Scope, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.sum` over `dim`."""
    return reduce(s, "SUM", x, dim, keepdim, suffix)


def amax(
    s: Scope, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.amax` over `dim`."""
    return reduce(s, "MAX", x, dim, keepdim, suffix)


def amin(
    s: Scope, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.amin` over `dim`."""
    return reduce(s, "MIN", x, dim, keepdim, suffix)


def prod(
    s: Scope, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.prod` over `dim`."""
    return reduce(s, "PROD", x, dim, keepdim, suffix)


def softmax(s: Scope, x: Tensor, dim: int = -1, suffix: str = "") -> Tensor:
    """`torch.nn.Softmax`: e^x / Σ e^x over `dim`."""
    return s.emit("add_softmax", x, suffix=suffix, axes=axis_mask(s, x, dim))


def softmin(s: Scope, x: Tensor, dim: int = -1) -> Tensor:
    """`torch.nn.Softmin`: the softmax of −x."""
    return softmax(s, negative(s, x, suffix="negative"), dim)


def log_softmax(s: Scope, x: Tensor, dim: int = -1) -> Tensor:
    """`torch.nn.LogSoftmax`, as x − max − log Σ e^(x − max): exact where the softmax itself rounds to 0."""
    shifted = sub(s, x, amax(s, x, dim, keepdim=True, suffix="max"), suffix="shifted")
    weight = total(s, exp(s, shifted, suffix="exp"), dim, keepdim=True, suffix="sum")
    return sub(s, shifted, log(s, weight, suffix="log"))


def topk(s: Scope, x: Tensor, k: int, dim: int = -1, largest: bool = True, suffix: str = "") -> tuple[Tensor, Tensor]:
    """`torch.topk`: the `k` best values along `dim`, best first, and their indices (int32).

    Raises:
        NetworkError: `k` is more than TensorRT's limit of 3840 or than the axis holds.
    """
    axis = checked_axis(s, x, dim)
    room = x.shape[axis] if x.shape[axis] != -1 else TOPK_LIMIT
    if not 1 <= k <= min(TOPK_LIMIT, room):
        raise s.error(f"top-k: found k={k}, expected 1 to {min(TOPK_LIMIT, room)}")
    operation = s.enum("TopKOperation", "MAX" if largest else "MIN")
    values = s.emit("add_topk", x, operation, k, 1 << axis, suffix=suffix)
    return values, values.layer_output(1)


def argmax(s: Scope, x: Tensor, dim: int = -1, keepdim: bool = False, suffix: str = "") -> Tensor:
    """`torch.argmax` over `dim`, as int32."""
    return _arg(s, x, dim, keepdim, True, suffix)


def argmin(s: Scope, x: Tensor, dim: int = -1, keepdim: bool = False, suffix: str = "") -> Tensor:
    """`torch.argmin` over `dim`, as int32."""
    return _arg(s, x, dim, keepdim, False, suffix)


def _arg(s: Scope, x: Tensor, dim: int, keepdim: bool, largest: bool, suffix: str) -> Tensor:
    _, indices = topk(s, x, 1, dim, largest, suffix="topk")
    return s.emit("add_identity", indices, suffix=suffix) if keepdim else squeeze(s, indices, dim, suffix)
