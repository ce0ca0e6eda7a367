"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.reduce import axes_of
from wtsnet.reference.registry import Run, executes


@executes("NORMALIZATION")
def normalization(node: Node) -> Run:
    """y = (x - mean) / sqrt(variance + epsilon) · scale + bias, mean and variance over the mask's axes.

    With groups, channels (axis 1) of a group are normalized together, and scale and bias have one value a group
    (`add_normalization`) or one a channel (`add_normalization_v2`). Computed in float32, rounded once.
    """
    layer = node.layer
    axes, groups, epsilon = axes_of(layer.axes), layer.num_groups, layer.epsilon
    rank = len(node.outputs[0].shape)
    trailing = groups == 1 and axes == tuple(range(rank - len(axes), rank))

    def per_channel(coefficient: Tensor, channels: int) -> Tensor:
        if groups == 1 or coefficient.shape[1] in (1, channels):
            return coefficient
        return coefficient.repeat_interleave(channels // groups, 1)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, scale, bias = (t.float() for t in inputs)
        extents = x.shape[rank - len(axes) :]
        if trailing and scale.numel() == bias.numel() == extents.numel():
            y = F.layer_norm(x, extents, scale.reshape(extents), bias.reshape(extents), epsilon)
            return (y.to(inputs[0].dtype),)
        over = x
        dims = axes
        if groups > 1:
            over = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
            dims = (2, *(axis + 1 for axis in axes if axis > 1))
        variance, mean = torch.var_mean(over, dims, correction=0, keepdim=True)
        y = ((over - mean) * torch.rsqrt(variance + epsilon)).reshape(x.shape)
        y = y * per_channel(scale, x.shape[1]) + per_channel(bias, x.shape[1])
        return (y.to(inputs[0].dtype),)

    return run


@executes("LRN")
def lrn(node: Node) -> Run:
    """y = x / (k + alpha / window · Σ x²) ^ beta over `window` channels around each."""
    layer = node.layer
    size, alpha, beta, k = layer.window_size, layer.alpha, layer.beta, layer.k
    return lambda inputs: (F.local_response_norm(inputs[0], size, alpha, beta, k).to(inputs[0].dtype),)
