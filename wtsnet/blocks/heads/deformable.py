"""Deformable attention (Zhu et al. 2021, "Deformable DETR") and the decoder layer that RT-DETR makes of it.

Each query looks at a few places of each level, which it computes itself: within its reference box, x y w h in
fractions of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import module
from wtsnet.ops import cat, grid_sample, layer_norm, linear, multihead_attention, relu, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Dim, Scope, Tensor

    Sizes = Sequence[tuple[int | Dim, int | Dim]]


@module
def decoder_layer(
    s: Scope,
    x: Tensor,
    boxes: Tensor,
    memory: Tensor,
    sizes: Sizes,
    places: Tensor,
    heads: int,
    points: int,
    width: int,
) -> Tensor:
    """Attention among the queries, deformable attention to the picture, and a feed-forward part.

    Args:
        x: queries (N, Q, C).
        boxes: their reference boxes (N, Q, 4), float32.
        memory: the places of all levels (N, S, C).
        sizes: height and width of each level.
        places: what the reference boxes are in the queries' own space (N, Q, C).
        heads, points: heads, and points of each on each level.
        width: of the feed-forward part.
    """
    query = (x + places).transpose(0, 1)  # the batch is second here
    y = multihead_attention(s / "self_attn", query, query, x.transpose(0, 1), heads)
    x = layer_norm(s / "norm1", x + y.transpose(0, 1))
    x = layer_norm(
        s / "norm2", x + deformable_attention(s / "cross_attn", x + places, boxes, memory, sizes, heads, points)
    )
    y = linear(s / "linear2", relu(linear(s / "linear1", x, width)), x.shape[2])
    return layer_norm(s / "norm3", x + y)


@module
def deformable_attention(
    s: Scope, query: Tensor, boxes: Tensor, memory: Tensor, sizes: Sizes, heads: int, points: int
) -> Tensor:
    """Sums of bilinear samples of the levels at places in the queries' boxes: (N, Q, C).

    The places and the samples are float32: halves would put a place up to a fiftieth of a cell beside.
    """
    n, count, _ = query.dims
    c = query.shape[2]
    each = len(sizes) * points
    value = linear(s / "value_proj", memory, c).float()
    offsets = linear(s / "sampling_offsets", query, heads * each * 2).float().reshape(n, count, heads, each, 2)
    weights = linear(s / "attention_weights", query, heads * each).float().reshape(n, count, heads, each)
    xy, wh = (boxes[..., i : i + 2].reshape(n, count, 1, 1, 2) for i in (0, 2))
    grid = (xy + offsets * (wh * (0.5 / points))) * 2.0 - 1.0  # -1 and 1 are the borders
    grid = grid.transpose(1, 2).reshape(n * heads, count, each, 2)
    first: int | Dim = 0
    samples = []
    for i, (height, width) in enumerate(sizes):
        level = value.narrow(1, first, height * width).transpose(1, 2).reshape(n * heads, c // heads, height, width)
        samples.append(grid_sample(level, grid[:, :, i * points : (i + 1) * points]))
        first = height * width + first
    weights = softmax(weights, 3).transpose(1, 2).reshape(n * heads, 1, count, each)
    y = (cat(samples, 3) * weights).sum(3).reshape(n, c, count).transpose(1, 2)
    return linear(s / "output_proj", y.to(query), c)
