"""Random weights under which a network computes as a trained one does."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def realistic(module: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """`module` with weights under which the outputs of all layers are of one size, and `x`.

    In one run through the module, each convolution before a batch norm is scaled to a mean square between 0.1 and 2,
    and the batch norm gets variances of that size, means within it, a weight around 1 and a bias. Layers with a
    bias are scaled to a standard deviation of 2, so that sigmoids behind them spread over (0, 1); those of tokens,
    whose outputs are added up block after block, to 1. What is a constant in a fresh model (layer norms, position
    tables, layer scales) becomes random before the run.

    Statistics are fitted by layer and not by channel: that would magnify channels in which little happens, over
    and over, until float32's rounding is most of what is compared.
    """
    module.eval().requires_grad_(False)
    for child in module.modules():
        _set_parameters(child)
    hooks: list[Any] = []
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and _counts(child.weight):
            continue
        if isinstance(child, nn.Conv2d) and child.bias is None:
            hooks.append(child.register_forward_hook(_scale))
        elif isinstance(child, nn.Conv2d | nn.Linear) and child.bias is not None:
            hooks.append(child.register_forward_hook(_scale_with_bias))
        elif isinstance(getattr(child, "running_var", None), Tensor):  # a batch norm, or one that is frozen
            hooks.append(child.register_forward_pre_hook(_set_statistics))
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return module, x


def _counts(weight: Tensor) -> bool:
    """Whether the values are 0, 1, 2 …: those of a sum over numbered bins, which nothing trains."""
    return weight.numel() > 1 and torch.equal(weight.flatten(), torch.arange(weight.numel(), dtype=weight.dtype))


def _set_parameters(layer: nn.Module) -> None:
    """Values for what no hook is called for: parameters that another module computes with, and constants."""
    if isinstance(layer, nn.Linear):
        layer.weight.normal_(0, layer.in_features**-0.5)
        if layer.bias is not None:
            layer.bias.normal_(0, 0.5)
    elif isinstance(layer, nn.MultiheadAttention):
        layer.in_proj_weight.normal_(0, layer.embed_dim**-0.5)
        layer.in_proj_bias.normal_(0, 0.5)
    elif isinstance(layer, nn.LayerNorm | nn.GroupNorm) and layer.weight is not None:
        layer.weight.normal_(1, 0.2).clamp_(0.3)
        layer.bias.normal_(0, 0.3)
    elif not type(layer).__module__.startswith("torch.nn."):
        for parameter in layer.parameters(recurse=False):
            parameter.add_(torch.randn_like(parameter), alpha=0.5)


def _scale(conv: nn.Conv2d, _: Any, out: Tensor) -> Tensor:
    wanted = torch.empty(()).uniform_(math.log(0.1), math.log(2)).exp()
    factor = (wanted / out.square().mean()).sqrt()
    conv.weight *= factor
    return out * factor


def _scale_with_bias(layer: nn.Conv2d | nn.Linear, _: Any, out: Tensor) -> Tensor:
    assert layer.bias is not None
    shape = (1, -1) if isinstance(layer, nn.Linear) else (1, -1, 1, 1)
    bare = out - layer.bias.view(shape)
    wanted = 1 if isinstance(layer, nn.Linear) and out.ndim > 2 else 2
    factor = wanted / bare.std() if bare.any() else 1.0  # DETR's first queries are zeros
    layer.weight *= factor
    layer.bias.normal_()
    return bare * factor + layer.bias.view(shape)


def _set_statistics(norm: Any, inputs: tuple[Tensor, ...]) -> None:
    square = inputs[0].square().mean()
    norm.running_mean.normal_(0, 0.3).mul_(square.sqrt())
    norm.running_var.uniform_(0.5, 2).mul_(square)
    norm.weight.normal_(1, 0.2).clamp_(0.3)
    norm.bias.normal_(0, 0.3)
