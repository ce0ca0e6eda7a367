"""AlexNet (Krizhevsky 2014, "one weird trick"), with torchvision's weight names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.ops import adaptive_avg_pool, conv, flatten, identity, linear, max_pool, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

# Where in `features` each convolution is, its channels, kernel, stride and padding, and whether a pooling follows.
CONVS = (
    (0, 64, 11, 4, 2, True),
    (3, 192, 5, 1, 2, True),
    (6, 384, 3, 1, 1, False),
    (8, 256, 3, 1, 1, False),
    (10, 256, 3, 1, 1, True),
)


@model("alexnet", image=imagenet(), task="classify", upstream="torchvision")
def alexnet(s: Scope, x: Tensor) -> Mapping[str, Tensor]:
    """Five convolutions, three of them pooled, and three linear layers."""
    features, classifier = s / "features", s / "classifier"
    for i, out, k, stride, pad, pooled in CONVS:
        x = relu(features / (i + 1), conv(features / i, x, out, k, stride, pad))
        if pooled:
            x = max_pool(features / (i + 2), x, 3, 2)
    s.net.record("features", x)
    x = flatten(s / "flatten", adaptive_avg_pool(s / "avgpool", x, 6))
    for i in (0, 3):
        x = linear(classifier / (i + 1), identity(classifier / i, x), -1)
        x = relu(classifier / (i + 2), x)
    return {"logits": s.net.record("classifier", linear(classifier / 6, x, -1))}
