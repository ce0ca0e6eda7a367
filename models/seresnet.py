"""ResNet and ResNeXt with squeeze and excitation (Hu et al. 2017), with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.timm_layers import bottleneck, global_pool, squeeze_excite
from wtsnet.definition import Image, model
from wtsnet.ops import conv_bn, linear, max_pool, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

DEPTHS = (3, 4, 6, 3)


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
    x = relu(s / "act1", conv_bn(s / "conv1", s / "bn1", x, 64, 7, 2, 3))
    x = max_pool(s / "maxpool", x, 3, 2, 1)
    for stage, depth in enumerate(DEPTHS):
        at, channels = s / f"layer{stage + 1}", 64 << stage
        width = channels * cfg.width * cfg.groups // 64
        for i in range(depth):
            stride = 2 if stage and not i else 1
            x = bottleneck(at / i, x, width, 4 * channels, stride, cfg.groups, squeeze_excite)
        s.net.record(at.path, x)
    return {"logits": linear(s / "fc", global_pool(s / "global_pool", x), -1)}
