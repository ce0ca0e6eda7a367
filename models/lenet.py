"""LeNet-5 (LeCun et al. 1998), as tensorrtx's users train it: 1×32×32 in, the probabilities of ten classes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.definition import Image, model
from wtsnet.ops import avg_pool2d, conv2d, linear, relu, softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@model(
    "lenet",
    image=Image(channels=1, size=32, name="data", preprocess={"kind": "gray"}),
    task="classify",
    upstream="pytorchx lenet5",
)
def lenet(s: Scope, x: Tensor) -> Mapping[str, Tensor]:
    """Two convolutions with average pooling, three linear layers, softmax."""
    x = avg_pool2d(relu(conv2d(s / "conv1", x, 6, 5)), 2)
    x = avg_pool2d(relu(conv2d(s / "conv2", x, 16, 5)), 2)
    x = relu(linear(s / "fc1", x.flatten(1), 120))
    x = relu(linear(s / "fc2", x, 84))
    return {"prob": softmax(linear(s / "fc3", x, -1), 1)}
