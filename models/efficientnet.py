"""EfficientNet (Tan & Le 2019) and EfficientNetV2 (Tan & Le 2021), with torchvision's weight names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import MEAN, STD, imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act, inverted_residual, squeeze_excitation
from wtsnet.blocks.yolo.widths import divisible
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import linear, silu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Stage:
    """Blocks in a row: expansion, kernel, stride of the first, channels, how many, and whether the expansion and the
    k×k kernel are fused into one convolution."""

    expansion: int
    k: int
    stride: int
    channels: int
    depth: int
    fused: bool = False


# Table 1 of the first paper.
B0 = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
# Table 4 of the second, and its larger sisters.
V2_S = (
    Stage(1, 3, 1, 24, 2, fused=True),
    Stage(4, 3, 2, 48, 4, fused=True),
    Stage(4, 3, 2, 64, 4, fused=True),
    Stage(4, 3, 2, 128, 6),
    Stage(6, 3, 1, 160, 9),
    Stage(6, 3, 2, 256, 15),
)
V2_M = (
    Stage(1, 3, 1, 24, 3, fused=True),
    Stage(4, 3, 2, 48, 5, fused=True),
    Stage(4, 3, 2, 80, 5, fused=True),
    Stage(4, 3, 2, 160, 7),
    Stage(6, 3, 1, 176, 14),
    Stage(6, 3, 2, 304, 18),
    Stage(6, 3, 1, 512, 5),
)
V2_L = (
    Stage(1, 3, 1, 32, 4, fused=True),
    Stage(4, 3, 2, 64, 7, fused=True),
    Stage(4, 3, 2, 96, 7, fused=True),
    Stage(4, 3, 2, 192, 10),
    Stage(6, 3, 1, 224, 19),
    Stage(6, 3, 2, 384, 25),
    Stage(6, 3, 1, 640, 7),
)


@dataclass(frozen=True)
class EfficientNet:
    """A variant: its stages and how they are scaled, the input that its published weights were measured on, and the eps
    of its batch norms.

    Attributes:
        stem, last: channels of the first and of the last convolution, to be scaled by the width; the last has four
            times its input's where `last` is None.
    """

    size: int
    resize: int
    stages: tuple[Stage, ...] = B0
    width: float = 1.0
    depth: float = 1.0
    stem: int = 32
    last: int | None = None
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    eps: float = 1e-5


EFFICIENTNETS = {
    "efficientnet_b0": EfficientNet(224, 256),
    "efficientnet_b1": EfficientNet(240, 255, depth=1.1, interpolation="bilinear"),
    "efficientnet_b2": EfficientNet(288, 288, width=1.1, depth=1.2),
    "efficientnet_b3": EfficientNet(300, 320, width=1.2, depth=1.4),
    "efficientnet_b4": EfficientNet(380, 384, width=1.4, depth=1.8),
    "efficientnet_b5": EfficientNet(456, 456, width=1.6, depth=2.2, eps=1e-3),
    "efficientnet_b6": EfficientNet(528, 528, width=1.8, depth=2.6, eps=1e-3),
    "efficientnet_b7": EfficientNet(600, 600, width=2.0, depth=3.1, eps=1e-3),
    "efficientnet_v2_s": EfficientNet(384, 384, V2_S, stem=24, last=1280, interpolation="bilinear", eps=1e-3),
    "efficientnet_v2_m": EfficientNet(480, 480, V2_M, stem=24, last=1280, interpolation="bilinear", eps=1e-3),
    "efficientnet_v2_l": EfficientNet(480, 480, V2_L, last=1280, mean=HALF, std=HALF, eps=1e-3),
}


def image(cfg: EfficientNet) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(cfg.size, cfg.resize, interpolation=cfg.interpolation, mean=cfg.mean, std=cfg.std)


@model("efficientnet", image=image, task="classify", upstream="torchvision", variants=EFFICIENTNETS)
def efficientnet(s: Scope, x: Tensor, cfg: EfficientNet) -> Mapping[str, Tensor]:
    """A stem, stages of inverted residuals with squeeze and excitation, one more convolution and a classifier."""
    features, classifier = s / "features", s / "classifier"
    squeeze = partial(squeeze_excitation, act=silu)
    x = conv_norm_act(features / 0, x, divisible(cfg.stem * cfg.width), 3, 2, act=silu, eps=cfg.eps)
    for i, stage in enumerate(cfg.stages, 1):
        out = divisible(stage.channels * cfg.width)
        for j in range(math.ceil(stage.depth * cfg.depth)):
            wide, stride = divisible(x.shape[1] * stage.expansion), 1 if j else stage.stride
            at = features / i / j
            if stage.fused:
                x = _fused(at, x, wide, out, stage.k, stride, cfg.eps)
            else:
                x = inverted_residual(at, x, wide, out, stage.k, stride, act=silu, squeeze=squeeze, eps=cfg.eps)
        x.named(features / i)
    last = features / (len(cfg.stages) + 1)
    x = conv_norm_act(last, x, cfg.last or 4 * x.shape[1], 1, act=silu, eps=cfg.eps).named(features)
    return {"logits": linear(classifier / 1, x.mean((2, 3)), -1).named(classifier)}


@module
def _fused(s: Scope, x: Tensor, wide: int, out: int, k: int, stride: int, eps: float) -> Tensor:
    """The second paper's Fused-MBConv: k×k to `wide` channels, 1×1 to `out`; one k×k where nothing is widened."""
    block, widened = s / "block", wide != x.shape[1]
    y = conv_norm_act(block / 0, x, wide if widened else out, k, stride, act=silu, eps=eps)
    if widened:
        y = conv_norm_act(block / 1, y, out, 1, act=None, eps=eps)
    y.named(block)
    return x + y if stride == 1 and x.shape[1] == out else y
