"""MobileNetV2 (Sandler et al. 2018), with torchvision's weight names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act, shortcut
from wtsnet.definition import model
from wtsnet.ops import conv_bn, identity, linear, mean, relu6

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
    features = s / "features"
    x = conv_norm_act(features / 0, x, 32, 3, 2, act=relu6)
    i = 1
    for expansion, out, depth, stride in GROUPS:
        for j in range(depth):
            x = _residual(features / i, x, expansion, out, 1 if j else stride)
            i += 1
    x = s.net.record("features", conv_norm_act(features / i, x, 1280, 1, act=relu6))
    x = identity(s / "classifier" / 0, mean(s / "mean", x, (2, 3)))
    return {"logits": s.net.record("classifier", linear(s / "classifier" / 1, x, -1))}


def _residual(s: Scope, x: Tensor, expansion: int, out: int, stride: int) -> Tensor:
    at, wide, i = s / "conv", x.shape[1] * expansion, 0
    y = x
    if expansion != 1:
        y, i = conv_norm_act(at / 0, y, wide, 1, act=relu6), 1
    y = conv_norm_act(at / i, y, wide, 3, stride, wide, act=relu6)
    y = s.net.record(at.path, conv_bn(at / (i + 1), at / (i + 2), y, out, 1))
    return shortcut(s, x, y, stride)
