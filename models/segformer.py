"""SegFormer (Xie et al. 2021) for semantic segmentation, with the weight names of Hugging Face."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.blocks.transformers.names import as_stored
from wtsnet.blocks.transformers.tokens import attention
from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.network import module
from wtsnet.ops import cat, conv2d, conv_bn, gelu, interpolate, layer_norm, linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Dim, Scope, Tensor, Weights

    Size = tuple[int | Dim, ...]  # height and width of the map that tokens lie on

HEADS = ("raw", "decoded", "classes")


@dataclasses.dataclass(frozen=True)
class SegFormer:
    """A variant: channels and blocks of each stage, and channels of the decoder."""

    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    decoder: int = 768
    head: str = option("raw", "what leaves the network: classes, or logits as raw or decoded")

    def bind(self, _: Weights) -> SegFormer:
        """Itself, once it is checked."""
        if self.head not in HEADS:
            raise ModelError(f"head: found {self.head!r}, expected one of {', '.join(HEADS)}")
        return self


SEGFORMERS = {
    "segformer-b0": SegFormer((32, 64, 160, 256), decoder=256),
    "segformer-b1": SegFormer(decoder=256),
    "segformer-b2": SegFormer(depths=(3, 4, 6, 3)),
    "segformer-b3": SegFormer(depths=(3, 4, 18, 3)),
    "segformer-b4": SegFormer(depths=(3, 8, 27, 3)),
    "segformer-b5": SegFormer(depths=(3, 6, 40, 3)),
}
ATTENTION_HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # the sides of what becomes one key and value
# Names in transformers 5 and, in published weights, those of transformers 4.
PUBLISHED = (
    (r"\.stages\.(\d)\.patch_embeddings", r".encoder.patch_embeddings.\1"),
    (r"\.stages\.(\d)\.blocks", r".encoder.block.\1"),
    (r"\.stages\.(\d)\.layer_norm", r".encoder.layer_norm.\1"),
    (r"attention\.q_proj", "attention.self.query"),
    (r"attention\.k_proj", "attention.self.key"),
    (r"attention\.v_proj", "attention.self.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"sequence_reduction\.sequence_reduction", "self.sr"),
    (r"sequence_reduction\.layer_norm", "self.layer_norm"),
    (r"mlp\.fc", "mlp.dense"),
    ("layernorm_before", "layer_norm_1"),
    ("layernorm_after", "layer_norm_2"),
    ("linear_projections", "linear_c"),
)

IMAGE = Image(size=512, name="pixel_values", preprocess={"kind": "stretch", "mean": list(MEAN), "std": list(STD)})


@model("segformer", image=IMAGE, task="semantic", upstream="transformers", variants=SEGFORMERS)
def segformer(s: Scope, x: Tensor, cfg: SegFormer) -> Mapping[str, Tensor]:
    """Four stages, each of half the size, whose maps are brought to one size and width, and a classifier of pixels.

    Heads `raw` and `decoded` are what upstream's model gives: logits (N, classes, H/4, W/4). With `classes` the
    network gives for each pixel of the input the best class, (N, H, W) int32, the logits being scaled up bilinearly.
    """
    size = x.dims[2:]
    s = as_stored(s, "segformer.stages.0.layer_norm.weight", PUBLISHED)
    maps = []
    for i in range(4):
        x = _stage(s / "segformer" / "stages" / i, x, i, cfg)
        maps.append(x)
    logits = _decoder(s / "decode_head", maps, cfg.decoder)
    s.net.facts["decode"] = {"kind": "semantic", "head": cfg.head, "classes": logits.shape[1]}
    if cfg.head != "classes":
        return {"logits": logits}
    return {"classes": interpolate(logits, size, mode="bilinear").argmax(1)}


@module
def _stage(s: Scope, x: Tensor, index: int, cfg: SegFormer) -> Tensor:
    """Patches that overlap, and blocks over them: (N, C, H, W) to a map of half its size, a quarter in the first."""
    patches = s / "patch_embeddings"
    kernel, stride = (3, 2) if index else (7, 4)
    x = conv2d(patches / "proj", x, cfg.widths[index], kernel, stride=stride, padding=kernel // 2)
    size = x.dims[2:]
    x = layer_norm(patches / "layer_norm", x.flatten(2).transpose(1, 2))
    x.named(patches[0])  # the module gives the size, too
    for i in range(cfg.depths[index]):
        x = _block(s / "blocks" / i, x, size, index)
    return layer_norm(s / "layer_norm", x).transpose(1, 2).unflatten(2, size)


@module
def _block(s: Scope, x: Tensor, size: Size, stage: int) -> Tensor:
    y = keys = layer_norm(s / "layernorm_before", x)
    if (side := REDUCTIONS[stage]) > 1:
        keys = _reduced(s / "attention" / "sequence_reduction", y, size, side)
    x = x + attention(s / "attention", y, keys, keys, ATTENTION_HEADS[stage])
    return x + _mixed(s / "mlp", layer_norm(s / "layernorm_after", x), size)


@module
def _reduced(s: Scope, x: Tensor, size: Size, side: int) -> Tensor:
    """One token for each square of `side` tokens."""
    y = conv2d(s / "sequence_reduction", x.transpose(1, 2).unflatten(2, size), x.shape[2], side, stride=side)
    return layer_norm(s / "layer_norm", y.flatten(2).transpose(1, 2))


@module
def _mixed(s: Scope, x: Tensor, size: Size) -> Tensor:
    """Two linear layers with a depthwise convolution between them, which tells tokens where they are."""
    hidden = 4 * x.shape[2]
    y = linear(s / "fc1", x, hidden).transpose(1, 2).unflatten(2, size)
    y = conv2d(s / "dwconv" / "dwconv", y, hidden, 3, padding=1, groups=hidden)
    y = y.flatten(2).transpose(1, 2).named(s / "dwconv")
    return linear(s / "fc2", gelu(y), x.shape[2])


@module
def _decoder(s: Scope, maps: list[Tensor], width: int) -> Tensor:
    """All maps in the first one's size, the last first; one convolution over them, and the classifier."""
    scaled = []
    for i, x in enumerate(maps):
        projection = s / "linear_projections" / i
        y = linear(projection / "proj", x.flatten(2).transpose(1, 2), width).named(projection)
        y = y.transpose(1, 2).unflatten(2, x.dims[2:])
        scaled.append(interpolate(y, maps[0].dims[2:], mode="bilinear"))
    x = relu(conv_bn(s / "linear_fuse", s / "batch_norm", cat(scaled[::-1], 1), width, 1))
    return conv2d(s / "classifier", x, -1, 1)
