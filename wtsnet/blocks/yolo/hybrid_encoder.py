"""The neck of RT-DETR (Zhao et al. 2023): attention within the coarsest level, and fusion by re-parametrised blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.rep import rep_conv
from wtsnet.definition import block
from wtsnet.ops import (
    add,
    arange,
    concat,
    cosine,
    expand,
    gelu,
    identity,
    layer_norm,
    linear,
    mul,
    multi_head_attention,
    permute,
    reshape,
    silu,
    sine,
)

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
    y = s.net.record((s / "m").path, y) + conv_block(s / "cv2", x, width, act=act)
    return identity(s / "cv3", y) if width == c else conv_block(s / "cv3", y, c, act=act)


@block("AIFI")
def aifi(s: Scope, x: Tensor, width: int = 2048, heads: int = 8, dropout: float = 0.0) -> Tensor:
    """A transformer's encoder layer (Vaswani et al. 2017) over the places of a map: (N, C, H, W) to the same.

    `width` is that of its feed-forward part; `dropout` does nothing at inference.
    """
    n, c, h, w = x.dims
    last = permute(s, x, (0, 2, 3, 1), suffix="last")
    tokens = reshape(s, last, (n, h * w, c), suffix="tokens")
    placed = add(s, last, s.cast(_positions(s, h, w, x.shape[1]), x.dtype), suffix="placed")
    query = reshape(s, placed, (n, h * w, c), suffix="query")
    y = identity(s / "dropout1", multi_head_attention(s / "ma", query, query, tokens, heads))
    y = layer_norm(s / "norm1", tokens + y)
    z = identity(s / "dropout", gelu(s / "act", linear(s / "fc1", y, width)))
    z = identity(s / "dropout2", linear(s / "fc2", z, x.shape[1]))
    y = layer_norm(s / "norm2", y + z)
    return reshape(s, permute(s, y, (0, 2, 1), suffix="channels"), (n, c, h, w))


def _positions(s: Scope, height: int | Dim, width: int | Dim, c: int) -> Tensor:
    """Sine and cosine of the row, then of the column, each of C/4 wave lengths from 2π to 10,000·2π: (1, H, W, C)."""
    if c % 4:
        raise s.error(f"width: found {c}, expected a multiple of 4")
    waves = s.constant(10000 ** -(np.arange(c // 4) / (c // 4)).reshape(1, 1, 1, -1), "float32", suffix="waves")
    parts = []
    for name, size, shape in (("rows", height, (1, -1, 1, 1)), ("columns", width, (1, 1, -1, 1))):
        places = reshape(s, arange(s, size, suffix=f"{name}:range"), shape, suffix=name)
        angles = mul(s, places, waves, suffix=f"{name}:angles")
        for wave, function in (("sine", sine), ("cosine", cosine)):
            y = function(s, angles, suffix=f"{name}:{wave}")
            parts.append(expand(s, y, (1, height, width, c // 4), suffix=f"{name}:{wave}s"))
    return concat(s, parts, 3, suffix="positions")
