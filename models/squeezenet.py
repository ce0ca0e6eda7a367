"""SqueezeNet (Iandola et al. 2016), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.ops import concat, conv, flatten, global_avg_pool, identity, max_pool, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class SqueezeNet:
    """A variant: channels and kernel of the stem, and before which of the eight fire modules there is a pooling."""

    stem: int
    k: int
    pooled: tuple[int, int, int]


SQUEEZENETS = {"squeezenet1_1": SqueezeNet(64, 3, (0, 2, 4)), "squeezenet1_0": SqueezeNet(96, 7, (0, 3, 7))}


@model("squeezenet", image=imagenet(), task="classify", upstream="torchvision", variants=SQUEEZENETS)
def squeezenet(s: Scope, x: Tensor, cfg: SqueezeNet) -> Mapping[str, Tensor]:
    """A stem, eight fire modules of growing width, and a convolution to the classes, whose mean is taken."""
    features, classifier = s / "features", s / "classifier"
    x = relu(features / 1, conv(features / 0, x, cfg.stem, cfg.k, 2))
    i = 2
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        if fire in cfg.pooled:
            x = max_pool(features / i, x, 3, 2, ceil_mode=True)
            i += 1
        x = _fire(features / i, x, squeezed)
        i += 1
    s.net.record("features", x)
    x = conv(classifier / 1, identity(classifier / 0, x), -1, 1)
    x = s.net.record("classifier", global_avg_pool(classifier / 3, relu(classifier / 2, x)))
    return {"logits": flatten(s / "flatten", x)}


def _fire(s: Scope, x: Tensor, squeezed: int) -> Tensor:
    """Few channels, and from them four times as many by each of 1×1 and 3×3 kernels."""
    x = relu(s / "squeeze_activation", conv(s / "squeeze", x, squeezed, 1))
    one = relu(s / "expand1x1_activation", conv(s / "expand1x1", x, 4 * squeezed, 1))
    three = relu(s / "expand3x3_activation", conv(s / "expand3x3", x, 4 * squeezed, 3, 1, 1))
    return concat(s, [one, three])
