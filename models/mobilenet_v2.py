"""MobileNetV2 (Sandler et al. 2018), with torchvision's weight names."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import conv_bn, linear, relu6

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

# Expansion, channels, number and stride of the first, of each group of inverted residuals: the paper's table 2.
GROUPS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@model("mobilenet_v2", image=imagenet(resize=232), task="classify", upstream="torchvision")
def mobilenet_v2(s: Scope, x: Tensor) -> Mapping[str, Tensor]:
    """A stem, seventeen inverted residuals, one more convolution and a linear classifier."""
    features, classifier = s / "features", s / "classifier"
    step = (features / i for i in count())
    x = conv_norm_act(next(step), x, 32, 3, 2, act=relu6)
    for expansion, out, depth, stride in GROUPS:
        for j in range(depth):
            x = _residual(next(step), x, expansion, out, 1 if j else stride)
    x = conv_norm_act(next(step), x, 1280, 1, act=relu6).named(features)
    return {"logits": linear(classifier / 1, x.mean((2, 3)), -1).named(classifier)}


@module
def _residual(s: Scope, x: Tensor, expansion: int, out: int, stride: int) -> Tensor:
    wide, y = x.shape[1] * expansion, x
    step = (s / "conv" / i for i in count())
    if expansion != 1:
        y = conv_norm_act(next(step), y, wide, 1, act=relu6)
    y = conv_norm_act(next(step), y, wide, 3, stride, groups=wide, act=relu6)
    y = conv_bn(next(step), next(step), y, out, 1).named(s / "conv")
    return x + y if stride == 1 and x.shape[1] == out else y
