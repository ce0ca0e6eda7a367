"""ConvNeXt V2 (Woo et al. 2023), with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.grn import global_response_norm
from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.layer_norm2d import layer_norm2d
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import conv2d, gelu, layer_norm, linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class ConvNeXtV2:
    """A variant: channels of the first stage, which double from stage to stage, blocks a stage, and whether the two
    layers at each place are 1×1 convolutions or linear ones over the last dimension."""

    width: int
    depths: tuple[int, int, int, int]
    convolutions: bool = False


CONVNEXTS = {
    "convnextv2_atto": ConvNeXtV2(40, (2, 2, 6, 2), convolutions=True),
    "convnextv2_femto": ConvNeXtV2(48, (2, 2, 6, 2), convolutions=True),
    "convnextv2_pico": ConvNeXtV2(64, (2, 2, 6, 2), convolutions=True),
    "convnextv2_nano": ConvNeXtV2(80, (2, 2, 8, 2), convolutions=True),
    "convnextv2_tiny": ConvNeXtV2(96, (3, 3, 9, 3)),
    "convnextv2_base": ConvNeXtV2(128, (3, 3, 27, 3)),
    "convnextv2_large": ConvNeXtV2(192, (3, 3, 27, 3)),
}


@model("convnextv2", image=imagenet(interpolation="bicubic"), task="classify", upstream="timm", variants=CONVNEXTS)
def convnextv2(s: Scope, x: Tensor, cfg: ConvNeXtV2) -> Mapping[str, Tensor]:
    """Patches of 4×4 pixels, four stages, between them half the size and twice the channels, and a classifier."""
    x = conv2d(s / "stem" / 0, x, cfg.width, 4, stride=4)
    x = layer_norm2d(s / "stem" / 1, x).named(s / "stem")
    block = _of_convolutions if cfg.convolutions else _of_linear_layers
    for stage, depth in enumerate(cfg.depths):
        at = s / "stages" / stage
        if stage:
            down = at / "downsample"
            x = conv2d(down / 1, layer_norm2d(down / 0, x), cfg.width << stage, 2, stride=2).named(down)
        for i in range(depth):
            x = block(at / "blocks" / i, x)
        x.named(at / "blocks").named(at)
    head = s / "head"
    x = x.named(s / "stages").mean((2, 3), keepdim=True)
    x = layer_norm2d(head / "norm", x).flatten(1)
    return {"logits": linear(head / "fc", x, -1).named(head)}


@module
def _of_convolutions(s: Scope, x: Tensor) -> Tensor:
    """A 7×7 kernel on each channel, then two 1×1 convolutions with a global response norm between."""
    mlp, channels = s / "mlp", x.shape[1]
    y = conv2d(s / "conv_dw", x, channels, 7, padding=3, groups=channels)
    y = gelu(conv2d(mlp / "fc1", layer_norm2d(s / "norm", y), 4 * channels, 1))
    y = conv2d(mlp / "fc2", global_response_norm(mlp / "grn", y), channels, 1)
    return x + y.named(mlp)


@module
def _of_linear_layers(s: Scope, x: Tensor) -> Tensor:
    """The same with the channels last and linear layers."""
    mlp, channels = s / "mlp", x.shape[1]
    y = conv2d(s / "conv_dw", x, channels, 7, padding=3, groups=channels).permute(0, 2, 3, 1)
    y = gelu(linear(mlp / "fc1", layer_norm(s / "norm", y, eps=1e-6), 4 * channels))
    y = linear(mlp / "fc2", global_response_norm(mlp / "grn", y, axis=3), channels)
    return x + y.named(mlp).permute(0, 3, 1, 2)
