"""MnasNet (Tan et al. 2018), without squeeze and excitation, with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import shortcut
from wtsnet.blocks.yolo.widths import divisible
from wtsnet.definition import Image, model
from wtsnet.ops import conv_bn, identity, linear, mean, relu

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
    layers = s / "layers"
    stem = divisible(32 * cfg.width)
    x = relu(layers / 2, conv_bn(layers / 0, layers / 1, x, stem, 3, 2, 1))
    x = relu(layers / 5, conv_bn(layers / 3, layers / 4, x, stem, 3, 1, 1, groups=stem))
    x = conv_bn(layers / 6, layers / 7, x, divisible(16 * cfg.width), 1)
    for i, (k, stride, expansion, channels, depth) in enumerate(STACKS, 8):
        for j in range(depth):
            x = _residual(layers / i / j, x, expansion, divisible(channels * cfg.width), k, 1 if j else stride)
        s.net.record(f"layers.{i}", x)
    x = s.net.record("layers", relu(layers / 16, conv_bn(layers / 14, layers / 15, x, 1280, 1)))
    x = identity(s / "classifier" / 0, mean(s / "mean", x, (2, 3)))
    return {"logits": s.net.record("classifier", linear(s / "classifier" / 1, x, -1))}


def _residual(s: Scope, x: Tensor, expansion: int, out: int, k: int, stride: int) -> Tensor:
    at, wide = s / "layers", x.shape[1] * expansion
    y = relu(at / 2, conv_bn(at / 0, at / 1, x, wide, 1))
    y = relu(at / 5, conv_bn(at / 3, at / 4, y, wide, k, stride, k // 2, groups=wide))
    y = s.net.record(at.path, conv_bn(at / 6, at / 7, y, out, 1))
    return shortcut(s, x, y, stride)
