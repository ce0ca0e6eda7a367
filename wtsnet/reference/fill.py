"""Layers that make values: fill and one-hot. And the assertion, which makes none."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wtsnet.errors import RunnerError
from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


@executes("FILL")
def fill(node: Node) -> Run:
    """LINSPACE: alpha + Σ beta[i] · index[i]. RANDOM_UNIFORM: from alpha to beta. RANDOM_NORMAL: mean, deviation.

    The shape, alpha and beta are attributes, or inputs 0, 1 and 2. Random values come from torch's generator,
    so `torch.manual_seed` repeats them; they are never TensorRT's.
    """
    layer = node.layer
    operation: str = layer.operation.name
    dims = () if node.has(0) else tuple(layer.shape)
    alpha = None if node.has(1) else layer.alpha
    beta = None if node.has(2) else layer.beta
    dtype, device = node.dtype(), node.device

    def linspace(shape: Sequence[int], start: Tensor, delta: Tensor) -> Tensor:
        y = start.reshape(()).expand(tuple(shape))
        for axis, (extent, step) in enumerate(zip(shape, delta.reshape(-1).expand(len(shape)), strict=True)):
            steps = torch.arange(extent, device=device).to(dtype) * step
            y = y + steps.reshape(-1, *(1,) * (len(shape) - axis - 1))
        return y.to(dtype)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        shape = inputs[0].tolist() if node.has(0) else dims
        a = inputs[1] if alpha is None else torch.tensor(alpha, dtype=dtype, device=device)
        b = inputs[2] if beta is None else torch.tensor(beta, dtype=dtype, device=device)
        if operation == "LINSPACE":
            return (linspace(shape, a, b),)
        if operation == "RANDOM_UNIFORM":
            return ((a + (b - a) * torch.rand(shape, device=device)).to(dtype),)
        return ((a + b * torch.randn(shape, device=device)).to(dtype),)

    return run


@executes("ONE_HOT")
def one_hot(node: Node) -> Run:
    """A new axis of extent depth (input 2): values[1] at the index, values[0] elsewhere."""
    axis: int = node.layer.axis

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        indices, values, depth = inputs
        hot = indices[..., None] == torch.arange(int(depth), device=indices.device)
        return (torch.where(hot, values[1], values[0]).movedim(-1, axis),)

    return run


@executes("ASSERTION")
def assertion(node: Node) -> Run:
    """Fails with the layer's message where an element of its input is false."""
    message: str = node.layer.message

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if not inputs[0].all():
            raise RunnerError(f"{node}: assertion failed: {message}")
        return ()

    return run
