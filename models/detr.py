"""DETR (Carion et al. 2020), with the weight names of Hugging Face and either of the two ResNets that it comes with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.blocks.classifiers.resnet import resnet_stages
from wtsnet.blocks.transformers.names import as_stored
from wtsnet.blocks.transformers.positions import sine_positions
from wtsnet.blocks.transformers.tokens import attention, mlp
from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.network import module, shape_tensor
from wtsnet.ops import (
    cat,
    conv2d,
    conv_bn,
    identity,
    index_select,
    layer_norm,
    linear,
    max_pool2d,
    relu,
    sigmoid,
    softmax,
    zeros,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    x = conv2d(inner / "input_projection", _backbone(inner / "backbone", x, cfg.depths), WIDTH, 1)
    memory, positions = x.flatten(2).transpose(1, 2), sine_positions(x)
    for i in range(LAYERS):
        memory = _encoder_layer(inner / "encoder" / "layers" / i, memory, positions)
    queries = (inner / "query_position_embeddings").parameter("weight", -1, WIDTH).unsqueeze(0)
    keys = memory + positions
    x = zeros(s, (memory.dims[0], *queries.shape[1:]), dtype=memory.dtype)
    for i in range(LAYERS):
        x = _decoder_layer(inner / "decoder" / "layers" / i, x, queries, memory, keys)
    x = layer_norm(inner / "decoder" / "layernorm", x)
    logits = linear(s / "class_labels_classifier", x, -1)
    boxes = sigmoid(_box_network(s / "bbox_predictor", x))
    s.net.facts["decode"] = {"kind": "detr", "head": cfg.head, "classes": logits.shape[2] - 1}
    if cfg.head != "topk":
        return {"logits": logits, "pred_boxes": boxes}
    return _best(logits, boxes, size, min(cfg.k, logits.shape[1]))


@module
def _encoder_layer(s: Scope, x: Tensor, positions: Tensor) -> Tensor:
    where = x + positions
    x = layer_norm(s / "self_attn_layer_norm", x + attention(s / "self_attn", where, where, x, HEADS))
    return layer_norm(s / "final_layer_norm", x + mlp(s / "mlp", x, HIDDEN, relu))


@module
def _decoder_layer(s: Scope, x: Tensor, queries: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
    """What is found for each query, (N, queries, C). `keys` is the memory with its positions."""
    where = x + queries
    x = layer_norm(s / "self_attn_layer_norm", x + attention(s / "self_attn", where, where, x, HEADS))
    y = attention(s / "encoder_attn", x + queries, keys, memory, HEADS)
    x = layer_norm(s / "encoder_attn_layer_norm", x + y)
    return layer_norm(s / "final_layer_norm", x + mlp(s / "mlp", x, HIDDEN, relu))


@module
def _box_network(s: Scope, x: Tensor) -> Tensor:
    for i in range(2):
        x = relu(linear(s / "layers" / i, x, WIDTH))
    return linear(s / "layers" / 2, x, 4)


def _best(logits: Tensor, boxes: Tensor, size: Sequence[int | Dim], k: int) -> dict[str, Tensor]:
    """The best `k` queries, their boxes as x1 y1 x2 y2 in the pixels of an input of `size` (height, width)."""
    scores, classes = softmax(logits.float(), 2)[..., :-1].max(2)
    scores, best = scores.topk(k, 1)
    classes, boxes = (index_select(x, 1, best, batch_dims=1) for x in (classes, boxes.float()))
    pixels = shape_tensor(boxes.net, (size[1], size[0])).float()
    centre, half = boxes[..., :2] * pixels, boxes[..., 2:] * pixels * 0.5
    return {"boxes": cat((centre - half, centre + half), 2), "scores": scores, "classes": classes}


def _backbone(s: Scope, x: Tensor, depths: Sequence[int]) -> Tensor:
    """The last map of timm's ResNet, as DETR was published with, or of transformers' own."""
    if not (s / "model" / "conv1").has_weights():
        return _resnet(s / "model", x, depths).named(s[0][0])  # the module gives a list of (map, mask)
    maps = resnet_stages(s / "model", x, depths)
    for i, made in enumerate(maps):
        made.named((s / "model")[i]).named(s[i][0])
    return maps[-1]


def _resnet(s: Scope, x: Tensor, depths: Sequence[int]) -> Tensor:
    """`resnet_stages` with the names of transformers, and its last map alone."""
    x = _conv(s / "embedder" / "embedder", x, 64, 7, 2)
    x = max_pool2d(x, 3, stride=2, padding=1).named(s / "embedder")
    for stage, depth in enumerate(depths):
        layers = s / "encoder" / "stages" / stage / "layers"
        for i in range(depth):
            x = _bottleneck(layers / i, x, 64 << stage, 2 if stage and not i else 1)
        x.named(layers).named(s / "encoder" / "stages" / stage)
    return x


@module
def _bottleneck(s: Scope, x: Tensor, width: int, stride: int) -> Tensor:
    y = _conv(s / "layer" / 0, x, width, 1)
    y = _conv(s / "layer" / 1, y, width, 3, stride)
    y = _conv(s / "layer" / 2, y, 4 * width, 1, act=identity).named(s / "layer")
    if stride != 1 or x.shape[1] != 4 * width:
        x = _conv(s / "shortcut", x, 4 * width, 1, stride, act=identity)
    return relu(y + x)


@module
def _conv(
    s: Scope, x: Tensor, out: int, kernel: int, stride: int = 1, act: Callable[[Tensor], Tensor] = relu
) -> Tensor:
    return act(conv_bn(s / "convolution", s / "normalization", x, out, kernel, stride=stride, padding=kernel // 2))
