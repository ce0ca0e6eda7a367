"""ShuffleNet V2 (Ma et al. 2018), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act
from wtsnet.definition import Image, model
from wtsnet.ops import channel_shuffle, chunk, concat, conv_bn, linear, max_pool, mean, relu

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
    x = max_pool(s / "maxpool", conv_norm_act(s / "conv1", x, 24, 3, 2), 3, 2, 1)
    for stage, (depth, width) in enumerate(zip((4, 8, 4), cfg.widths, strict=True), 2):
        for i in range(depth):
            unit = s / f"stage{stage}" / i
            x = _unit(unit, x) if i else _first_unit(unit, x, width)
        s.net.record(f"stage{stage}", x)
    x = conv_norm_act(s / "conv5", x, cfg.last, 1)
    return {"logits": linear(s / "fc", mean(s / "mean", x, (2, 3)), -1)}


def _unit(s: Scope, x: Tensor) -> Tensor:
    """Half of the channels pass as they are."""
    kept, changed = chunk(s, x, 2, 1)
    changed = _branch(s / "branch2", changed, kept.shape[1], 1)
    return channel_shuffle(s, concat(s, [kept, changed], suffix="concat"), 2)


def _first_unit(s: Scope, x: Tensor, width: int) -> Tensor:
    """Half the size, `width` channels: the other half of them comes from all of x."""
    b = s / "branch1"
    y = conv_bn(b / 0, b / 1, x, x.shape[1], 3, 2, 1, groups=x.shape[1])
    y = s.net.record(b.path, relu(b / 4, conv_bn(b / 2, b / 3, y, width // 2, 1)))
    return channel_shuffle(s, concat(s, [y, _branch(s / "branch2", x, width // 2, 2)], suffix="concat"), 2)


def _branch(s: Scope, x: Tensor, width: int, stride: int) -> Tensor:
    x = relu(s / 2, conv_bn(s / 0, s / 1, x, width, 1))
    x = conv_bn(s / 3, s / 4, x, width, 3, stride, 1, groups=width)
    return s.net.record(s.path, relu(s / 7, conv_bn(s / 5, s / 6, x, width, 1)))
