"""C3 with a transformer within, as the yolov5 package has it (after Dosovitskiy et al. 2020, without layer norms)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.csp import c3_around
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import linear, multihead_attention, silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor

HEADS = 4


@block("C3TR", scaled=True, deep=True)
def c3_transformer(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    shortcut: bool = True,
    groups: int = 1,
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """C3 with `n` transformer layers for its bottlenecks. They know neither shortcut nor groups: upstream takes these
    two and leaves them unused."""
    return c3_around(s, x, c, e, lambda s, y: _transformer(s, y, n), act=act)


@module
def _transformer(s: Scope, x: Tensor, n: int) -> Tensor:
    """Layers over the cells (N, C, H, W) as a sequence (H·W, N, C), to which a linear layer adds places."""
    cells = x.flatten(2).permute(2, 0, 1)
    cells = cells + linear(s / "linear", cells, x.shape[1])
    for i in range(n):
        cells = _layer(s / "tr" / i, cells)
    return cells.named(s / "tr").permute(1, 2, 0).view_as(x)


@module
def _layer(s: Scope, x: Tensor) -> Tensor:
    c = x.shape[2]
    query, key, value = (linear(s / name, x, c, bias=False) for name in "qkv")
    x = multihead_attention(s / "ma", query, key, value, HEADS) + x
    return linear(s / "fc2", linear(s / "fc1", x, c, bias=False), c, bias=False) + x
