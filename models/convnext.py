"""ConvNeXt (Liu et al. 2022), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.layer_norm2d import layer_norm2d
from wtsnet.blocks.classifiers.mobile import shortcut
from wtsnet.definition import Image, model
from wtsnet.ops import conv, flatten, gelu, global_avg_pool, layer_norm, linear, mul, parameter, permute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

EPS = 1e-6


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
    stem = features / 0
    x = layer_norm2d(stem / 1, conv(stem / 0, x, cfg.width, 4, 4), EPS)
    s.net.record(stem.path, x)
    for stage, depth in enumerate(cfg.depths):
        if stage:
            down = features / (2 * stage)
            x = conv(down / 1, layer_norm2d(down / 0, x, EPS), cfg.width << stage, 2, 2)
            s.net.record(down.path, x)
        blocks = features / (2 * stage + 1)
        for i in range(depth):
            x = _block(blocks / i, x)
        s.net.record(blocks.path, x)
    s.net.record("features", x)
    x = layer_norm2d(classifier / 0, global_avg_pool(s / "avgpool", x), EPS)
    x = linear(classifier / 2, flatten(classifier / 1, x), -1)
    return {"logits": s.net.record("classifier", x)}


def _block(s: Scope, x: Tensor) -> Tensor:
    """A 7×7 kernel on each channel, then two linear layers at each place, scaled by channel."""
    at, channels = s / "block", x.shape[1]
    y = conv(at / 0, x, channels, 7, 1, 3, groups=channels)
    y = layer_norm(at / 2, permute(at / 1, y, (0, 2, 3, 1)), eps=EPS)
    y = linear(at / 5, gelu(at / 4, linear(at / 3, y, 4 * channels)), channels)
    y = s.net.record(at.path, permute(at / 6, y, (0, 3, 1, 2)))
    scale = parameter(s, "layer_scale", channels, 1, 1)
    return shortcut(s, x, mul(s, y, scale, suffix="scaled"), 1)
