"""GhostNet (Han et al. 2020) and GhostNetV2 (Tang et al. 2022), with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act, squeeze_excitation
from wtsnet.blocks.classifiers.timm_layers import conv_norm_act as conv_bn_act
from wtsnet.blocks.yolo.widths import divisible
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import avg_pool2d, cat, conv2d, conv_bn, hardsigmoid, interpolate, linear, relu, sigmoid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.blocks.classifiers.mobile import Activation
    from wtsnet.network import Scope, Tensor

# The paper's table 1: by stage its blocks, each with kernel, expanded and output channels, whether there is squeeze and
# excitation, and stride.
STAGES = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    ((5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1), (5, 960, 160, True, 1)),
)


@dataclass(frozen=True)
class GhostNet:
    """A variant: a factor for all channels but the last, and whether blocks attend along rows and columns, which the
    first two never do."""

    width: float
    attend: bool = False


GHOSTNETS = {
    "ghostnet_050": GhostNet(0.5),
    "ghostnet_100": GhostNet(1.0),
    "ghostnet_130": GhostNet(1.3),
    "ghostnetv2_100": GhostNet(1.0, attend=True),
    "ghostnetv2_130": GhostNet(1.3, attend=True),
    "ghostnetv2_160": GhostNet(1.6, attend=True),
}


@model("ghostnet", image=imagenet(interpolation="bicubic"), task="classify", upstream="timm", variants=GHOSTNETS)
def ghostnet(s: Scope, x: Tensor, cfg: GhostNet) -> Mapping[str, Tensor]:
    """A stem, bottlenecks of ghost modules, one more convolution and a classifier of two layers."""

    def scaled(channels: int) -> int:
        return divisible(channels * cfg.width, 4)

    x = relu(conv_bn(s / "conv_stem", s / "bn1", x, scaled(16), 3, stride=2, padding=1))
    blocks = s / "blocks"
    for i, rows in enumerate(STAGES):
        for j, (k, wide, out, squeezed, stride) in enumerate(rows):
            attend = cfg.attend and i > 1
            x = _bottleneck(blocks / i / j, x, k, scaled(wide), scaled(out), squeezed, stride, attend)
        x.named(blocks / i)
    last = blocks / len(STAGES)
    x = conv_bn_act(last / 0, x, scaled(960), norm="bn1").named(last).named(blocks)
    x = relu(conv2d(s / "conv_head", x.mean((2, 3), keepdim=True), -1, 1))
    return {"logits": linear(s / "classifier", x.flatten(1), -1)}


@module
def _bottleneck(s: Scope, x: Tensor, k: int, wide: int, out: int, squeezed: bool, stride: int, attend: bool) -> Tensor:
    """Figure 3: two ghost modules, between them a convolution on each channel where the size is halved."""
    y = (_attended if attend else _ghost)(s / "ghost1", x, wide)
    if stride != 1:
        y = conv_bn(s / "conv_dw", s / "bn_dw", y, wide, k, stride, padding=k // 2, groups=wide)
    if squeezed:
        y = squeeze_excitation(s / "se", y, gate=hardsigmoid, reduce="conv_reduce", expand="conv_expand")
    y = _ghost(s / "ghost2", y, out, act=None)
    if stride != 1 or x.shape[1] != out:
        past, channels = s / "shortcut", x.shape[1]
        x = conv_bn(past / 0, past / 1, x, channels, k, stride, padding=k // 2, groups=channels)
        x = conv_bn(past / 2, past / 3, x, out, 1).named(past)
    return y + x


@module
def _ghost(s: Scope, x: Tensor, out: int, act: Activation | None = relu) -> Tensor:
    """A convolution to half of the channels, and a 3×3 kernel on each of them for the others."""
    half = out // 2
    y = conv_norm_act(s / "primary_conv", x, half, 1, act=act)
    return cat((y, conv_norm_act(s / "cheap_operation", y, half, 3, groups=half, act=act)), 1)


@module
def _attended(s: Scope, x: Tensor, out: int) -> Tensor:
    """A ghost module, each value times a gate that the row and the column around it decide on: figure 4 of GhostNetV2.
    Gates are found at half the size."""
    at = s / "short_conv"
    gate = conv_bn(at / 0, at / 1, avg_pool2d(x, 2), out, 1)
    gate = conv_bn(at / 2, at / 3, gate, out, (1, 5), padding=(0, 2), groups=out)
    gate = conv_bn(at / 4, at / 5, gate, out, (5, 1), padding=(2, 0), groups=out)
    gate = sigmoid(gate.named(at))
    return _ghost(s, x, out) * interpolate(gate, x.dims[2:])
