"""The area attention of YOLO12 (Tian et al. 2025): attention within strips of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.yolo11 import c3k
from wtsnet.definition import block
from wtsnet.ops import add, concat, matmul, mul, permute, reshape, silu, softmax, split

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
            y = s.net.record(stage.path, area_block(stage / 1, y, area, ratio, act=act))
        else:
            y = c3k(stage, ys[-1], width, 2, shortcut, groups, act=act)
        ys.append(y)
    y = conv_block(s / "cv2", concat(s, ys, suffix="concat"), c, act=act)
    if not residual or not attend:
        return y
    gamma = s.constant(s.take("gamma", c).reshape(1, c, 1, 1), y.dtype, suffix="gamma")
    return add(s, x, mul(s, y, gamma, suffix="scaled"))


def area_block(s: Scope, x: Tensor, area: int = 1, mlp_ratio: float = 1.2, *, act: Activation = silu) -> Tensor:
    """Area attention and a feed-forward block, each with a shortcut: (N, C, H, W) to the same."""
    c = x.shape[1]
    x = x + area_attention(s / "attn", x, area)
    mlp = s / "mlp"
    y = conv_block(mlp / 0, x, int(c * mlp_ratio), act=act)
    y = s.net.record(mlp.path, conv_block(mlp / 1, y, c, activate=False))
    return s.net.record(s.path, x + y)


def area_attention(s: Scope, x: Tensor, area: int = 1) -> Tensor:
    """Self-attention within each of `area` equal parts of the places, counted row by row, with a depthwise
    convolution of the values for where they lie: (N, C, H, W) to the same. H·W is a multiple of `area`.

    `qkv` gives each head in turn its query, key and values.
    """
    n, c, h, w = x.dims
    places = x.shape[2] * x.shape[3]
    if -1 not in x.shape[2:] and places % area:
        raise s.error(f"area: found {area}, expected a divisor of the {places} places of {x.shape}")
    width = x.shape[1]
    heads = width // HEAD
    qkv = conv_block(s / "qkv", x, 3 * width, activate=False)
    parts = reshape(s, qkv, (n, heads, 3 * width // heads, area, h * w // area), suffix="parts")
    q, k, v = split(s, permute(s, parts, (0, 1, 3, 2, 4), suffix="areas"), width // heads, 3)
    scores = matmul(s, mul(s, q, (width // heads) ** -0.5, suffix="scaled"), k, transpose_a=True, suffix="scores")
    y = matmul(s, v, softmax(s, scores, suffix="softmax"), transpose_b=True, suffix="attended")
    y, v = (
        reshape(s, permute(s, z, (0, 1, 3, 2, 4), suffix=f"{name}:heads"), (n, c, h, w), suffix=f"{name}:map")
        for name, z in (("attended", y), ("values", v))
    )
    place = conv_block(s / "pe", v, width, 7, groups=width, activate=False)
    return s.net.record(s.path, conv_block(s / "proj", add(s, y, place, suffix="placed"), width, activate=False))
