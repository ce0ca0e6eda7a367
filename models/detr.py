"""DETR (Carion et al. 2020), with the weight names of Hugging Face and either of the two ResNets that it comes with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.blocks.transformers.names import as_stored
from wtsnet.blocks.transformers.positions import sine_positions
from wtsnet.blocks.transformers.tokens import attention, to_tokens
from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.network import shape_tensor
from wtsnet.ops import (
    add,
    concat,
    conv,
    conv_bn,
    cut,
    expand,
    identity,
    layer_norm,
    linear,
    max_pool,
    mul,
    parameter,
    relu,
    sigmoid,
    softmax,
    squeeze,
    sub,
    take,
    topk,
    unsqueeze,
    zeros,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wtsnet.network import Dim, Scope, Tensor, Weights

OUTPUTS = ("topk", "decoded", "raw")
WIDTH, HIDDEN, HEADS, LAYERS = 256, 2048, 8, 6


@dataclasses.dataclass(frozen=True)
class DETR:
    """A variant: blocks in each stage of the backbone."""

    depths: tuple[int, int, int, int]
    head: str = option("topk", "what leaves the network: topk, or logits and boxes as decoded or raw")
    k: int = option(100, "how many boxes the topk head gives, up to the number of queries")

    def bind(self, _: Weights) -> DETR:
        """Itself, once it is checked."""
        if self.head not in OUTPUTS:
            raise ModelError(f"head: found {self.head!r}, expected one of {', '.join(OUTPUTS)}")
        if self.k < 1:
            raise ModelError(f"k: found {self.k!r}, expected at least 1")
        return self


DETRS = {"detr-resnet-50": DETR((3, 4, 6, 3)), "detr-resnet-101": DETR((3, 4, 23, 3))}
# Names in transformers 5 and, in published weights, those of transformers 4.
PUBLISHED = (
    (r"model\.backbone\.", "model.backbone.conv_encoder."),
    (r"o_proj", "out_proj"),
    (r"mlp\.fc", "fc"),
)

# Upstream keeps proportions, and pads and masks where pictures of a batch differ. Here all are stretched to one size.
IMAGE = Image(size=800, name="pixel_values", preprocess={"kind": "stretch", "mean": list(MEAN), "std": list(STD)})


@model("detr", image=IMAGE, task="detect", upstream="transformers", variants=DETRS)
def detr(s: Scope, x: Tensor, cfg: DETR) -> Mapping[str, Tensor]:
    """A ResNet, an encoder over its last map, a decoder of object queries, and two classifiers of each query.

    Heads `raw` and `decoded` are what upstream's model gives: `logits` (N, queries, classes + 1), the last being "no
    object", and `pred_boxes` (N, queries, 4), cx cy w h as shares of the picture. `topk` gives the best `k` queries by
    softmax score of an object's class, best first: `boxes` (N, k, 4) as x1 y1 x2 y2 in input pixels, `scores` (N, k)
    and `classes` (N, k) int32. Queries are a set: there is nothing to suppress.
    """
    size = x.dims[2:]
    s = as_stored(s, "model.encoder.layers.0.mlp.fc1.weight", PUBLISHED)
    inner = s / "model"
    backbone = inner / "backbone" / "model"
    features = list((_timm if backbone.has("conv1.weight") else _transformers)(backbone, x, cfg.depths))
    x = conv(inner / "input_projection", features[-1], WIDTH, 1)
    where = inner / "position_embedding"
    _, _, height, width = x.dims
    positions = where.cast(sine_positions(where, height, width, WIDTH), x.dtype)
    memory = to_tokens(inner / "input_projection", x)
    for i in range(LAYERS):
        memory = _encoder_layer(inner / "encoder" / "layers" / i, memory, positions)
    queries = _decoder(inner, memory, add(inner / "decoder", memory, positions, suffix="keys"))
    logits = linear(s / "class_labels_classifier", queries, -1)
    boxes = sigmoid(s, _box_network(s / "bbox_predictor", queries), suffix="boxes")
    s.net.facts["decode"] = {"kind": "detr", "head": cfg.head, "classes": logits.shape[2] - 1}
    if cfg.head != "topk":
        return {"logits": logits, "pred_boxes": boxes}
    return _best(s, logits, boxes, size, min(cfg.k, logits.shape[1]))


def _encoder_layer(s: Scope, x: Tensor, positions: Tensor) -> Tensor:
    where = add(s, x, positions, suffix="where")
    x = layer_norm(s / "self_attn_layer_norm", x + attention(s / "self_attn", where, where, x, HEADS))
    return s.net.record(s.path, layer_norm(s / "final_layer_norm", x + _feed_forward(s / "mlp", x)))


def _decoder(inner: Scope, memory: Tensor, keys: Tensor) -> Tensor:
    """What the decoder finds for each query, (N, queries, C). `keys` is the memory with its positions."""
    count = (inner / "query_position_embeddings").take("weight", -1, WIDTH).shape[0]
    asked = unsqueeze(inner, parameter(inner / "query_position_embeddings", "weight", count, WIDTH), 0, "queries")
    s = inner / "decoder"
    nothing = zeros(s, (1, count, WIDTH), memory.dtype, suffix="nothing")
    x = expand(s, nothing, (memory.dims[0], count, WIDTH), suffix="start")
    for i in range(LAYERS):
        layer = s / "layers" / i
        where = add(layer, x, asked, suffix="where")
        y = attention(layer / "self_attn", where, where, x, HEADS)
        x = layer_norm(layer / "self_attn_layer_norm", x + y)
        y = attention(layer / "encoder_attn", add(layer, x, asked, suffix="asked"), keys, memory, HEADS)
        x = layer_norm(layer / "encoder_attn_layer_norm", x + y)
        x = layer_norm(layer / "final_layer_norm", x + _feed_forward(layer / "mlp", x))
        s.net.record(layer.path, x)
    return layer_norm(s / "layernorm", x)


def _feed_forward(s: Scope, x: Tensor) -> Tensor:
    y = relu(s / "activation_fn", linear(s / "fc1", x, HIDDEN))
    return s.net.record(s.path, linear(s / "fc2", y, WIDTH))


def _box_network(s: Scope, x: Tensor) -> Tensor:
    for i in range(2):
        x = relu(s, linear(s / "layers" / i, x, WIDTH), suffix=f"relu{i}")
    return s.net.record(s.path, linear(s / "layers" / 2, x, 4))


def _best(s: Scope, logits: Tensor, boxes: Tensor, size: Sequence[int | Dim], k: int) -> dict[str, Tensor]:
    """The best `k` queries, their boxes as x1 y1 x2 y2 in the pixels of an input of `size` (height, width)."""
    shares = softmax(s, s.cast(logits, "float32"), suffix="shares")
    best, indices = topk(s, cut(s, shares, 2, 0, -1, suffix="objects"), 1, 2, suffix="best")
    scores, chosen = topk(s, squeeze(s, best, 2, suffix="best:flat"), k, 1, suffix="scores")
    classes = take(s, squeeze(s, indices, 2, suffix="best:classes"), chosen, 1, batched=1, suffix="classes")
    pixels = s.cast(shape_tensor(s, (size[1], size[0])), "float32")
    found = take(s, s.cast(boxes, "float32"), chosen, 1, batched=1, suffix="chosen")
    centre = mul(s, cut(s, found, 2, 0, 2, suffix="chosen:centre"), pixels, suffix="centre")
    half = mul(s, mul(s, cut(s, found, 2, 2, 4, suffix="chosen:size"), pixels, suffix="size"), 0.5, suffix="half")
    corners = [sub(s, centre, half, suffix="first"), add(s, centre, half, suffix="last")]
    return {"boxes": concat(s, corners, 2, suffix="corners"), "scores": scores, "classes": classes}


def _timm(s: Scope, x: Tensor, depths: Sequence[int]) -> Iterator[Tensor]:
    """The four maps of timm's ResNet, as DETR was published with."""
    x = relu(s / "act1", conv_bn(s / "conv1", s / "bn1", x, 64, 7, 2, 3))
    x = max_pool(s / "maxpool", x, 3, 2, 1)
    for stage, depth in enumerate(depths):
        layer = s / f"layer{stage + 1}"
        for i in range(depth):
            x = _timm_block(layer / i, x, 64 << stage, 2 if stage and not i else 1)
        s.net.record(layer.path, x)
        s.net.record(f"{s.path}[{stage}]", x)
        s.net.record(f"model.backbone[{stage}][0]", x)  # a list of (map, mask)
        yield x


