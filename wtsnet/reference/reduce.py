"""Layers that run along axes: reductions, softmax, cumulative sums, top-k."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes, refusal


def axes_of(mask: int) -> tuple[int, ...]:
    """The axes whose bits are set in a mask.

    >>> axes_of(0b1100)
    (2, 3)
    """
    return tuple(axis for axis in range(mask.bit_length()) if mask >> axis & 1)


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in reversed(axes):
        x = x.prod(axis, keep, dtype=x.dtype)
    return x


def _average(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """Integers average as they divide: towards zero."""
    if x.is_floating_point():
        return x.mean(axes, keep)
    count = x.numel() // max(x.sum(axes).numel(), 1)
    return torch.div(x.sum(axes, keep), count, rounding_mode="trunc").to(x.dtype)


_REDUCTIONS: dict[str, Callable[[Tensor, tuple[int, ...], bool], Tensor]] = {
    "SUM": lambda x, axes, keep: x.sum(axes, keep, dtype=x.dtype),
    "PROD": _product,
    "MAX": lambda x, axes, keep: x.amax(axes, keep),
    "MIN": lambda x, axes, keep: x.amin(axes, keep),
    "AVG": _average,
}


@executes("REDUCE")
def reduce(node: Node) -> Run:
    """One of the ReduceOperations over the axes of a mask."""
    operation: str = node.layer.op.name
    if operation not in _REDUCTIONS:
        raise refusal(node, f"ReduceOperation.{operation} is for collectives")
    function = _REDUCTIONS[operation]
    axes, keep = axes_of(node.layer.axes), bool(node.layer.keep_dims)
    if not axes:
        return lambda inputs: (inputs[0],)
    return lambda inputs: (function(inputs[0], axes, keep),)


@executes("SOFTMAX")
def softmax(node: Node) -> Run:
    """Softmax over the one axis of the mask."""
    (axis,) = axes_of(node.layer.axes)
    return lambda inputs: (inputs[0].softmax(axis),)


@executes("RAGGED_SOFTMAX")
def ragged_softmax(node: Node) -> Run:
    """Softmax over the first bounds[…, 0] elements of each row; zero behind them."""

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, bounds = inputs
        inside = torch.arange(x.shape[-1], device=x.device) < bounds
        return (x.masked_fill(~inside, -torch.inf).softmax(-1).masked_fill(~inside, 0),)

    return run


@executes("CUMULATIVE")
def cumulative(node: Node) -> Run:
    """The sum of all elements up to each one along the axis in input 1."""
    exclusive, reverse = bool(node.layer.exclusive), bool(node.layer.reverse)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, axis = inputs[0], int(inputs[1])
        if reverse:
            x = x.flip(axis)
        y = x.cumsum(axis, dtype=x.dtype)
        if exclusive:
            y = torch.cat((torch.zeros_like(y.narrow(axis, 0, 1)), y.narrow(axis, 0, x.shape[axis] - 1)), axis)
        return (y.flip(axis) if reverse else y,)

    return run


@executes("TOPK")
def topk(node: Node) -> Run:
    """The k largest or smallest along one axis, sorted, and their indices; of equal ones the first comes first.

    `torch.topk` promises no order among equals, hence the stable sort.
    """
    layer = node.layer
    (axis,) = axes_of(layer.axes)
    largest: bool = layer.op.name == "MAX"
    static: int = layer.k
    dynamic = node.has(1)
    dtype = node.dtype(1)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0]
        k = int(inputs[1]) if dynamic else static
        values, indices = torch.sort(x, dim=axis, descending=largest, stable=True)
        return values.narrow(axis, 0, k).contiguous(), indices.narrow(axis, 0, k).to(dtype)

    return run
