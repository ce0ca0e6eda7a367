"""AlexNet (Krizhevsky 2014, "one weird trick"), with torchvision's weight names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.ops import adaptive_avg_pool2d, conv2d, linear, max_pool2d, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@model("alexnet", image=imagenet(), task="classify", upstream="torchvision")
def alexnet(s: Scope, x: Tensor) -> Mapping[str, Tensor]:
    """Five convolutions, three of them pooled, and three linear layers."""
    features, classifier = s / "features", s / "classifier"
    x = max_pool2d(relu(conv2d(features / 0, x, 64, 11, stride=4, padding=2)), 3, stride=2)
    x = max_pool2d(relu(conv2d(features / 3, x, 192, 5, padding=2)), 3, stride=2)
    x = relu(conv2d(features / 6, x, 384, 3, padding=1))
    x = relu(conv2d(features / 8, x, 256, 3, padding=1))
    x = max_pool2d(relu(conv2d(features / 10, x, 256, 3, padding=1)), 3, stride=2)
    x = adaptive_avg_pool2d(x.named(features), 6).flatten(1)
    x = relu(linear(classifier / 1, x, -1))
    x = relu(linear(classifier / 4, x, -1))
    return {"logits": linear(classifier / 6, x, -1).named(classifier)}
