"""ConvNeXt (Liu et al. 2022), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.layer_norm2d import layer_norm2d
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import conv2d, gelu, layer_norm, linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class ConvNeXt:
    """A variant: channels of the first stage, which double from stage to stage, and blocks a stage."""

    width: int
    depths: tuple[int, int, int, int]
    resize: int


CONVNEXTS = {
    "convnext_tiny": ConvNeXt(96, (3, 3, 9, 3), 236),
    "convnext_small": ConvNeXt(96, (3, 3, 27, 3), 230),
    "convnext_base": ConvNeXt(128, (3, 3, 27, 3), 232),
    "convnext_large": ConvNeXt(192, (3, 3, 27, 3), 232),
}


def image(cfg: ConvNeXt) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize)


@model("convnext", image=image, task="classify", upstream="torchvision", variants=CONVNEXTS)
def convnext(s: Scope, x: Tensor, cfg: ConvNeXt) -> Mapping[str, Tensor]:
    """Patches of 4×4 pixels, four stages, between them half the size and twice the channels, and a classifier."""
    features, classifier = s / "features", s / "classifier"
    x = conv2d(features / 0 / 0, x, cfg.width, 4, stride=4)
    x = layer_norm2d(features / 0 / 1, x).named(features / 0)
    for stage, depth in enumerate(cfg.depths):
        if stage:
            down = features / (2 * stage)
            x = conv2d(down / 1, layer_norm2d(down / 0, x), cfg.width << stage, 2, stride=2).named(down)
        blocks = features / (2 * stage + 1)
        for i in range(depth):
            x = _block(blocks / i, x)
        x.named(blocks)
    x = x.named(features).mean((2, 3), keepdim=True)
    x = layer_norm2d(classifier / 0, x).flatten(1)
    return {"logits": linear(classifier / 2, x, -1).named(classifier)}


@module
def _block(s: Scope, x: Tensor) -> Tensor:
    """A 7×7 kernel on each channel, then two linear layers at each place, scaled by channel."""
    block, channels = s / "block", x.shape[1]
    y = conv2d(block / 0, x, channels, 7, padding=3, groups=channels).permute(0, 2, 3, 1)
    y = gelu(linear(block / 3, layer_norm(block / 2, y, eps=1e-6), 4 * channels))
    y = linear(block / 5, y, channels).permute(0, 3, 1, 2).named(block)
    return x + y * s.parameter("layer_scale", channels, 1, 1)
