"""The blocks of YOLOv10 (Wang et al. 2024): downsampling in two steps, and compact inverted blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.csp import c2f_around
from wtsnet.blocks.yolo.rep import sum_of_convs
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("SCDown", scaled=True)
def sc_down(s: Scope, x: Tensor, c: int, k: int, stride: int, *, act: Activation = silu) -> Tensor:
    """Channels by a 1×1 convolution, then size by a depthwise one."""
    return conv_block(s / "cv2", conv_block(s / "cv1", x, c, act=act), c, k, stride, groups=c, activate=False)


@block("C2fCIB", scaled=True, deep=True)
def c2f_cib(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    shortcut: bool = False,
    large: bool = False,
    groups: int = 1,
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """The cross-stage block of YOLOv8 with compact inverted blocks, which know no `groups`."""
    if groups != 1:
        raise s.error(f"groups: found {groups}, expected 1: compact inverted blocks are depthwise")
    width = int(c * e)
    return c2f_around(s, x, c, n, e, lambda s, y: _inverted(s, y, width, shortcut, large, act), act=act)


@module
def _inverted(s: Scope, x: Tensor, c: int, shortcut: bool, large: bool, act: Activation) -> Tensor:
    """Depthwise, 1×1 to twice the channels, depthwise, 1×1 back, depthwise; `large` adds a 7×7 to the 3×3 between."""
    inside, wide = s / "cv1", 2 * c
    y = conv_block(inside / 0, x, c, 3, groups=c, act=act)
    y = conv_block(inside / 1, y, wide, act=act)
    if large:
        y = silu(sum_of_convs(inside / 2, y, wide, {"conv": 7, "conv1": 3}, groups=wide)).named(inside / 2)
    else:
        y = conv_block(inside / 2, y, wide, 3, groups=wide, act=act)
    y = conv_block(inside / 3, y, c, act=act)
    y = conv_block(inside / 4, y, c, 3, groups=c, act=act).named(inside)
    return x + y if shortcut else y
