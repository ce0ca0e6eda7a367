"""Blocks that lists for the yolov5 package may name, though none that it publishes does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.yolo.convs import EPS, conv_block, spp
from wtsnet.blocks.yolo.csp import c3_around
from wtsnet.definition import block
from wtsnet.ops import batch_norm, cat, conv2d, silu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("CrossConv", scaled=True)
def cross_conv(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 3,
    stride: int = 1,
    groups: int = 1,
    e: float = 1.0,
    shortcut: bool = False,
    *,
    act: Activation = silu,
) -> Tensor:
    """A 1×k convolution, a k×1 one, and a shortcut where the channels allow it."""
    y = conv_block(s / "cv1", x, int(c * e), (1, k), (1, stride), act=act)
    y = conv_block(s / "cv2", y, c, (k, 1), (stride, 1), groups=groups, act=act)
    return x + y if shortcut and x.shape[1] == c else y


@block("C3SPP", scaled=True)
def c3_spp(
    s: Scope,
    x: Tensor,
    c: int,
    ks: Sequence[int] = (5, 9, 13),
    n: int = 1,
    shortcut: bool = True,
    groups: int = 1,
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """C3 with a pooling pyramid for its bottlenecks, whose number, shortcut and groups upstream leaves unused."""
    return c3_around(s, x, c, e, lambda s, y: spp(s, y, y.shape[1], ks, act=act), act=act)


@block("MixConv2d", scaled=True)
def mix_conv(
    s: Scope, x: Tensor, c: int, ks: Sequence[int] = (1, 3), stride: int = 1, equal_channels: bool = True
) -> Tensor:
    """Convolutions of several kernels side by side (Tan & Le 2019, "MixConv"), batch norm, and always SiLU."""
    if not equal_channels:
        raise s.error("equal_ch: found False, expected True: shares of equal weight are not supported")
    shares = np.bincount(np.linspace(0, len(ks) - 1e-6, c, dtype=np.float32).astype(int), minlength=len(ks))
    parts = [
        conv2d(s / "m" / i, x, share, k, stride, padding=k // 2, groups=math.gcd(x.shape[1], share), bias=False)
        for i, (k, share) in enumerate(zip(ks, shares.tolist(), strict=True))
    ]
    return silu(batch_norm(s / "bn", cat(parts, 1), EPS))


@block("Contract")
def contract(s: Scope, x: Tensor, gain: int = 2) -> Tensor:
    """(N, C, H, W) to (N, gain²·C, H/gain, W/gain): the place in a square of cells counts before the channel."""
    n, c, h, w = x.dims
    y = x.reshape(n, c, h // gain, gain, w // gain, gain).permute(0, 3, 5, 1, 2, 4)
    return y.reshape(n, gain * gain * c, h // gain, w // gain)


@block("Expand")
def expand(s: Scope, x: Tensor, gain: int = 2) -> Tensor:
    """(N, gain²·C, H, W) to (N, C, gain·H, gain·W), with the channels in `Contract`'s order."""
    n, c, h, w = x.dims
    y = x.reshape(n, gain, gain, c // (gain * gain), h, w).permute(0, 3, 4, 1, 5, 2)
    return y.reshape(n, c // (gain * gain), gain * h, gain * w)
