"""U-Net (Ronneberger et al. 2015) as milesial/Pytorch-UNet has it, with batch norms and padded convolutions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.ops import argmax, concat, conv, conv_bn, conv_transpose, greater, max_pool, relu, squeeze, upsample
from wtsnet.ops.shape import emit_slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor, Weights

HEADS = ("raw", "decoded", "classes")
LEVELS = 4


@dataclasses.dataclass(frozen=True)
class UNet:
    """What the weights do not tell: all widths, the classes, and how maps are scaled up are read from them."""

    head: str = option("raw", "what leaves the network: classes, or logits as raw or decoded")

    def bind(self, _: Weights) -> UNet:
        """Itself, once it is checked."""
        if self.head not in HEADS:
            raise ModelError(f"head: found {self.head!r}, expected one of {', '.join(HEADS)}")
        return self


# The published weights are of pictures of 1280×1918 pixels at half their size.
IMAGE = Image(size=(640, 959), preprocess={"kind": "stretch", "interpolation": "bicubic"})


@model("unet", image=IMAGE, task="semantic", upstream="milesial/Pytorch-UNet", variants={"unet": UNet()})
def unet(s: Scope, x: Tensor, cfg: UNet) -> Mapping[str, Tensor]:
    """Two convolutions a level, down four levels and up again, where each level's own map joins.

    Heads `raw` and `decoded` are what upstream's model gives: logits (N, classes, H, W). `classes` gives for each pixel
    the best class, (N, H, W) int32; of a network with one logit, 1 where its sigmoid is above ½.
    """
    maps = [_double_conv(s / "inc", x)]
    for i in range(LEVELS):
        down = s / f"down{i + 1}"
        pooled = max_pool(down / "maxpool_conv" / 0, maps[-1], 2)
        y = _double_conv(down / "maxpool_conv" / 1, pooled)
        s.net.record(f"{down.path}.maxpool_conv", y)
        maps.append(s.net.record(down.path, y))
    x = maps.pop()
    for i, own in enumerate(reversed(maps)):
        x = _up(s / f"up{i + 1}", x, own)
    logits = s.net.record("outc", conv(s / "outc" / "conv", x, -1, 1))
    s.net.facts["decode"] = {"kind": "semantic", "head": cfg.head, "classes": logits.shape[1]}
    if cfg.head != "classes":
        return {"logits": logits}
    if logits.shape[1] > 1:
        return {"classes": argmax(s, logits, 1, suffix="classes")}
    inside = greater(s, squeeze(s, logits, 1, suffix="logit"), 0.0, suffix="inside")
    return {"classes": s.cast(inside, "int32")}


def _double_conv(s: Scope, x: Tensor) -> Tensor:
    """Convolution, norm and ReLU, twice: as many channels as the weights have. Weights from before 2022 have biases."""
    row = s / "double_conv"
    for i in (0, 3):
        kernel = row / i
        out = kernel.take("weight", -1, x.shape[1], 3, 3).shape[0]
        x = conv_bn(kernel, row / (i + 1), x, out, 3, 1, 1, bias=kernel.has("bias"))
        x = relu(row / (i + 2), x)
    s.net.record(row.path, x)
    return s.net.record(s.path, x)


def _up(s: Scope, x: Tensor, own: Tensor) -> Tensor:
    """Twice the size, by a transposed convolution where the weights have one, then padded to the size of `own`."""
    up = s / "up"
    transposed = up.has("weight")
    x = conv_transpose(up, x, -1, 2, 2) if transposed else upsample(up, x, 2, mode="bilinear", align_corners=True)
    if x.shape[2:] != own.shape[2:] or -1 in x.shape[2:]:
        # An odd side lost its last row on the way down: the half of it that upstream pads in front is none.
        x = emit_slice(s, x, [0] * 4, [*x.dims[:2], *own.dims[2:]], (1,) * 4, "FILL", suffix="padded")
    x = _double_conv(s / "conv", concat(s, [own, x], suffix="joined"))
    return s.net.record(s.path, x)
