"""Layers that move elements without computing: shuffle, concatenation, shape, squeeze, reverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wtsnet.reference.readback import Node, read_dims
from wtsnet.reference.registry import Run, executes


def resolved(dims: Sequence[int], x: Tensor, zero_copies: bool) -> list[int]:
    """A shape with its placeholders filled in: 0 takes x's extent there (if it may), -1 what remains."""
    shape = [x.shape[i] if d == 0 and zero_copies else d for i, d in enumerate(dims)]
    if -1 in shape:
        rest = math.prod(d for d in shape if d != -1)
        shape[shape.index(-1)] = x.numel() // rest if rest else 0
    return shape


def _permutation(order: Any, rank: int) -> tuple[int, ...] | None:
    axes = tuple(order)[:rank]
    return None if axes == tuple(range(rank)) else axes


@executes("SHUFFLE")
def shuffle(node: Node) -> Run:
    """A transpose, a reshape (static, or by the shape in input 1) and a second transpose."""
    layer = node.layer
    source = node.inputs[0]
    first = _permutation(layer.first_transpose, len(source.shape)) if source else None
    second = _permutation(layer.second_transpose, len(node.outputs[0].shape))
    dynamic = node.has(1)
    dims = None if dynamic else read_dims(layer.reshape_dims)
    zero_copies = bool(layer.zero_is_placeholder)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0]
        if first is not None:
            x = x.permute(first)
        target = inputs[1].tolist() if dynamic else dims
        if target is not None:
            x = x.reshape(resolved(target, x, zero_copies))
        return (x if second is None else x.permute(second),)

    return run


@executes("CONCATENATION")
def concatenation(node: Node) -> Run:
    """The inputs one after the other along an axis."""
    axis: int = node.layer.axis
    return lambda inputs: (torch.cat(list(inputs), axis),)


@executes("SHAPE")
def shape(node: Node) -> Run:
    """The input's extents as an int64 vector."""
    dtype = node.dtype()
    return lambda inputs: (torch.tensor(inputs[0].shape, dtype=dtype, device=inputs[0].device),)


@executes("SQUEEZE")
def squeeze(node: Node) -> Run:
    """Without the axes in input 1, each of extent 1; without that input, all axes that are statically 1."""
    if node.has(1):
        return lambda inputs: (inputs[0].squeeze(tuple(inputs[1].reshape(-1).tolist())),)
    source = node.inputs[0]
    axes = tuple(i for i, extent in enumerate(source.shape) if extent == 1) if source else ()
    return lambda inputs: (inputs[0].squeeze(axes),)


@executes("UNSQUEEZE")
def unsqueeze(node: Node) -> Run:
    """With new axes of extent 1, at the places in input 1, counted in the output."""

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, axes = inputs[0], inputs[1].reshape(-1).tolist()
        rank = x.ndim + len(axes)
        for axis in sorted(a % rank for a in axes):
            x = x.unsqueeze(axis)
        return (x,)

    return run


@executes("REVERSE_SEQUENCE")
def reverse_sequence(node: Node) -> Run:
    """The first lengths[i] elements of sequence i in reverse order, the others as they are."""
    batch_axis, sequence_axis = node.layer.batch_axis, node.layer.sequence_axis

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, lengths = inputs
        moved = x.movedim((batch_axis, sequence_axis), (0, 1))
        steps = torch.arange(moved.shape[1], device=x.device)
        ends = lengths.to(torch.int64)[:, None]
        order = torch.where(steps < ends, ends - 1 - steps, steps)
        rows = torch.arange(moved.shape[0], device=x.device)[:, None]
        return (moved[rows, order].movedim((0, 1), (batch_axis, sequence_axis)),)

    return run


@executes("CONSTANT")
def constant(node: Node) -> Run:
    """The layer's weights, in its shape."""
    layer = node.layer
    dims = tuple(layer.shape)
    held = node.weights("weights", 0, dims)
    value = torch.empty(dims, dtype=node.dtype(), device=node.device) if held is None else held
    return lambda inputs: (value,)
