"""ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016), with torchvision's
weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.resnet import resnet_stages
from wtsnet.definition import Image, model
from wtsnet.ops import linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class ResNet:
    """A variant: blocks a stage, whether they are bottlenecks, the groups and width of the 3×3 convolutions, and the
    shorter side of pictures before the crop."""

    depths: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    width: int = 64
    resize: int = 232


RESNETS = {
    "resnet18": ResNet((2, 2, 2, 2), bottleneck=False, resize=256),
    "resnet34": ResNet((3, 4, 6, 3), bottleneck=False, resize=256),
    "resnet50": ResNet((3, 4, 6, 3)),
    "resnet101": ResNet((3, 4, 23, 3)),
    "resnet152": ResNet((3, 8, 36, 3)),
    "resnext50_32x4d": ResNet((3, 4, 6, 3), groups=32, width=4),
    "resnext101_32x8d": ResNet((3, 4, 23, 3), groups=32, width=8),
    "resnext101_64x4d": ResNet((3, 4, 23, 3), groups=64, width=4),
    "wide_resnet50_2": ResNet((3, 4, 6, 3), width=128),
    "wide_resnet101_2": ResNet((3, 4, 23, 3), width=128),
}


def image(cfg: ResNet) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize)


@model("resnet", image=image, task="classify", upstream="torchvision", variants=RESNETS)
def resnet(s: Scope, x: Tensor, cfg: ResNet) -> Mapping[str, Tensor]:
    """A stem, four stages of residual blocks that double the channels, and a linear classifier."""
    x = resnet_stages(s, x, cfg.depths, cfg.bottleneck, cfg.groups, cfg.width)[-1]
    return {"logits": linear(s / "fc", x.mean((2, 3)), -1)}
