"""RegNet X and Y (Radosavovic et al. 2020), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act, squeeze_excitation
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

Four = tuple[int, int, int, int]


@dataclass(frozen=True)
class RegNet:
    """A variant: blocks and channels a stage, channels a group (no more than the stage has), and whether there is
    squeeze and excitation, as in Y."""

    depths: Four
    widths: Four
    group: int
    squeeze: bool = False


def _y(depths: Four, widths: Four, group: int) -> RegNet:
    return RegNet(depths, widths, group, squeeze=True)


REGNETS = {
    "regnet_x_400mf": RegNet((1, 2, 7, 12), (32, 64, 160, 400), 16),
    "regnet_x_800mf": RegNet((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "regnet_x_1_6gf": RegNet((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "regnet_x_3_2gf": RegNet((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "regnet_x_8gf": RegNet((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "regnet_x_16gf": RegNet((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "regnet_x_32gf": RegNet((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
    "regnet_y_400mf": _y((1, 3, 6, 6), (48, 104, 208, 440), 8),
    "regnet_y_800mf": _y((1, 3, 8, 2), (64, 144, 320, 784), 16),
    "regnet_y_1_6gf": _y((2, 6, 17, 2), (48, 120, 336, 888), 24),
    "regnet_y_3_2gf": _y((2, 5, 13, 1), (72, 216, 576, 1512), 24),
    "regnet_y_8gf": _y((2, 4, 10, 1), (224, 448, 896, 2016), 56),
    "regnet_y_16gf": _y((2, 4, 11, 1), (224, 448, 1232, 3024), 112),
    "regnet_y_32gf": _y((2, 5, 12, 1), (232, 696, 1392, 3712), 232),
}


@model("regnet", image=imagenet(resize=232), task="classify", upstream="torchvision", variants=REGNETS)
def regnet(s: Scope, x: Tensor, cfg: RegNet) -> Mapping[str, Tensor]:
    """A stem, four stages of grouped residual blocks, each starting with half the size, and a linear classifier."""
    x = conv_norm_act(s / "stem", x, 32, 3, 2)
    trunk = s / "trunk_output"
    for i, (depth, width) in enumerate(zip(cfg.depths, cfg.widths, strict=True), 1):
        stage = trunk / f"block{i}"
        for j in range(depth):
            x = _block(stage / f"block{i}-{j}", x, width, 1 if j else 2, cfg)
        x.named(stage)
    return {"logits": linear(s / "fc", x.named(trunk).mean((2, 3)), -1)}


@module
def _block(s: Scope, x: Tensor, width: int, stride: int, cfg: RegNet) -> Tensor:
    f = s / "f"
    y = conv_norm_act(f / "a", x, width, 1)
    y = conv_norm_act(f / "b", y, width, 3, stride, groups=width // min(cfg.group, width))
    if cfg.squeeze:
        y = squeeze_excitation(f / "se", y)
    y = conv_norm_act(f / "c", y, width, 1, act=None).named(f)
    if stride != 1 or x.shape[1] != width:
        x = conv_norm_act(s / "proj", x, width, 1, stride, act=None)
    return relu(x + y)
