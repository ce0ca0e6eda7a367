"""HRNet (Wang et al. 2019) for classification, with timm's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act
from wtsnet.blocks.classifiers.timm_layers import basic_block, bottleneck, global_pool
from wtsnet.definition import Image, model
from wtsnet.ops import add, conv_bn, identity, linear, relu, upsample

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
        x = relu(s / f"act{i}", conv_bn(s / f"conv{i}", s / f"bn{i}", x, 64, 3, 2, 1))
    depth, width = cfg.stem
    for i in range(depth):
        x = bottleneck(s / "layer1" / i, x, width, 4 * width)
    xs = [s.net.record((s / "layer1").path, x)]
    for i, count in enumerate(cfg.modules, 1):
        at = s / f"stage{i + 1}"
        xs = _transition(s / f"transition{i}", xs, cfg.width)
        for j in range(count):
            xs = _module(at / j, xs, cfg.blocks)
        _record_all(at, xs)
    x = identity(s / "head_drop", global_pool(s / "global_pool", _joined(s, xs)))
    return {"logits": linear(s / "classifier", x, -1)}


def _record_all(s: Scope, xs: Sequence[Tensor]) -> None:
    for i, x in enumerate(xs):
        s.net.record(f"{s.path}[{i}]", x)


def _transition(s: Scope, xs: Sequence[Tensor], width: int) -> list[Tensor]:
    """The branches, with `width` channels in the first, twice those in the second …, and one more at half the size."""
    made = []
    for i, x in enumerate(xs):
        out = width << i
        made.append(x if x.shape[1] == out else conv_norm_act(s / i, x, out, 3))
    at = s / len(xs)
    made.append(s.net.record(at.path, conv_norm_act(at / 0, xs[-1], width << len(xs), 3, 2)))
    return made


def _module(s: Scope, xs: Sequence[Tensor], blocks: int) -> list[Tensor]:
    """Residual blocks in each branch, then in each the sum of all, brought to its size and channels: figure 3."""
    ys = []
    for i, x in enumerate(xs):
        at = s / "branches" / i
        for j in range(blocks):
            x = basic_block(at / j, x, x.shape[1])
        ys.append(s.net.record(at.path, x))
    fused = []
    for i in range(len(ys)):
        at = s / "fuse_layers" / i
        total, *others = [_brought(at / j, y, j, i, ys[i].shape[1]) for j, y in enumerate(ys)]
        for j, other in enumerate(others, 1):
            total = add(at, total, other, suffix=f"sum{j}")
        fused.append(relu(s / "fuse_act", total))
    _record_all(s, fused)
    return fused


def _brought(s: Scope, x: Tensor, source: int, target: int, out: int) -> Tensor:
    """`x` of branch `source` as one of `target`, with `out` channels."""
    if source == target:
        return identity(s, x)
    if source > target:
        x = upsample(s / 2, conv_bn(s / 0, s / 1, x, out, 1), 2 ** (source - target))
        return s.net.record(s.path, x)
    steps = target - source
    for i in range(steps):
        last = i == steps - 1
        x = conv_norm_act(s / i, x, out if last else x.shape[1], 3, 2, act=None if last else relu)
    return s.net.record(s.path, x)


def _joined(s: Scope, xs: Sequence[Tensor]) -> Tensor:
    """All branches as one of the coarsest size: from the finest on, each is widened and added to the next."""
    total = _widened(s / "incre_modules" / 0, xs[0], 32)
    for i, x in enumerate(xs[1:], 1):
        at, down = s / "incre_modules" / i, s / "downsamp_modules" / (i - 1)
        x = _widened(at, x, 32 << i)
        total = relu(down / 2, conv_bn(down / 0, down / 1, total, x.shape[1], 3, 2, 1, bias=True))
        total = add(at, x, total, suffix="sum")
    at = s / "final_layer"
    return s.net.record(at.path, relu(at / 2, conv_bn(at / 0, at / 1, total, 2048, 1, bias=True)))


def _widened(s: Scope, x: Tensor, width: int) -> Tensor:
    return s.net.record(s.path, bottleneck(s / 0, x, width, 4 * width))
