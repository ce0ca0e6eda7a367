"""The stages of ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016), with
torchvision's weight names: a classifier's own, and the backbone of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import conv_bn, max_pool, relu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor


def resnet_stages(
    s: Scope, x: Tensor, depths: Sequence[int], bottleneck: bool = True, groups: int = 1, width: int = 64
) -> list[Tensor]:
    """A stem, and stages of residual blocks that double the channels: the map that each stage makes, the first of a
    quarter of the input's height and width, the others each of half the size.

    Args:
        depths: blocks in each stage.
        bottleneck: whether a block is 1×1, 3×3, 1×1 and gives four times the channels; else it is two 3×3.
        groups, width: of a bottleneck's 3×3 convolution, the width being that of a group in the first stage.
    """
    x = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, 64, 7, 2, 3))
    x = max_pool(s / "maxpool", x, 3, 2, 1)
    maps = []
    for stage, depth in enumerate(depths):
        layer, channels = s / f"layer{stage + 1}", 64 << stage
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                x = _bottleneck(layer / i, x, channels, stride, groups, width)
            else:
                x = _basic(layer / i, x, channels, stride)
        maps.append(s.net.record(layer.path, x))
    return maps


def _basic(s: Scope, x: Tensor, channels: int, stride: int) -> Tensor:
    y = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, channels, 3, stride, 1))
    return _added(s, x, conv_bn(s / "conv2", s / "bn2", y, channels, 3, 1, 1), stride)


def _bottleneck(s: Scope, x: Tensor, channels: int, stride: int, groups: int, width: int) -> Tensor:
    inner = channels * width * groups // 64
    y = relu(s / "relu", conv_bn(s / "conv1", s / "bn1", x, inner, 1))
    y = relu(s / "relu", conv_bn(s / "conv2", s / "bn2", y, inner, 3, stride, 1, groups=groups))
    return _added(s, x, conv_bn(s / "conv3", s / "bn3", y, channels * 4, 1), stride)


def _added(s: Scope, x: Tensor, y: Tensor, stride: int) -> Tensor:
    """The block's input added to what it made of it, brought to its shape where that is another."""
    out = y.shape[1]
    if stride != 1 or x.shape[1] != out:
        down = s / "downsample"
        x = s.net.record(down.path, conv_bn(down / 0, down / 1, x, out, 1, stride))
    return s.net.record(s.path, relu(s / "relu", y + x))
