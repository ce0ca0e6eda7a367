"""The head of RT-DETR (Zhao et al. 2023): the best places of the picture become queries, which a decoder refines.

Boxes are x y w h in fractions of the picture, and their logits. Nothing has to be suppressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.heads.cells import places
from wtsnet.blocks.heads.deformable import decoder_layer
from wtsnet.blocks.heads.heads import HeadCall, head
from wtsnet.errors import ModelError
from wtsnet.network import shape_tensor
from wtsnet.ops import (
    add,
    amax,
    amin,
    arange,
    concat,
    conv_bn,
    cut,
    div,
    elementwise,
    expand,
    floor_div,
    greater,
    identity,
    layer_norm,
    less,
    linear,
    log,
    maximum,
    mul,
    permute,
    relu,
    reshape,
    sigmoid,
    sub,
    take,
    topk,
    unsqueeze,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor

SIDE = 0.05  # of a place's own box on the finest level, as a fraction of the picture
MARGIN = 0.01  # of the picture, where upstream takes no queries from
EPS = 1e-5  # how near to 0 and 1 logits are taken of


@head("RTDETRDecoder")
def rtdetr_decoder(
    s: Scope,
    xs: Sequence[Tensor],
    call: HeadCall,
    classes: int,
    width: int = 256,
    queries: int = 300,
    points: int = 4,
    heads: int = 8,
    depth: int = 6,
    feed_forward: int = 1024,
) -> dict[str, Tensor]:
    """ "raw" is `boxes` (N, Q, 4) x y w h in fractions of the picture and `logits` (N, Q, nc); "decoded" is (N, 300, 6)
    with these boxes, score and class of the best pairs of query and class; "topk" the same with x1 y1 x2 y2 in pixels.
    """
    s.leave("denoising_class_embed.weight")  # for training with noisy boxes
    for i in range(depth - 1):  # for training with every layer's boxes
        s.leave(f"dec_score_head.{i}.weight", f"dec_score_head.{i}.bias")
    count = _queries(s, call, queries)
    levels = [_project(s / "input_proj" / i, x, width) for i, x in enumerate(xs)]
    memory = concat(s, [_rows(s, x, f"level{i}") for i, x in enumerate(levels)], 1, suffix="memory")
    x, boxes = _select(s, levels, memory, count, call.strides)
    decoder = s / "decoder"
    sizes = [(level.dims[2], level.dims[3]) for level in levels]
    for i in range(depth):
        own = mlp(s / "query_pos_head", s.cast(boxes, x.dtype), (2 * width, width))
        x = decoder_layer(decoder / "layers" / i, x, boxes, memory, sizes, own, heads, points, feed_forward)
        delta = s.cast(mlp(s / "dec_bbox_head" / i, x, (width, width, 4)), "float32")
        moved = add(decoder, delta, _logit(decoder, boxes), suffix="moved")
        boxes = sigmoid(decoder, moved, suffix="boxes")
    logits = s.cast(linear(s / "dec_score_head" / (depth - 1), x, classes), "float32")
    call.tell(s, "detect", "rtdetr", logits.shape[2])
    if call.kind == "raw":
        return {"boxes": boxes, "logits": logits}
    most = queries if call.kind == "decoded" else min(call.k, queries)
    return _best(s, boxes, logits, most, levels, call)


def mlp(s: Scope, x: Tensor, widths: Sequence[int]) -> Tensor:
    """Linear layers to `widths`, with ReLU between them."""
    for i, width in enumerate(widths):
        x = linear(s / "layers" / i, x if i == 0 else relu(s / "act", x), width)
    return s.net.record(s.path, identity(s / "out_norm", x))


def _queries(s: Scope, call: HeadCall, queries: int) -> int:
    """How many there are: no more than places."""
    if list(call.strides) != [call.strides[0] << i for i in range(len(call.strides))] or len(call.strides) > 5:
        raise ModelError(f"{s.path}: found strides {list(call.strides)}, expected up to five, each twice that before")
    low, _, high = s.net.picture_sizes()
    places = call.cells(s.net)
    if low != high and places < queries:
        raise ModelError(
            f"imgsz: found pictures down to {low[0]}×{low[1]}, which have {places} places, expected as many as there "
            f"are queries, {queries}, where sizes are known only at run time"
        )
    return min(queries, places)


def _project(s: Scope, x: Tensor, width: int) -> Tensor:
    return s.net.record(s.path, conv_bn(s / 0, s / 1, x, width, 1, eps=1e-3))


def _rows(s: Scope, x: Tensor, name: str) -> Tensor:
    """(N, C, H, W) as (N, H·W, C)."""
    n, c, h, w = x.dims
    return permute(s, reshape(s, x, (n, c, h * w), suffix=f"{name}:rows"), (0, 2, 1), suffix=name)


def _select(
    s: Scope, levels: Sequence[Tensor], memory: Tensor, queries: int, strides: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The features (N, Q, C) and the boxes (N, Q, 4) of the places whose best class has the highest score."""
    width = memory.shape[2]
    kept = [inner(s, x, f"inner{i}") for i, x in enumerate(levels)]
    margin = any(y is not x for y, x in zip(kept, levels, strict=True))
    if margin:
        memory = concat(s, [_rows(s, x, f"inner{i}:rows") for i, x in enumerate(kept)], 1, suffix="inner")
    encoded = s / "enc_output"
    features = layer_norm(encoded / 1, linear(encoded / 0, memory, width))
    s.net.record(encoded.path, features)
    scores = amax(s, linear(s / "enc_score_head", features, -1), 2, suffix="scores")
    _, index = topk(s, s.cast(scores, "float32"), queries, 1, suffix="queries")
    chosen = take(s, features, index, 1, batched=1, suffix="chosen")
    delta = s.cast(mlp(s / "enc_bbox_head", chosen, (width, width, 4)), "float32")
    at = places(s, index, levels, strides)
    xy = div(s, mul(s, at.points, at.stride, suffix="own:pixels"), _picture(s, levels, strides, (1, 2, 1)), "own:xy")
    side = mul(s, at.stride, SIDE / strides[0], suffix="own:side")
    xy, side = (permute(s, x, (0, 2, 1), suffix="own:last") for x in (xy, side))
    wh = expand(s, side, xy.dims, suffix="own:wh")
    own = _logit(s, concat(s, [xy, wh], 2, suffix="own"))
    boxes = sigmoid(s, add(s, delta, own, suffix="moved"), suffix="boxes")
    if margin:  # upstream's logit of such a place is infinite
        boxes = where(s, _inside(s, xy, "own"), boxes, 1.0, suffix="boxes:inner")
    return chosen, boxes


