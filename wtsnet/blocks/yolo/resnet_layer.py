"""ResNet's stages (He et al. 2015) as the ultralytics package has them in its lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import max_pool2d, relu, silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("ResNetLayer")
def resnet_layer(
    s: Scope,
    x: Tensor,
    channels: int,
    c: int,
    stride: int = 1,
    first: bool = False,
    n: int = 1,
    e: int = 4,
    *,
    act: Activation = silu,
) -> Tensor:
    """The stem where it is the `first`, else `n` bottlenecks of e·c channels. Upstream's lists name the input's
    `channels`, too; no width of these is scaled."""
    if x.shape[1] != channels:
        raise s.error(f"found {x.shape[1]} channels, expected {channels} as the list says")
    s = s / "layer"
    if first:
        x = conv_block(s / 0, x, c, 7, 2, 3, act=act)
        return max_pool2d(x, 3, stride=2, padding=1).named(s)
    for i in range(n):
        x = _bottleneck(s / i, x, c, 1 if i else stride, e, act)
    return x.named(s)


@module
def _bottleneck(s: Scope, x: Tensor, c: int, stride: int, e: int, act: Activation) -> Tensor:
    y = conv_block(s / "cv1", x, c, act=act)
    y = conv_block(s / "cv2", y, c, 3, stride, 1, act=act)
    y = conv_block(s / "cv3", y, e * c, activate=False)
    if stride != 1 or x.shape[1] != e * c:
        past = s / "shortcut"
        x = conv_block(past / 0, x, e * c, 1, stride, activate=False).named(past)
    return relu(y + x)
