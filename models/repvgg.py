"""RepVGG (Ding et al. 2021), with timm's weight names.

Weights may be those of training, with three branches a block, or those that timm's `reparameterize_model` makes of
them, with one convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.yolo.rep import folded, one_conv
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import batch_norm, conv2d, conv_bn, linear, relu
from wtsnet.ops.normalization import affine_of_batch_norm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

A, B = (2, 4, 14, 1), (4, 6, 16, 1)  # the paper's table 2


@dataclass(frozen=True)
class RepVGG:
    """A variant: blocks a stage, channels of the stem and of each stage, groups of every second block of a stage."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    groups: int = 1


REPVGGS = {
    "repvgg_a0": RepVGG(A, (48, 48, 96, 192, 1280)),
    "repvgg_a1": RepVGG(A, (64, 64, 128, 256, 1280)),
    "repvgg_a2": RepVGG(A, (64, 96, 192, 384, 1408)),
    "repvgg_b0": RepVGG(B, (64, 64, 128, 256, 1280)),
    "repvgg_b1": RepVGG(B, (64, 128, 256, 512, 2048)),
    "repvgg_b1g4": RepVGG(B, (64, 128, 256, 512, 2048), groups=4),
    "repvgg_b2": RepVGG(B, (64, 160, 320, 640, 2560)),
    "repvgg_b2g4": RepVGG(B, (64, 160, 320, 640, 2560), groups=4),
    "repvgg_b3": RepVGG(B, (64, 192, 384, 768, 2560)),
    "repvgg_b3g4": RepVGG(B, (64, 192, 384, 768, 2560), groups=4),
}


@model("repvgg", image=imagenet(), task="classify", upstream="timm", variants=REPVGGS)
def repvgg(s: Scope, x: Tensor, cfg: RepVGG) -> Mapping[str, Tensor]:
    """3×3 convolutions and ReLUs one behind the other, five of them with stride 2, and a linear classifier."""
    stem, *widths = cfg.widths
    x = _block(s / "stem", x, stem, 2)
    for stage, (depth, width) in enumerate(zip(cfg.depths, widths, strict=True)):
        at = s / "stages" / stage
        for i in range(depth):
            x = _block(at / i, x, width, 1 if i else 2, cfg.groups if i % 2 else 1)
        x.named(at)
    x = x.named(s / "stages").mean((2, 3))
    return {"logits": linear(s / "head" / "fc", x, -1).named(s / "head")}


@module
def _block(s: Scope, x: Tensor, out: int, stride: int, groups: int = 1) -> Tensor:
    """The sum of a 3×3 convolution, a 1×1 one and, where size and channels stay, the input, each with a batch norm
    (figure 4), before a ReLU."""
    if s.has("reparam_conv.weight") or s.has("reparam_conv.bias"):
        return relu(conv2d(s / "reparam_conv", x, out, 3, stride, padding=1, groups=groups))
    return relu((_in_one if s.net.fold_bn else _as_trained)(s, x, out, stride, groups))


def _in_one(s: Scope, x: Tensor, out: int, stride: int, groups: int) -> Tensor:
    parts = [folded(at / "conv", at / "bn", x, out, k, groups) for at, k in ((s / "conv_1x1", 1), (s / "conv_kxk", 3))]
    if stride == 1 and x.shape[1] == out:
        scale, shift = affine_of_batch_norm(s / "identity", out)
        kernel = np.tile(np.eye(out // groups), (groups, 1)) * scale[:, None]  # each channel's own, in its group
        parts.append((kernel[:, :, None, None], shift))
    return one_conv(s / "attn", x, parts, stride, groups)


def _as_trained(s: Scope, x: Tensor, out: int, stride: int, groups: int) -> Tensor:
    one, three = (
        conv_bn(at / "conv", at / "bn", x, out, k, stride, padding=k // 2, groups=groups).named(at)
        for at, k in ((s / "conv_1x1", 1), (s / "conv_kxk", 3))
    )
    if stride != 1 or x.shape[1] != out:
        return one + three
    return one + three + batch_norm(s / "identity", x)
