"""The neck of RT-DETR (Zhao et al. 2023): attention within the coarsest level, and fusion by re-parametrised blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.rep import rep_conv
from wtsnet.definition import block
from wtsnet.ops import arange, cat, cos, gelu, layer_norm, linear, multihead_attention, silu, sin

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Dim, Scope, Tensor


@block("RepC3", scaled=True, deep=True)
def rep_c3(s: Scope, x: Tensor, c: int, n: int = 3, e: float = 1.0, *, act: Activation = silu) -> Tensor:
    """`n` re-parametrised convolutions of e·c channels in a row, added to a 1×1 convolution."""
    width = int(c * e)
    y = conv_block(s / "cv1", x, width, act=act)
    for i in range(n):
        y = rep_conv(s / "m" / i, y, width)
    y = y.named(s / "m") + conv_block(s / "cv2", x, width, act=act)
    return y if width == c else conv_block(s / "cv3", y, c, act=act)


@block("AIFI")
def aifi(s: Scope, x: Tensor, width: int = 2048, heads: int = 8, dropout: float = 0.0) -> Tensor:
    """A transformer's encoder layer (Vaswani et al. 2017) over the places of a map: (N, C, H, W) to the same.

    `width` is that of its feed-forward part; `dropout` does nothing at inference.
    """
    n, c, h, w = x.dims
    last = x.permute(0, 2, 3, 1)
    tokens = last.reshape(n, h * w, c)
    query = (last + _positions(s, h, w, x.shape[1]).to(x.dtype)).reshape(n, h * w, c)
    y = multihead_attention(s / "ma", query, query, tokens, heads, batch_first=True)
    y = layer_norm(s / "norm1", tokens + y)
    z = linear(s / "fc2", gelu(linear(s / "fc1", y, width)), x.shape[1])
    y = layer_norm(s / "norm2", y + z)
    return y.permute(0, 2, 1).view_as(x)


def _positions(s: Scope, height: int | Dim, width: int | Dim, c: int) -> Tensor:
    """Sine and cosine of the row, then of the column, each of C/4 wave lengths from 2π to 10,000·2π: (1, H, W, C)."""
    if c % 4:
        raise s.error(f"width: found {c}, expected a multiple of 4")
    waves = s.constant(10000 ** -(np.arange(c // 4) / (c // 4)).reshape(1, 1, 1, -1))
    parts = []
    for size, shape in ((height, (1, -1, 1, 1)), (width, (1, 1, -1, 1))):
        angles = arange(s, size, dtype="float32").reshape(shape) * waves
        parts += [wave(angles).expand(1, height, width, -1) for wave in (sin, cos)]
    return cat(parts, 3)
