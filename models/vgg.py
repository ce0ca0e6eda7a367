"""VGG (Simonyan & Zisserman 2014), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.ops import adaptive_avg_pool2d, conv2d, conv_bn, linear, max_pool2d, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class VGG:
    """A variant: convolutions a stage, and whether batch norms are behind them."""

    depths: tuple[int, int, int, int, int]
    norm: bool = False


# By the number of layers with weights: columns A, B, D and E of the paper's table 1.
DEPTHS = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
VGGS = {f"vgg{n}": VGG(depths) for n, depths in DEPTHS.items()} | {
    f"vgg{n}_bn": VGG(depths, norm=True) for n, depths in DEPTHS.items()
}


@model("vgg", image=imagenet(), task="classify", upstream="torchvision", variants=VGGS)
def vgg(s: Scope, x: Tensor, cfg: VGG) -> Mapping[str, Tensor]:
    """Five stages of 3×3 convolutions, a pooling behind each, and three linear layers."""
    features, classifier = s / "features", s / "classifier"
    i = 0
    for depth, out in zip(cfg.depths, (64, 128, 256, 512, 512), strict=True):
        for _ in range(depth):
            if cfg.norm:
                x = conv_bn(features / i, features / (i + 1), x, out, 3, padding=1, bias=True)
            else:
                x = conv2d(features / i, x, out, 3, padding=1)
            x = relu(x)
            i += 3 if cfg.norm else 2
        x = max_pool2d(x, 2)
        i += 1
    x = adaptive_avg_pool2d(x.named(features), 7).flatten(1)
    x = relu(linear(classifier / 0, x, -1))
    x = relu(linear(classifier / 3, x, -1))
    return {"logits": linear(classifier / 6, x, -1).named(classifier)}
