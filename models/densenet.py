"""DenseNet (Huang et al. 2016), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import avg_pool2d, batch_norm, cat, conv2d, conv_bn, linear, max_pool2d, relu

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
    x = relu(conv_bn(f / "conv0", f / "norm0", x, cfg.stem, 7, stride=2, padding=3))
    x = max_pool2d(x, 3, stride=2, padding=1)
    for i, depth in enumerate(cfg.depths):
        if i:
            x = _transition(f / f"transition{i}", x)
        x = _block(f / f"denseblock{i + 1}", x, depth, cfg.growth)
    x = batch_norm(f / "norm5", x).named(f)
    return {"logits": linear(s / "classifier", relu(x).mean((2, 3)), -1)}


@module
def _block(s: Scope, x: Tensor, depth: int, growth: int) -> Tensor:
    for i in range(1, depth + 1):
        x = cat((x, _layer(s / f"denselayer{i}", x, growth)), 1)
    return x


@module
def _layer(s: Scope, x: Tensor, growth: int) -> Tensor:
    y = relu(batch_norm(s / "norm1", x))
    y = relu(conv_bn(s / "conv1", s / "norm2", y, 4 * growth, 1))
    return conv2d(s / "conv2", y, growth, 3, padding=1, bias=False)


@module
def _transition(s: Scope, x: Tensor) -> Tensor:
    y = relu(batch_norm(s / "norm", x))
    return avg_pool2d(conv2d(s / "conv", y, x.shape[1] // 2, 1, bias=False), 2)
