"""The cross-stage block of YOLO11 and YOLO26, which has bottlenecks, cross-stage blocks or attention inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.csp import bottleneck, bottlenecks, c2f_around, c3_around
from wtsnet.blocks.yolo.psa import psa_block
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.blocks.yolo.lists import Architecture
    from wtsnet.network import Scope, Tensor


@block("C3k2", scaled=True, deep=True)
def c3k2(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    csp: bool = False,
    e: float = 0.5,
    attend: bool = False,
    groups: int = 1,
    shortcut: bool = True,
    *,
    act: Activation = silu,
    arch: Architecture,
) -> Tensor:
    """The cross-stage block of YOLOv8 with, inside, bottlenecks; or, with `csp`, C3k blocks; or, with `attend`, a
    bottleneck and attention behind it. The sizes m, l and x have C3k wherever smaller ones have bottlenecks."""
    csp = csp or arch.scale in ("m", "l", "x")
    width = int(c * e)

    def inner(s: Scope, y: Tensor) -> Tensor:
        if attend:
            y = bottleneck(s / 0, y, width, shortcut, groups, (3, 3), act=act)
            return psa_block(s / 1, y, act=act).named(s)
        if csp:
            return c3k(s, y, width, 2, shortcut, groups, act=act)
        return bottleneck(s, y, width, shortcut, groups, (3, 3), act=act)

    return c2f_around(s, x, c, n, e, inner, act=act)


@module
def c3k(
    s: Scope, x: Tensor, c: int, n: int, shortcut: bool = True, groups: int = 1, *, act: Activation = silu
) -> Tensor:
    """A cross-stage partial block whose `n` bottlenecks have two 3×3 convolutions."""

    def inner(s: Scope, y: Tensor) -> Tensor:
        return bottlenecks(s, y, n, shortcut, groups, (3, 3), act=act)

    return c3_around(s, x, c, 0.5, inner, act=act)
