"""HRNet (Wang et al. 2019) for classification, with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act
from wtsnet.blocks.classifiers.resnet import basic_block, bottleneck_block
from wtsnet.definition import Image, model
from wtsnet.network import module
from wtsnet.ops import conv_bn, interpolate, linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class HRNet:
    """A variant.

    Attributes:
        width: channels of the finest branch; each coarser one has twice those of the one before.
        blocks: residual blocks in each branch of a module.
        modules: modules of two, of three and of four branches.
        stem: bottlenecks before there are branches, and their width.
        resize, interpolation: of pictures before the crop.
    """

    width: int
    blocks: int = 4
    modules: tuple[int, int, int] = (1, 4, 3)
    stem: tuple[int, int] = (4, 64)
    resize: int = 256
    interpolation: str = "bilinear"


HRNETS = {
    "hrnet_w18_small": HRNet(16, 2, (1, 1, 1), (1, 32), interpolation="bicubic"),
    "hrnet_w18_small_v2": HRNet(18, 2, (1, 3, 2), (2, 64), interpolation="bicubic"),
    "hrnet_w18": HRNet(18, resize=235),
    "hrnet_w30": HRNet(30),
    "hrnet_w32": HRNet(32),
    "hrnet_w40": HRNet(40),
    "hrnet_w44": HRNet(44),
    "hrnet_w48": HRNet(48),
    "hrnet_w64": HRNet(64),
}


def image(cfg: HRNet) -> Image:
    """The input that the published weights were measured on. Each branch has half the size of the finer one."""
    return imagenet(resize=cfg.resize, interpolation=cfg.interpolation, multiple=32)


@model("hrnet", image=image, task="classify", upstream="timm", variants=HRNETS)
def hrnet(s: Scope, x: Tensor, cfg: HRNet) -> Mapping[str, Tensor]:
    """A stem, three stages of one branch more each, which exchange what they find, and a classifier."""
    for i in (1, 2):
        x = relu(conv_bn(s / f"conv{i}", s / f"bn{i}", x, 64, 3, stride=2, padding=1))
    depth, width = cfg.stem
    for i in range(depth):
        x = bottleneck_block(s / "layer1" / i, x, width)
    xs = [x.named(s / "layer1")]
    for i, count in enumerate(cfg.modules, 1):
        xs = _transition(s / f"transition{i}", xs, cfg.width)
        xs = _stage(s / f"stage{i + 1}", xs, count, cfg.blocks)
    return {"logits": linear(s / "classifier", _joined(s, xs).mean((2, 3)), -1)}


def _transition(s: Scope, xs: Sequence[Tensor], width: int) -> list[Tensor]:
    """The branches, with `width` channels in the first, twice those in the second …, and one more at half the size."""
    made = []
    for i, x in enumerate(xs):
        out = width << i
        made.append(x if x.shape[1] == out else conv_norm_act(s / i, x, out))
    last = s / len(xs)
    return [*made, conv_norm_act(last / 0, xs[-1], width << len(xs), stride=2).named(last)]


@module
def _stage(s: Scope, xs: list[Tensor], count: int, blocks: int) -> list[Tensor]:
    for i in range(count):
        xs = _module(s / i, xs, blocks)
    return xs


@module
def _module(s: Scope, xs: Sequence[Tensor], blocks: int) -> list[Tensor]:
    """Residual blocks in each branch, then in each the sum of all, brought to its size and channels: figure 3."""
    ys = [_branch(s / "branches" / i, x, blocks) for i, x in enumerate(xs)]
    fused = []
    for i, y in enumerate(ys):
        total, *others = (_brought(s / "fuse_layers" / i / j, x, j, i, y.shape[1]) for j, x in enumerate(ys))
        for other in others:
            total = total + other
        fused.append(relu(total))
    return fused


@module
def _branch(s: Scope, x: Tensor, blocks: int) -> Tensor:
    for i in range(blocks):
        x = basic_block(s / i, x, x.shape[1])
    return x


def _brought(s: Scope, x: Tensor, source: int, target: int, out: int) -> Tensor:
    """`x` of branch `source` as one of `target`, with `out` channels."""
    if source > target:
        return interpolate(conv_bn(s / 0, s / 1, x, out, 1), scale_factor=2 ** (source - target)).named(s)
    for i in range(steps := target - source):
        last = i == steps - 1
        x = conv_norm_act(s / i, x, out if last else x.shape[1], stride=2, act=None if last else relu)
    return x if source == target else x.named(s)


def _joined(s: Scope, xs: Sequence[Tensor]) -> Tensor:
    """All branches as one of the coarsest size: from the finest on, each is widened and added to the next."""
    wider = s / "incre_modules"
    total, *others = (bottleneck_block(wider / i / 0, x, 32 << i).named(wider / i) for i, x in enumerate(xs))
    for i, x in enumerate(others):
        total = x + _conv(s / "downsamp_modules" / i, total, x.shape[1], 3, stride=2)
    return _conv(s / "final_layer", total, 2048, 1)


@module
def _conv(s: Scope, x: Tensor, out: int, k: int, stride: int = 1) -> Tensor:
    """A convolution `0` with a bias, batch norm `1`, ReLU."""
    return relu(conv_bn(s / 0, s / 1, x, out, k, stride, padding=k // 2, bias=True))
