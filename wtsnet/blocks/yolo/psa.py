"""Attention over all places of a map: the partial self-attention of YOLOv10 (Wang et al. 2024) and what followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.csp import c2f_around, halves
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import cat, matmul, silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("PSA", scaled=True)
def psa(s: Scope, x: Tensor, c: int, e: float = 0.5, *, act: Activation = silu) -> Tensor:
    """Attention and a feed-forward block on the second half of the channels. `c` is that of the input."""
    a, b = _halves(s, x, c, e, act)
    return conv_block(s / "cv2", cat((a, _attend(s, b, act)), 1), c, act=act)


@block("C2PSA", scaled=True, deep=True)
def c2_psa(s: Scope, x: Tensor, c: int, n: int = 1, e: float = 0.5, *, act: Activation = silu) -> Tensor:
    """The same with `n` of them in a row."""
    a, b = _halves(s, x, c, e, act)
    for i in range(n):
        b = psa_block(s / "m" / i, b, act=act)
    return conv_block(s / "cv2", cat((a, b.named(s / "m")), 1), c, act=act)


@block("C2fPSA", scaled=True, deep=True)
def c2f_psa(s: Scope, x: Tensor, c: int, n: int = 1, e: float = 0.5, *, act: Activation = silu) -> Tensor:
    """The cross-stage block of YOLOv8 with attention in place of convolutions. `c` is that of the input."""
    _check_width(s, x, c)
    return c2f_around(s, x, c, n, e, lambda s, y: psa_block(s, y, act=act), act=act)


@module
def psa_block(s: Scope, x: Tensor, *, act: Activation = silu) -> Tensor:
    """Attention and a feed-forward block, each with a shortcut: (N, C, H, W) to the same, a head for 64 channels."""
    return _attend(s, x, act)


@module
def attention(s: Scope, x: Tensor, heads: int) -> Tensor:
    """Self-attention over the places of a map, with a depthwise convolution of the values for where they lie:
    (N, C, H, W) to the same.

    `qkv` gives each head in turn its query and key, of half the values' channels, and its values.
    """
    (n, _, h, w), c = x.dims, x.shape[1]
    value = c // heads
    key = value // 2
    qkv = conv_block(s / "qkv", x, heads * (2 * key + value), activate=False)
    q, k, v = qkv.reshape(n, heads, 2 * key + value, h * w).split((key, key, value), 2)
    weights = matmul(q * key**-0.5, k, transpose_a=True).softmax(-1)
    y = matmul(v, weights, transpose_b=True).view_as(x)
    y = y + conv_block(s / "pe", v.view_as(x), c, 3, groups=c, activate=False)
    return conv_block(s / "proj", y, c, activate=False)


def _attend(s: Scope, x: Tensor, act: Activation) -> Tensor:
    c = x.shape[1]
    x = x + attention(s / "attn", x, max(c // 64, 1))
    ffn = s / "ffn"
    y = conv_block(ffn / 0, x, 2 * c, act=act)
    return x + conv_block(ffn / 1, y, c, activate=False).named(ffn)


def _halves(s: Scope, x: Tensor, c: int, e: float, act: Activation) -> tuple[Tensor, Tensor]:
    _check_width(s, x, c)
    return halves(s / "cv1", x, int(c * e), act)


def _check_width(s: Scope, x: Tensor, c: int) -> None:
    if x.shape[1] != c:
        raise s.error(f"width: found {c}, expected that of the input, {x.shape[1]}")
