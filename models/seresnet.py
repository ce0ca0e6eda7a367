"""ResNet and ResNeXt with squeeze and excitation (Hu et al. 2017), with timm's weight names."""

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
class SEResNet:
    """A variant: groups and width of the 3×3 convolutions, and the shorter side of pictures before the crop."""

    groups: int = 1
    width: int = 64
    resize: int = 256


SERESNETS = {"seresnet50": SEResNet(resize=235), "seresnext50_32x4d": SEResNet(groups=32, width=4)}


def image(cfg: SEResNet) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize, interpolation="bicubic")


@model("seresnet", image=image, task="classify", upstream="timm", variants=SERESNETS)
def seresnet(s: Scope, x: Tensor, cfg: SEResNet) -> Mapping[str, Tensor]:
    """A stem, four stages of bottlenecks that double the channels, and a linear classifier."""
    x = resnet_stages(s, x, (3, 4, 6, 3), groups=cfg.groups, width=cfg.width, squeeze=True)[-1]
    return {"logits": linear(s / "fc", x.mean((2, 3)), -1)}
