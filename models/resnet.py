"""ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016), with torchvision's
weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.imagenet import imagenet
from wtsnet.ops import conv_bn, flatten, global_avg_pool, linear, max_pool, relu
from wtsnet.registry import model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class ResNet:
    """A variant: blocks a stage, whether they are bottlenecks, and the groups and width of the 3×3 convolutions."""

    depths: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    width: int = 64


RESNETS = {
    "resnet18": ResNet((2, 2, 2, 2), bottleneck=False),
    "resnet34": ResNet((3, 4, 6, 3), bottleneck=False),
    "resnet50": ResNet((3, 4, 6, 3)),
    "resnet101": ResNet((3, 4, 23, 3)),
    "resnet152": ResNet((3, 8, 36, 3)),
    "resnext50_32x4d": ResNet((3, 4, 6, 3), groups=32, width=4),
    "wide_resnet50_2": ResNet((3, 4, 6, 3), width=128),
}


@model("resnet", image=imagenet(), task="classify", upstream="torchvision", variants=RESNETS)
def resnet(s: Scope, x: Tensor, cfg: ResNet) -> Mapping[str, Tensor]:
    """A stem, four stages of residual blocks that double the channels, and a linear classifier."""
    x = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, 64, 7, 2, 3))
    x = max_pool(s / "maxpool", x, 3, 2, 1)
    for stage, depth in enumerate(cfg.depths):
        for i in range(depth):
            x = _block(s / f"layer{stage + 1}" / i, x, 64 << stage, 2 if stage and not i else 1, cfg)
        s.net.record(f"layer{stage + 1}", x)
    x = flatten(s / "flatten", global_avg_pool(s / "avgpool", x))
    return {"logits": linear(s / "fc", x, -1)}


def _block(s: Scope, x: Tensor, channels: int, stride: int, cfg: ResNet) -> Tensor:
    if cfg.bottleneck:
        width, out = channels * cfg.width * cfg.groups // 64, channels * 4
        y = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, width, 1))
        y = relu(s / "relu", conv_bn(s / "conv2", s / "bn2", y, width, 3, stride, 1, groups=cfg.groups))
        y = conv_bn(s / "conv3", s / "bn3", y, out, 1)
    else:
        out = channels
        y = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, out, 3, stride, 1))
        y = conv_bn(s / "conv2", s / "bn2", y, out, 3, 1, 1)
    if stride != 1 or x.shape[1] != out:
        down = s / "downsample"
        x = s.net.record(down.path, conv_bn(down / 0, down / 1, x, out, 1, stride))
    return s.net.record(s.path, relu(s / "relu", y + x))
