"""Deformable attention (Zhu et al. 2021, "Deformable DETR") and the decoder layer that RT-DETR makes of it.

Each query looks at a few places of each level, which it computes itself: within its reference box, x y w h in
fractions of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import (
    add,
    concat,
    cut,
    grid_sample,
    identity,
    layer_norm,
    linear,
    mul,
    multi_head_attention,
    permute,
    relu,
    reshape,
    softmax,
    sub,
    total,
    transpose,
)
from wtsnet.ops.shape import emit_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Dim, Scope, Tensor

    Sizes = Sequence[tuple[int | Dim, int | Dim]]


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
    query = transpose(s, add(s, x, places, suffix="query"), 0, 1, suffix="query:sequence")  # the batch is second here
    value = transpose(s, x, 0, 1, suffix="sequence")
    y = multi_head_attention(s / "self_attn", query, query, value, heads, batch_first=False)
    x = layer_norm(s / "norm1", x + identity(s / "dropout1", transpose(s, y, 0, 1, suffix="batch")))
    query = add(s, x, places, suffix="query")
    y = identity(s / "dropout2", deformable_attention(s / "cross_attn", query, boxes, memory, sizes, heads, points))
    x = layer_norm(s / "norm2", x + y)
    y = identity(s / "dropout3", relu(s / "act", linear(s / "linear1", x, width)))
    y = identity(s / "dropout4", linear(s / "linear2", y, x.shape[2]))
    return s.net.record(s.path, layer_norm(s / "norm3", x + y))


def deformable_attention(
    s: Scope, query: Tensor, boxes: Tensor, memory: Tensor, sizes: Sizes, heads: int, points: int
) -> Tensor:
    """Sums of bilinear samples of the levels at places in the queries' boxes: (N, Q, C).

    The places and the samples are float32: halves would put a place up to a fiftieth of a cell beside.
    """
    n, count, c = query.dims
    of_head = query.shape[2] // heads
    each = len(sizes) * points
    value = s.cast(linear(s / "value_proj", memory, query.shape[2]), "float32")
    offsets = s.cast(linear(s / "sampling_offsets", query, heads * each * 2), "float32")
    weights = s.cast(linear(s / "attention_weights", query, heads * each), "float32")
    offsets = reshape(s, offsets, (n, count, heads, each, 2), suffix="offsets")
    xy, wh = (reshape(s, cut(s, boxes, 2, i, i + 2, suffix="box"), (n, count, 1, 1, 2), suffix="boxes") for i in (0, 2))
    places = add(s, xy, mul(s, offsets, mul(s, wh, 0.5 / points, suffix="step"), suffix="shifts"), suffix="places")
    grid = sub(s, mul(s, places, 2.0, suffix="doubled"), 1.0, suffix="grid")  # -1 and 1 are the borders
    grid = reshape(
        s, permute(s, grid, (0, 2, 1, 3, 4), suffix="grid:heads"), (n * heads, count, each, 2), suffix="grids"
    )
    first: int | Dim = 0
    samples = []
    for i, (height, width) in enumerate(sizes):
        level = emit_slice(s, value, [0, first, 0], [n, height * width, c], (1, 1, 1), suffix=f"level{i}")
        level = permute(s, level, (0, 2, 1), suffix=f"level{i}:channels")
        level = reshape(s, level, (n * heads, of_head, height, width), suffix=f"level{i}:map")
        own = cut(s, grid, 2, i * points, (i + 1) * points, suffix=f"level{i}:grid")
        samples.append(grid_sample(s, level, own, suffix=f"level{i}:samples"))
        first = height * width + first
    weights = softmax(s, reshape(s, weights, (n, count, heads, each), suffix="weights"), suffix="softmax")
    weights = permute(s, weights, (0, 2, 1, 3), suffix="weights:heads")
    weights = reshape(s, weights, (n * heads, 1, count, each), suffix="weights:map")
    y = total(s, mul(s, concat(s, samples, 3, suffix="samples"), weights, suffix="weighted"), 3, suffix="sums")
    y = permute(s, reshape(s, y, (n, c, count), suffix="sums:channels"), (0, 2, 1), suffix="attended")
    return s.net.record(s.path, linear(s / "output_proj", s.cast(y, query.dtype), query.shape[2]))
