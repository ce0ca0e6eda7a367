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
from wtsnet.network import module, shape_tensor
from wtsnet.ops import cat, conv_bn, index_select, layer_norm, linear, log, relu, sigmoid, topk, where
from wtsnet.ops.create import arange_like

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
    memory = cat([_rows(x) for x in levels], 1)
    x, boxes = _select(s, levels, memory, count, call.strides)
    sizes = [(level.dims[2], level.dims[3]) for level in levels]
    for i in range(depth):
        own = mlp(s / "query_pos_head", boxes.to(x), (2 * width, width))
        x = decoder_layer(s / "decoder" / "layers" / i, x, boxes, memory, sizes, own, heads, points, feed_forward)
        boxes = sigmoid(mlp(s / "dec_bbox_head" / i, x, (width, width, 4)).float() + _logit(boxes))
    logits = linear(s / "dec_score_head" / (depth - 1), x, classes).float()
    call.tell(s, "detect", "rtdetr", logits.shape[2])
    if call.kind == "raw":
        return {"boxes": boxes, "logits": logits}
    most = queries if call.kind == "decoded" else min(call.k, queries)
    return _best(s, boxes, logits, most, levels, call)


@module
def mlp(s: Scope, x: Tensor, widths: Sequence[int]) -> Tensor:
    """Linear layers to `widths`, with ReLU between them."""
    for i, width in enumerate(widths):
        x = linear(s / "layers" / i, relu(x) if i else x, width)
    return x


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


@module
def _project(s: Scope, x: Tensor, width: int) -> Tensor:
    return conv_bn(s / 0, s / 1, x, width, 1, eps=1e-3)


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H·W, C)."""
    return x.flatten(2).transpose(1, 2)


def _select(
    s: Scope, levels: Sequence[Tensor], memory: Tensor, queries: int, strides: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The features (N, Q, C) and the boxes (N, Q, 4) of the places whose best class has the highest score."""
    width = memory.shape[2]
    kept = [inner(x) for x in levels]
    margin = any(y is not x for y, x in zip(kept, levels, strict=True))
    if margin:
        memory = cat([_rows(x) for x in kept], 1)
    encoded = s / "enc_output"
    features = layer_norm(encoded / 1, linear(encoded / 0, memory, width)).named(encoded)
    scores = linear(s / "enc_score_head", features, -1).amax(2)
    _, index = topk(scores.float(), queries, 1)
    chosen = index_select(features, 1, index, batch_dims=1)
    delta = mlp(s / "enc_bbox_head", chosen, (width, width, 4)).float()
    at = places(index, levels, strides)
    xy = (at.points * at.stride / _picture(levels, strides).reshape(1, 2, 1)).transpose(1, 2)
    side = (at.stride * (SIDE / strides[0])).transpose(1, 2)
    boxes = sigmoid(delta + _logit(cat((xy, side.expand_as(xy)), 2)))
    if margin:  # upstream's logit of such a place is infinite
        boxes = where(_inside(xy), boxes, 1.0)
    return chosen, boxes


def inner(x: Tensor) -> Tensor:
    """`x` with zeros where a place's middle lies in the margin of the picture; `x` itself where none does."""
    for axis in (2, 3):
        size = x.dims[axis]
        if isinstance(size, int) and np.float32(0.5) / np.float32(size) > np.float32(MARGIN):
            continue
        middles = arange_like(x, size, "float32", start=0.5) / shape_tensor(x.net, (size,)).float()
        keep = _inside(middles.unsqueeze(1)).float().to(x)
        x = x * keep.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
    return x


def _inside(x: Tensor) -> Tensor:
    """Whether all fractions of the last dimension lie within the margins: (…, n) to (…, 1), bool."""
    return (x.amin(-1, keepdim=True) > MARGIN) & (x.amax(-1, keepdim=True) < 1 - MARGIN)


def _logit(x: Tensor) -> Tensor:
    """log(x / (1 − x)), neither being taken as less than EPS."""
    return log(x.clamp(min=EPS) / (1.0 - x).clamp(min=EPS))


def _picture(levels: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """Width and height of the picture in pixels, (2,) float32."""
    height, width = (size * strides[0] for size in levels[0].dims[2:])
    return shape_tensor(levels[0].net, (width, height)).float()


def _best(
    s: Scope, boxes: Tensor, logits: Tensor, most: int, levels: Sequence[Tensor], call: HeadCall
) -> dict[str, Tensor]:
    """The pairs of query and class with the highest scores."""
    _, queries, classes = logits.shape
    best, index = topk(logits.flatten(1), min(most, queries * classes), 1)
    query = index // classes
    kinds = index - query * classes
    boxes = index_select(boxes, 1, query, batch_dims=1)
    scores = sigmoid(best)
    if call.kind == "decoded":
        y = cat((boxes, scores.unsqueeze(2), kinds.float().unsqueeze(2)), 2)
        return {"predictions": y.named(s[0])}
    xy, half = boxes[..., :2], boxes[..., 2:] * 0.5
    picture = _picture(levels, call.strides).reshape(1, 1, 2)
    boxes = cat(((xy - half) * picture, (xy + half) * picture), 2)
    return {"boxes": boxes, "scores": scores, "classes": kinds}
