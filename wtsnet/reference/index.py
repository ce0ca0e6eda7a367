"""Layers that read or write at indices: gather, scatter, non-zero."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


def _positive(indices: Tensor, extent: int) -> Tensor:
    """Negative indices count from the end."""
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + extent, indices)


@executes("GATHER")
def gather(node: Node) -> Run:
    """DEFAULT: whole slices along an axis. ELEMENT: one element an index. ND: the last axis of the indices is a place.

    The first `num_elementwise_dims` axes are paired, not crossed.
    """
    layer = node.layer
    mode: str = layer.mode.name
    axis, paired = layer.axis, layer.num_elementwise_dims

    def default(data: Tensor, indices: Tensor) -> Tensor:
        along = axis % data.ndim
        indices = _positive(indices, data.shape[along])
        if paired == 0:
            y = data.index_select(along, indices.reshape(-1))
            return y.reshape((*data.shape[:along], *indices.shape, *data.shape[along + 1 :]))
        moved = data.movedim(along, 1)
        rows = torch.arange(data.shape[0], device=data.device).reshape(-1, *(1,) * (indices.ndim - 1))
        new = indices.ndim - 1
        y = moved[rows.clamp(max=data.shape[0] - 1), indices]
        return y.movedim(tuple(range(1, 1 + new)), tuple(range(along, along + new)))

    def element(data: Tensor, indices: Tensor) -> Tensor:
        return data.gather(axis, _positive(indices, data.shape[axis]))

    def nd(data: Tensor, indices: Tensor) -> Tensor:
        rank = indices.ndim - 1
        rows = [
            torch.arange(data.shape[i], device=data.device).reshape(-1, *(1,) * (rank - i - 1)) for i in range(paired)
        ]
        places = [_positive(p, data.shape[paired + i]) for i, p in enumerate(indices.unbind(-1))]
        return data[tuple(rows + places)]

    function = {"DEFAULT": default, "ELEMENT": element, "ND": nd}[mode]
    return lambda inputs: (function(inputs[0], inputs[1]),)


@executes("SCATTER")
def scatter(node: Node) -> Run:
    """A copy of input 0 with the updates (input 2) written at the indices (input 1)."""
    elementwise: bool = node.layer.mode.name == "ELEMENT"
    axis: int = node.layer.axis

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        data, indices, updates = inputs
        if elementwise:
            return (data.scatter(axis, _positive(indices, data.shape[axis]), updates),)
        places = tuple(_positive(p, data.shape[i]) for i, p in enumerate(indices.unbind(-1)))
        return (data.index_put(places, updates),)

    return run


@executes("NON_ZERO")
def non_zero(node: Node) -> Run:
    """The places of the elements that are not zero, in row-major order: (rank, count)."""
    dtype = node.dtype()
    return lambda inputs: (inputs[0].nonzero().mT.to(dtype),)
