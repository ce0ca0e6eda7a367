"""ConvNeXt V2 (Woo et al. 2023), with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.grn import global_response_norm
from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.layer_norm2d import layer_norm2d
from wtsnet.blocks.classifiers.timm_layers import global_pool
from wtsnet.definition import model
from wtsnet.ops import add, conv, flatten, gelu, identity, layer_norm, linear, permute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

EPS = 1e-6


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
    x = layer_norm2d(s / "stem" / 1, conv(s / "stem" / 0, x, cfg.width, 4, 4), EPS)
    s.net.record((s / "stem").path, x)
    block = _of_convolutions if cfg.convolutions else _of_linear_layers
    for stage, depth in enumerate(cfg.depths):
        at = s / "stages" / stage
        down = at / "downsample"
        if stage:
            x = conv(down / 1, layer_norm2d(down / 0, x, EPS), cfg.width << stage, 2, 2)
        s.net.record(down.path, x)
        for i in range(depth):
            x = _residual(at / "blocks" / i, x, block(at / "blocks" / i, x))
        s.net.record((at / "blocks").path, x)
        s.net.record(at.path, x)
    x = identity(s / "norm_pre", s.net.record((s / "stages").path, x))
    head = s / "head"
    x = layer_norm2d(head / "norm", global_pool(head / "global_pool", x, flat=False), EPS)
    x = identity(head / "drop", identity(head / "pre_logits", flatten(head / "flatten", x)))
    return {"logits": s.net.record(head.path, linear(head / "fc", x, -1))}


def _residual(s: Scope, x: Tensor, y: Tensor) -> Tensor:
    return add(s, y, identity(s / "shortcut", x))


def _of_convolutions(s: Scope, x: Tensor) -> Tensor:
    """A 7×7 kernel on each channel, then two 1×1 convolutions with a global response norm between."""
    c = x.shape[1]
    y = layer_norm2d(s / "norm", conv(s / "conv_dw", x, c, 7, 1, 3, groups=c), EPS)
    mlp = s / "mlp"
    y = identity(mlp / "drop1", gelu(mlp / "act", conv(mlp / "fc1", y, 4 * c, 1)))
    y = conv(mlp / "fc2", global_response_norm(mlp / "grn", y), c, 1)
    return identity(s / "drop_path", s.net.record(mlp.path, identity(mlp / "drop2", y)))


def _of_linear_layers(s: Scope, x: Tensor) -> Tensor:
    """The same with the channels last and linear layers."""
    c = x.shape[1]
    y = permute(s, conv(s / "conv_dw", x, c, 7, 1, 3, groups=c), (0, 2, 3, 1), suffix="last")
    mlp = s / "mlp"
    y = linear(mlp / "fc1", layer_norm(s / "norm", y, eps=EPS), 4 * c)
    y = global_response_norm(mlp / "grn", identity(mlp / "drop1", gelu(mlp / "act", y)), axis=3)
    y = s.net.record(mlp.path, identity(mlp / "drop2", linear(mlp / "fc2", y, c)))
    return permute(s / "drop_path", y, (0, 3, 1, 2))
