"""ViT (Dosovitskiy et al. 2020), with torchvision's weight names or with Hugging Face's."""

from __future__ import annotations

import dataclasses
from math import isqrt
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.transformers.names import as_stored
from wtsnet.blocks.transformers.tokens import attention, class_token, feed_forward, mlp
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import conv2d, layer_norm, linear, multihead_attention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor, Weights


@dataclasses.dataclass(frozen=True)
class ViT:
    """A variant: channels of a token, layers, heads and the side of a patch in pixels.

    Attributes:
        resize: the shorter side of a picture before 224×224 are cut out of it.
        table: the weight that holds the positions.
        imgsz: height and width of the pictures; what the weights hold positions for.
    """

    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16
    resize: int = 256
    table: str = "encoder.pos_embedding"
    imgsz: int = 224

    def bind(self, weights: Weights) -> ViT:
        """With the size of pictures for which the weights hold positions, where these make a square."""
        patches = weights.take(self.table, (1, -1, self.width)).shape[1] - 1
        side = isqrt(max(patches, 0))
        return dataclasses.replace(self, imgsz=side * self.patch) if side and side**2 == patches else self


VITS = {
    "vit_b_16": ViT(),
    "vit_b_32": ViT(patch=32),
    "vit_l_16": ViT(1024, 24, 16, resize=242),
    "vit_l_32": ViT(1024, 24, 16, patch=32),
}
TABLE = "vit.embeddings.position_embeddings"
HUGGING_FACE = {
    "vit-tiny-patch16": ViT(192, heads=3, table=TABLE),
    "vit-small-patch16": ViT(384, heads=6, table=TABLE),
    "vit-base-patch16": ViT(table=TABLE),
    "vit-base-patch32": ViT(patch=32, table=TABLE),
    "vit-large-patch16": ViT(1024, 24, 16, table=TABLE),
    "vit-large-patch32": ViT(1024, 24, 16, patch=32, table=TABLE),
}
# Names in transformers 5 and, in published weights, those of transformers 4.
PUBLISHED = (
    (r"^vit\.layers\.", "vit.encoder.layer."),
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
)


def _cropped(cfg: ViT) -> Image:
    return imagenet(cfg.imgsz, round(cfg.resize * cfg.imgsz / 224))


def _stretched(cfg: ViT) -> Image:
    preprocess = {"kind": "stretch", "mean": [0.5] * 3, "std": [0.5] * 3}
    return Image(size=cfg.imgsz, name="pixel_values", preprocess=preprocess)


@model("vit", image=_cropped, task="classify", upstream="torchvision", variants=VITS)
def vit(s: Scope, x: Tensor, cfg: ViT) -> Mapping[str, Tensor]:
    """Patches as tokens behind a class token, pre-norm encoder layers, and a linear classifier of the class token."""
    _check_size(s, x, cfg)
    x = conv2d(s / "conv_proj", x, cfg.width, cfg.patch, stride=cfg.patch).flatten(2).transpose(1, 2)
    x = _encoder(s / "encoder", class_token(s, "class_token", x), cfg)
    return {"logits": linear(s / "heads" / "head", x[:, 0], -1).named(s / "heads")}


@module
def _encoder(s: Scope, x: Tensor, cfg: ViT) -> Tensor:
    x = x + s.parameter("pos_embedding", 1, *x.shape[1:])
    for i in range(cfg.depth):
        x = _layer(s / "layers" / f"encoder_layer_{i}", x, cfg.heads)
    return layer_norm(s / "ln", x.named(s / "layers"), eps=1e-6)


@module
def _layer(s: Scope, x: Tensor, heads: int) -> Tensor:
    y = layer_norm(s / "ln_1", x, eps=1e-6)
    x = x + multihead_attention(s / "self_attention", y, y, y, heads, batch_first=True)
    return x + feed_forward(s / "mlp", layer_norm(s / "ln_2", x, eps=1e-6))


@model("vit-huggingface", image=_stretched, task="classify", upstream="transformers", variants=HUGGING_FACE)
def vit_huggingface(s: Scope, x: Tensor, cfg: ViT) -> Mapping[str, Tensor]:
    """The same network as `ViTForImageClassification`; its weights by the names of transformers 5 or as published."""
    _check_size(s, x, cfg)
    s = as_stored(s, "vit.layers.0.layernorm_before.weight", PUBLISHED)
    top = s / "vit"
    (top / "pooler" / "dense").leave("weight", "bias")  # some checkpoints carry it; the classifier takes the token
    x = _embeddings(top / "embeddings", x, cfg)
    for i in range(cfg.depth):
        x = _huggingface_layer(top / "layers" / i, x, cfg.heads)
    x = layer_norm(top / "layernorm", x, eps=1e-12)
    return {"logits": linear(s / "classifier", x[:, 0], -1)}


@module
def _embeddings(s: Scope, x: Tensor, cfg: ViT) -> Tensor:
    patches = s / "patch_embeddings"
    x = conv2d(patches / "projection", x, cfg.width, cfg.patch, stride=cfg.patch).flatten(2).transpose(1, 2)
    x = class_token(s, "cls_token", x.named(patches))
    return x + s.parameter("position_embeddings", 1, *x.shape[1:])


@module
def _huggingface_layer(s: Scope, x: Tensor, heads: int) -> Tensor:
    y = layer_norm(s / "layernorm_before", x, eps=1e-12)
    x = x + attention(s / "attention", y, y, y, heads)
    return x + mlp(s / "mlp", layer_norm(s / "layernorm_after", x, eps=1e-12), 4 * x.shape[2])


def _check_size(s: Scope, x: Tensor, cfg: ViT) -> None:
    """Raise unless the weights hold a position for each patch."""
    if -1 in x.shape[2:]:
        raise s.error(f"input: found dynamic sizes {x.shape}, expected fixed ones: each patch has a learnt position")
    rows, columns = (size // cfg.patch for size in x.shape[2:])
    known = s.net.weights.take(cfg.table, (1, -1, cfg.width)).shape[1] - 1
    if rows * columns != known:
        found = f"{x.shape[2]}x{x.shape[3]} pixels, which are {rows * columns} patches"
        raise s.error(f"input: found {found}, expected {known}, for which {cfg.table} has positions")