def inner(s: Scope, x: Tensor, name: str) -> Tensor:
    """`x` with zeros where a place's middle lies in the margin of the picture; `x` itself where none does."""
    for axis in (2, 3):
        size = x.dims[axis]
        if isinstance(size, int) and np.float32(0.5) / np.float32(size) > np.float32(MARGIN):
            continue
        count = s.cast(shape_tensor(s, (size,)), "float32")
        middles = div(s, arange(s, size, start=0.5, suffix=f"{name}:middles"), count, suffix=f"{name}:fractions")
        column = reshape(s, middles, (-1, 1), suffix=f"{name}:column")
        keep = s.cast(s.cast(_inside(s, column, name), "float32"), x.dtype)
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        x = mul(s, x, reshape(s, keep, shape, suffix=f"{name}:keep"), suffix=f"{name}:axis{axis}")
    return x


def _inside(s: Scope, x: Tensor, name: str) -> Tensor:
    """Whether all fractions of the last dimension lie within the margins: (…, n) to (…, 1), bool."""
    low, high = amin(s, x, -1, keepdim=True, suffix=f"{name}:low"), amax(s, x, -1, keepdim=True, suffix=f"{name}:high")
    above, below = greater(s, low, MARGIN, suffix=f"{name}:above"), less(s, high, 1 - MARGIN, suffix=f"{name}:below")
    return elementwise(s, "AND", above, below, suffix=f"{name}:inside")


def _logit(s: Scope, x: Tensor) -> Tensor:
    """log(x / (1 − x)), neither being taken as less than EPS."""
    odds = div(
        s, maximum(s, x, EPS, suffix="some"), maximum(s, sub(s, 1.0, x, suffix="rest"), EPS, suffix="others"), "odds"
    )
    return log(s, odds, suffix="logit")


def _picture(s: Scope, levels: Sequence[Tensor], strides: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Width and height of the picture in pixels, float32."""
    height, width = (size * strides[0] for size in levels[0].dims[2:])
    return reshape(s, s.cast(shape_tensor(s, (width, height)), "float32"), shape, suffix="picture")


def _best(
    s: Scope, boxes: Tensor, logits: Tensor, most: int, levels: Sequence[Tensor], call: HeadCall
) -> dict[str, Tensor]:
    """The pairs of query and class with the highest scores."""
    _, queries, classes = logits.shape
    pairs = reshape(s, logits, (logits.dims[0], queries * classes), suffix="pairs")
    best, index = topk(s, pairs, min(most, queries * classes), 1, suffix="best")
    query = floor_div(s, index, classes, suffix="best:query")
    kinds = sub(s, index, mul(s, query, classes, suffix="best:first"), suffix="classes")
    boxes = take(s, boxes, query, 1, batched=1, suffix="best:boxes")
    scores = sigmoid(s, best, suffix="scores:best")
    if call.kind == "decoded":
        parts = [
            boxes,
            unsqueeze(s, scores, 2, suffix="column"),
            unsqueeze(s, s.cast(kinds, "float32"), 2, suffix="column"),
        ]
        return {"predictions": s.net.record(f"{s.path}[0]", concat(s, parts, 2, suffix="predictions"))}
    xy, half = cut(s, boxes, 2, 0, 2, suffix="xy"), mul(s, cut(s, boxes, 2, 2, 4, suffix="wh"), 0.5, suffix="half")
    picture = _picture(s, levels, call.strides, (1, 1, 2))
    corners = [mul(s, corner, picture, suffix="corner") for corner in (xy - half, xy + half)]
    return {"boxes": concat(s, corners, 2, suffix="boxes"), "scores": scores, "classes": kinds}
