"""SqueezeNet (Iandola et al. 2016), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import cat, conv2d, max_pool2d, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class SqueezeNet:
    """A variant: channels and kernel of the stem, and the places in `features` of the poolings between fire modules."""

    stem: int
    k: int
    pools: tuple[int, int, int]


SQUEEZENETS = {"squeezenet1_1": SqueezeNet(64, 3, (2, 5, 8)), "squeezenet1_0": SqueezeNet(96, 7, (2, 6, 11))}


@model("squeezenet", image=imagenet(), task="classify", upstream="torchvision", variants=SQUEEZENETS)
def squeezenet(s: Scope, x: Tensor, cfg: SqueezeNet) -> Mapping[str, Tensor]:
    """A stem, eight fire modules of growing width, and a convolution to the classes, whose mean is taken."""
    features, classifier = s / "features", s / "classifier"
    x = relu(conv2d(features / 0, x, cfg.stem, cfg.k, stride=2))
    squeezed = iter((16, 16, 32, 32, 48, 48, 64, 64))
    for i in range(2, 13):
        x = max_pool2d(x, 3, stride=2, ceil_mode=True) if i in cfg.pools else _fire(features / i, x, next(squeezed))
    x = relu(conv2d(classifier / 1, x.named(features), -1, 1))
    return {"logits": x.mean((2, 3), keepdim=True).named(classifier).flatten(1)}


@module
def _fire(s: Scope, x: Tensor, squeezed: int) -> Tensor:
    """Few channels, and from them four times as many by each of 1×1 and 3×3 kernels."""
    x = relu(conv2d(s / "squeeze", x, squeezed, 1))
    one = relu(conv2d(s / "expand1x1", x, 4 * squeezed, 1))
    three = relu(conv2d(s / "expand3x3", x, 4 * squeezed, 3, padding=1))
    return cat((one, three), 1)
