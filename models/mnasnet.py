"""MnasNet (Tan et al. 2018), without squeeze and excitation, with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.yolo.widths import divisible
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import conv_bn, linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class MnasNet:
    """A variant: what all channels but the last are multiplied by."""

    width: float
    resize: int = 256


MNASNETS = {
    "mnasnet0_5": MnasNet(0.5),
    "mnasnet0_75": MnasNet(0.75, resize=232),
    "mnasnet1_0": MnasNet(1.0),
    "mnasnet1_3": MnasNet(1.3, resize=232),
}
# Kernel, stride of the first, expansion, channels and number of the inverted residuals in a stack.
STACKS = ((3, 2, 3, 24, 3), (5, 2, 3, 40, 3), (5, 2, 6, 80, 3), (3, 1, 6, 96, 2), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1))


def image(cfg: MnasNet) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize)


@model("mnasnet", image=image, task="classify", upstream="torchvision", variants=MNASNETS)
def mnasnet(s: Scope, x: Tensor, cfg: MnasNet) -> Mapping[str, Tensor]:
    """A separable stem, six stacks of inverted residuals, one more convolution and a linear classifier."""
    layers, classifier = s / "layers", s / "classifier"
    stem = divisible(32 * cfg.width)
    x = relu(conv_bn(layers / 0, layers / 1, x, stem, 3, stride=2, padding=1))
    x = relu(conv_bn(layers / 3, layers / 4, x, stem, 3, padding=1, groups=stem))
    x = conv_bn(layers / 6, layers / 7, x, divisible(16 * cfg.width), 1)
    for i, (k, stride, expansion, channels, depth) in enumerate(STACKS, 8):
        for j in range(depth):
            x = _residual(layers / i / j, x, expansion, divisible(channels * cfg.width), k, 1 if j else stride)
        x.named(layers / i)
    x = relu(conv_bn(layers / 14, layers / 15, x, 1280, 1)).named(layers)
    return {"logits": linear(classifier / 1, x.mean((2, 3)), -1).named(classifier)}


@module
def _residual(s: Scope, x: Tensor, expansion: int, out: int, k: int, stride: int) -> Tensor:
    at, wide = s / "layers", x.shape[1] * expansion
    y = relu(conv_bn(at / 0, at / 1, x, wide, 1))
    y = relu(conv_bn(at / 3, at / 4, y, wide, k, stride, padding=k // 2, groups=wide))
    y = conv_bn(at / 6, at / 7, y, out, 1).named(at)
    return x + y if stride == 1 and x.shape[1] == out else y
