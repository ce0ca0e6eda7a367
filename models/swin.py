"""Swin transformers (Liu et al. 2021) and version 2 (Liu et al. 2022), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.transformers.tokens import feed_forward
from wtsnet.blocks.transformers.windows import window_attention
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import cat, conv2d, layer_norm, linear, pad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class Swin:
    """A variant: channels and heads of the first stage, blocks a stage, and whether it is version 2.

    Attributes:
        resize: the shorter side of a picture before the square is cut out of it.
    """

    width: int
    heads: int
    depths: tuple[int, ...]
    resize: int
    v2: bool = False

    @property
    def window(self) -> int:
        """Height and width of a window."""
        return 8 if self.v2 else 7


SWINS = {
    "swin_t": Swin(96, 3, (2, 2, 6, 2), 232),
    "swin_s": Swin(96, 3, (2, 2, 18, 2), 246),
    "swin_b": Swin(128, 4, (2, 2, 18, 2), 238),
    "swin_v2_t": Swin(96, 3, (2, 2, 6, 2), 260, v2=True),
    "swin_v2_s": Swin(96, 3, (2, 2, 18, 2), 260, v2=True),
    "swin_v2_b": Swin(128, 4, (2, 2, 18, 2), 272, v2=True),
}


def image(cfg: Swin) -> Image:
    """The input: seven windows of the first stage in a row, or eight."""
    return imagenet(256 if cfg.v2 else 224, cfg.resize, interpolation="bicubic")


@model("swin", image=image, task="classify", upstream="torchvision", variants=SWINS)
def swin(s: Scope, x: Tensor, cfg: Swin) -> Mapping[str, Tensor]:
    """4×4 patches, four stages of blocks between which pixels merge, and a linear classifier."""
    if -1 in x.shape[2:]:
        raise s.error(f"input: found dynamic sizes {x.shape}, expected fixed ones: they decide how windows lie")
    features = s / "features"
    x = conv2d(features / 0 / 0, x, cfg.width, 4, stride=4).permute(0, 2, 3, 1)
    x = layer_norm(features / 0 / 2, x).named(features / 0)
    for stage, depth in enumerate(cfg.depths):
        if stage:
            x = _merging(features / (2 * stage), x, cfg.v2)
        blocks = features / (2 * stage + 1)
        for i in range(depth):
            x = _block(blocks / i, x, cfg.heads << stage, i % 2 == 1, cfg)
        x.named(blocks)
    x = layer_norm(s / "norm", x.named(features))
    return {"logits": linear(s / "head", x.mean((1, 2)), -1)}


@module
def _block(s: Scope, x: Tensor, heads: int, shifted: bool, cfg: Swin) -> Tensor:
    """Attention and a small network, each added to its input: the norms are before them, in version 2 behind."""
    if cfg.v2:
        y = window_attention(s / "attn", x, heads, cfg.window, shifted=shifted, cosine=True)
        x = x + layer_norm(s / "norm1", y)
        return x + layer_norm(s / "norm2", feed_forward(s / "mlp", x))
    x = x + window_attention(s / "attn", layer_norm(s / "norm1", x), heads, cfg.window, shifted=shifted)
    return x + feed_forward(s / "mlp", layer_norm(s / "norm2", x))


@module
def _merging(s: Scope, x: Tensor, v2: bool) -> Tensor:
    """Each 2×2 pixels become one of twice the channels; an odd side gets zeros at its end."""
    height, width, channels = x.shape[1:]
    x = pad(x, (0, 0, 0, width % 2, 0, height % 2))
    x = cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], 3)
    if v2:
        return layer_norm(s / "norm", linear(s / "reduction", x, 2 * channels, bias=False))
    return linear(s / "reduction", layer_norm(s / "norm", x), 2 * channels, bias=False)
