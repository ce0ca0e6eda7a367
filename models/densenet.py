"""DenseNet (Huang et al. 2016), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.ops import avg_pool, batch_norm, concat, conv, conv_bn, flatten, global_avg_pool, linear, max_pool, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class DenseNet:
    """A variant: layers a block, the channels that each adds, and those of the stem."""

    depths: tuple[int, int, int, int]
    growth: int = 32
    stem: int = 64


DENSENETS = {
    "densenet121": DenseNet((6, 12, 24, 16)),
    "densenet169": DenseNet((6, 12, 32, 32)),
    "densenet201": DenseNet((6, 12, 48, 32)),
    "densenet161": DenseNet((6, 12, 36, 24), growth=48, stem=96),
}


@model("densenet", image=imagenet(), task="classify", upstream="torchvision", variants=DENSENETS)
def densenet(s: Scope, x: Tensor, cfg: DenseNet) -> Mapping[str, Tensor]:
    """A stem, four blocks in which each layer sees all before it, and between them half the channels and the size."""
    f = s / "features"
    x = relu(f / "relu0", conv_bn(f / "conv0", f / "norm0", x, cfg.stem, 7, 2, 3))
    x = max_pool(f / "pool0", x, 3, 2, 1)
    for i, depth in enumerate(cfg.depths):
        if i:
            x = _transition(f / f"transition{i}", x)
        block = f / f"denseblock{i + 1}"
        for j in range(depth):
            new = _layer(block / f"denselayer{j + 1}", x, cfg.growth)
            x = concat(block, [x, new], suffix=f"concat{j + 1}")
        s.net.record(block.path, x)
    x = s.net.record(f.path, batch_norm(f / "norm5", x))
    x = flatten(s / "flatten", global_avg_pool(s / "avgpool", relu(s / "relu", x)))
    return {"logits": linear(s / "classifier", x, -1)}


def _layer(s: Scope, x: Tensor, growth: int) -> Tensor:
    y = relu(s / "relu1", batch_norm(s / "norm1", x))
    y = relu(s / "relu2", conv_bn(s / "conv1", s / "norm2", y, 4 * growth, 1))
    return s.net.record(s.path, conv(s / "conv2", y, growth, 3, 1, 1, bias=False))


def _transition(s: Scope, x: Tensor) -> Tensor:
    y = relu(s / "relu", batch_norm(s / "norm", x))
    y = conv(s / "conv", y, x.shape[1] // 2, 1, bias=False)
    return s.net.record(s.path, avg_pool(s / "pool", y, 2))
