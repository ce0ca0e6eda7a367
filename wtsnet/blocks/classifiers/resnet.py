"""The stages of ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016), with
torchvision's weight names, which are timm's too: a classifier's own, and the backbone of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.mobile import squeeze_excitation
from wtsnet.network import module
from wtsnet.ops import conv_bn, max_pool2d, relu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor


def resnet_stages(
    s: Scope,
    x: Tensor,
    depths: Sequence[int],
    bottleneck: bool = True,
    groups: int = 1,
    width: int = 64,
    squeeze: bool = False,
) -> list[Tensor]:
    """A stem, and stages of residual blocks that double the channels: the map that each stage makes, the first of a
    quarter of the input's height and width, the others each of half the size.

    Args:
        depths: blocks in each stage.
        bottleneck: whether a block is 1×1, 3×3, 1×1 and gives four times the channels; else it is two 3×3.
        groups, width: of a bottleneck's 3×3 convolution, the width being that of a group in the first stage.
        squeeze: whether a bottleneck has squeeze and excitation `se`.
    """
    x = relu(conv_bn(s / "conv1", s / "bn1", x, 64, 7, stride=2, padding=3))
    x = max_pool2d(x, 3, stride=2, padding=1)
    maps = []
    for stage, depth in enumerate(depths):
        layer, channels = s / f"layer{stage + 1}", 64 << stage
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                x = bottleneck_block(layer / i, x, channels, stride, groups, width, squeeze)
            else:
                x = basic_block(layer / i, x, channels, stride)
        maps.append(x.named(layer))
    return maps


@module
def basic_block(s: Scope, x: Tensor, channels: int, stride: int = 1) -> Tensor:
    """Two 3×3 convolutions, and the input past them."""
    y = relu(conv_bn(s / "conv1", s / "bn1", x, channels, 3, stride=stride, padding=1))
    y = conv_bn(s / "conv2", s / "bn2", y, channels, 3, padding=1)
    return relu(y + _shortcut(s / "downsample", x, channels, stride))


@module
def bottleneck_block(
    s: Scope,
    x: Tensor,
    channels: int,
    stride: int = 1,
    groups: int = 1,
    width: int = 64,
    squeeze: bool = False,
) -> Tensor:
    """1×1, 3×3 and 1×1 to four times `channels`, and the input past them; see `resnet_stages`."""
    inner = channels * width * groups // 64
    y = relu(conv_bn(s / "conv1", s / "bn1", x, inner, 1))
    y = relu(conv_bn(s / "conv2", s / "bn2", y, inner, 3, stride=stride, padding=1, groups=groups))
    y = conv_bn(s / "conv3", s / "bn3", y, 4 * channels, 1)
    if squeeze:
        y = squeeze_excitation(s / "se", y)
    return relu(y + _shortcut(s / "downsample", x, 4 * channels, stride))


def _shortcut(s: Scope, x: Tensor, channels: int, stride: int) -> Tensor:
    """The block's input, brought to the shape of what the block made of it where that is another."""
    if stride == 1 and x.shape[1] == channels:
        return x
    return conv_bn(s / 0, s / 1, x, channels, 1, stride=stride).named(s)
