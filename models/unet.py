"""U-Net (Ronneberger et al. 2015) as milesial/Pytorch-UNet has it, with batch norms and padded convolutions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.network import module
from wtsnet.ops import cat, conv2d, conv_bn, conv_transpose2d, interpolate, max_pool2d, pad, relu

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
        maps.append(_down(s / f"down{i + 1}", maps[-1]))
    x = maps.pop()
    for i, own in enumerate(reversed(maps)):
        x = _up(s / f"up{i + 1}", x, own)
    logits = conv2d(s / "outc" / "conv", x, -1, 1).named(s / "outc")
    s.net.facts["decode"] = {"kind": "semantic", "head": cfg.head, "classes": logits.shape[1]}
    if cfg.head != "classes":
        return {"logits": logits}
    if logits.shape[1] > 1:
        return {"classes": logits.argmax(1)}
    return {"classes": (logits.squeeze(1) > 0).int()}


@module
def _down(s: Scope, x: Tensor) -> Tensor:
    """Half the size, and twice the channels."""
    s = s / "maxpool_conv"
    return _double_conv(s / 1, max_pool2d(x, 2)).named(s)


@module
def _double_conv(s: Scope, x: Tensor) -> Tensor:
    """Convolution, norm and ReLU, twice: as many channels as the weights have. Weights from before 2022 have biases."""
    s = s / "double_conv"
    for i in (0, 3):
        conv, bn = s / i, s / (i + 1)
        out = conv.take("weight", -1, x.shape[1], 3, 3).shape[0]
        x = relu(conv_bn(conv, bn, x, out, 3, padding=1, bias=conv.has("bias")))
    return x.named(s)


@module
def _up(s: Scope, x: Tensor, own: Tensor) -> Tensor:
    """Twice the size, by a transposed convolution where the weights have one, then padded to the size of `own`."""
    if (s / "up").has_weights():
        x = conv_transpose2d(s / "up", x, -1, 2, stride=2)
    else:
        x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=True).named(s / "up")
    # An odd side lost its last row on the way down: the half of it that upstream pads in front is none.
    bottom, right = (whole - size for whole, size in zip(own.dims[2:], x.dims[2:], strict=True))
    x = pad(x, (0, right, 0, bottom))
    return _double_conv(s / "conv", cat((own, x), 1))
