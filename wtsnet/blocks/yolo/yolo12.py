"""The area attention of YOLO12 (Tian et al. 2025): attention within strips of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.yolo11 import c3k
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import cat, matmul, silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.blocks.yolo.lists import Architecture
    from wtsnet.network import Scope, Tensor

HEAD = 32  # channels of a head


@block("A2C2f", scaled=True, deep=True)
def a2c2f(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    attend: bool = True,
    area: int = 1,
    residual: bool | None = None,
    mlp_ratio: float | None = None,
    e: float = 0.5,
    groups: int = 1,
    shortcut: bool = True,
    *,
    act: Activation = silu,
    arch: Architecture,
) -> Tensor:
    """`n` stages in a row, each two area attention blocks or, without `attend`, a C3k block; all results are joined.

    With `residual` a stage with attention ends with a learnt factor, `gamma`, and a shortcut. The sizes l and x have
    that and feed-forward blocks of 1.2 times the channels where the lists do not tell, the others of twice.
    """
    large = arch.scale in ("l", "x")
    residual = large if residual is None else residual
    ratio = (1.2 if large else 2.0) if mlp_ratio is None else mlp_ratio
    width = int(c * e)
    ys = [conv_block(s / "cv1", x, width, act=act)]
    for i in range(n):
        stage = s / "m" / i
        if attend:
            y = area_block(stage / 0, ys[-1], area, ratio, act=act)
            y = area_block(stage / 1, y, area, ratio, act=act).named(stage)
        else:
            y = c3k(stage, ys[-1], width, 2, shortcut, groups, act=act)
        ys.append(y)
    y = conv_block(s / "cv2", cat(ys, 1), c, act=act)
    if not residual or not attend:
        return y
    gamma = s.constant(s.take("gamma", c).reshape(1, c, 1, 1), y.dtype)
    return x + y * gamma


@module
def area_block(s: Scope, x: Tensor, area: int = 1, mlp_ratio: float = 1.2, *, act: Activation = silu) -> Tensor:
    """Area attention and a feed-forward block, each with a shortcut: (N, C, H, W) to the same."""
    c = x.shape[1]
    x = x + area_attention(s / "attn", x, area)
    mlp = s / "mlp"
    y = conv_block(mlp / 0, x, int(c * mlp_ratio), act=act)
    return x + conv_block(mlp / 1, y, c, activate=False).named(mlp)


@module
def area_attention(s: Scope, x: Tensor, area: int = 1) -> Tensor:
    """Self-attention within each of `area` equal parts of the places, counted row by row, with a depthwise
    convolution of the values for where they lie: (N, C, H, W) to the same. H·W is a multiple of `area`.

    `qkv` gives each head in turn its query, key and values.
    """
    (n, _, h, w), c = x.dims, x.shape[1]
    if -1 not in x.shape[2:] and (places := x.shape[2] * x.shape[3]) % area:
        raise s.error(f"area: found {area}, expected a divisor of the {places} places of {x.shape}")
    heads = c // HEAD
    width = c // heads
    qkv = conv_block(s / "qkv", x, 3 * c, activate=False)
    parts = qkv.reshape(n, heads, 3 * width, area, h * w // area).permute(0, 1, 3, 2, 4)
    q, k, v = parts.split(width, 3)
    weights = matmul(q * width**-0.5, k, transpose_a=True).softmax(-1)
    y = matmul(v, weights, transpose_b=True)
    y, v = (z.permute(0, 1, 3, 2, 4).view_as(x) for z in (y, v))
    y = y + conv_block(s / "pe", v, c, 7, groups=c, activate=False)
    return conv_block(s / "proj", y, c, activate=False)
