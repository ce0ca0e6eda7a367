"""ShuffleNet V2 (Ma et al. 2018), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import cat, channel_shuffle, conv_bn, linear, max_pool2d, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class ShuffleNet:
    """A variant: channels of the three stages and of the last convolution."""

    widths: tuple[int, int, int]
    last: int = 1024
    resize: int = 256


SHUFFLENETS = {
    "shufflenet_v2_x0_5": ShuffleNet((48, 96, 192)),
    "shufflenet_v2_x1_0": ShuffleNet((116, 232, 464)),
    "shufflenet_v2_x1_5": ShuffleNet((176, 352, 704), resize=232),
    "shufflenet_v2_x2_0": ShuffleNet((244, 488, 976), last=2048, resize=232),
}


def image(cfg: ShuffleNet) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize)


@model("shufflenet_v2", image=image, task="classify", upstream="torchvision", variants=SHUFFLENETS)
def shufflenet_v2(s: Scope, x: Tensor, cfg: ShuffleNet) -> Mapping[str, Tensor]:
    """A stem, three stages of units that shuffle their channels, one more convolution and a linear classifier."""
    x = max_pool2d(conv_norm_act(s / "conv1", x, 24, 3, 2), 3, stride=2, padding=1)
    for stage, (depth, width) in enumerate(zip((4, 8, 4), cfg.widths, strict=True), 2):
        at = s / f"stage{stage}"
        x = _first_unit(at / 0, x, width)
        for i in range(1, depth):
            x = _unit(at / i, x)
        x.named(at)
    x = conv_norm_act(s / "conv5", x, cfg.last, 1)
    return {"logits": linear(s / "fc", x.mean((2, 3)), -1)}


@module
def _unit(s: Scope, x: Tensor) -> Tensor:
    """Half of the channels pass as they are."""
    kept, changed = x.chunk(2, 1)
    return channel_shuffle(cat((kept, _branch(s / "branch2", changed, kept.shape[1], 1)), 1), 2)


@module
def _first_unit(s: Scope, x: Tensor, width: int) -> Tensor:
    """Half the size, `width` channels: the other half of them comes from all of x."""
    b = s / "branch1"
    y = conv_bn(b / 0, b / 1, x, x.shape[1], 3, stride=2, padding=1, groups=x.shape[1])
    y = relu(conv_bn(b / 2, b / 3, y, width // 2, 1)).named(b)
    return channel_shuffle(cat((y, _branch(s / "branch2", x, width // 2, 2)), 1), 2)


@module
def _branch(s: Scope, x: Tensor, width: int, stride: int) -> Tensor:
    x = relu(conv_bn(s / 0, s / 1, x, width, 1))
    x = conv_bn(s / 3, s / 4, x, width, 3, stride, padding=1, groups=width)
    return relu(conv_bn(s / 5, s / 6, x, width, 1))