def _timm_block(s: Scope, x: Tensor, width: int, stride: int) -> Tensor:
    y = relu(s / "act1", conv_bn(s / "conv1", s / "bn1", x, width, 1))
    y = conv_bn(s / "conv2", s / "bn2", y, width, 3, stride, 1)
    y = identity(s / "aa", relu(s / "act2", identity(s / "drop_block", y)))
    y = conv_bn(s / "conv3", s / "bn3", y, 4 * width, 1)
    if stride != 1 or x.shape[1] != 4 * width:
        down = s / "downsample"
        x = s.net.record(down.path, conv_bn(down / 0, down / 1, x, 4 * width, 1, stride))
    return s.net.record(s.path, relu(s / "act3", y + x))


def _transformers(s: Scope, x: Tensor, depths: Sequence[int]) -> Iterator[Tensor]:
    """The last map of transformers' own ResNet."""
    stem = s / "embedder"
    x = relu(stem / "embedder" / "activation", _normalized(stem / "embedder", x, 64, 7, 2))
    x = s.net.record(stem.path, max_pool(stem / "pooler", s.net.record(f"{stem.path}.embedder", x), 3, 2, 1))
    for stage, depth in enumerate(depths):
        layers = s / "encoder" / "stages" / stage / "layers"
        for i in range(depth):
            x = _transformers_block(layers / i, x, 64 << stage, 2 if stage and not i else 1)
        s.net.record(layers.path, x)
        s.net.record(layers.path.removesuffix(".layers"), x)
    yield s.net.record("model.backbone[0][0]", x)  # a list of (map, mask)


def _transformers_block(s: Scope, x: Tensor, width: int, stride: int) -> Tensor:
    y = x
    for i, (out, kernel, step) in enumerate(((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))):
        part = s / "layer" / i
        act = identity if i == 2 else relu
        y = s.net.record(part.path, act(part / "activation", _normalized(part, y, out, kernel, step)))
    s.net.record(f"{s.path}.layer", y)
    if stride != 1 or x.shape[1] != 4 * width:
        x = s.net.record(f"{s.path}.shortcut", _normalized(s / "shortcut", x, 4 * width, 1, stride))
    else:
        x = identity(s / "shortcut", x)
    return s.net.record(s.path, relu(s / "activation", y + x))


def _normalized(s: Scope, x: Tensor, out: int, kernel: int, stride: int) -> Tensor:
    return conv_bn(s / "convolution", s / "normalization", x, out, kernel, stride, kernel // 2)
