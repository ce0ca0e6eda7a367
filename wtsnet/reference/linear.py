"""Matrix products and Einstein sums."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


@executes("MATRIX_MULTIPLY")
def matrix_multiply(node: Node) -> Run:
    """op0(a) @ op1(b) over the last two axes (TRANSPOSE swaps them) or the last one (VECTOR)."""
    op0, op1 = node.layer.op0.name, node.layer.op1.name

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        a, b = inputs
        if op0 == "VECTOR":
            a = a.unsqueeze(-2)
        elif op0 == "TRANSPOSE":
            a = a.mT
        if op1 == "VECTOR":
            b = b.unsqueeze(-1)
        elif op1 == "TRANSPOSE":
            b = b.mT
        if a.ndim >= b.ndim > 2 and b.shape[:-2].numel() == 1:
            b = b.reshape(b.shape[-2:])  # one matrix for all of a: a single product instead of a batch of them
        y = torch.matmul(a, b)
        if op0 == "VECTOR":
            y = y.squeeze(-2)
        return (y.squeeze(-1) if op1 == "VECTOR" else y,)

    return run


@executes("EINSUM")
def einsum(node: Node) -> Run:
    """The layer's equation over its inputs."""
    equation: str = node.layer.equation
    return lambda inputs: (torch.einsum(equation, *inputs),)
