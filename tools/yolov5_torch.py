"""YOLOv5 detection (the v6/v7 layout) in PyTorch, built from architecture lists.

The architecture is a mapping of `nc`, `depth_multiple`, `width_multiple`, `anchors` (pixels, one list a level)
and two lists, `backbone` and `head`, whose rows are [from, number, module, args]. Modules and their attributes
carry the names that published checkpoints use, so that state dicts are interchangeable.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from wtsnet.errors import ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

COCO_ANCHORS = [
    [10, 13, 16, 30, 33, 23],
    [30, 61, 62, 45, 59, 119],
    [116, 90, 156, 198, 373, 326],
]


class Conv(nn.Module):
    """Convolution without bias, batch norm, SiLU: (N, c1, H, W) to (N, c2, H/s, W/s); p is k // 2 if None."""

    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, p: int | None = None, g: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, groups=g, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.act(self.bn(self.conv(x))))


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution, with a residual where `shortcut` asks for it and the channels agree."""

    def __init__(self, c1: int, c2: int, shortcut: bool = True, g: int = 1, e: float = 0.5) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(hidden, c2, 3, 1, g=g)
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    """Cross-stage partial block of three convolutions, with `n` bottlenecks on one of its two branches."""

    def __init__(self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden)
        self.cv2 = Conv(c1, hidden)
        self.cv3 = Conv(2 * hidden, c2)
        self.m = nn.Sequential(*(Bottleneck(hidden, hidden, shortcut, g, e=1.0) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1)))


class SPPF(nn.Module):
    """Spatial pyramid pooling as three k x k max pools in a row; every stage is concatenated."""

    def __init__(self, c1: int, c2: int, k: int = 5) -> None:
        super().__init__()
        hidden = c1 // 2
        self.cv1 = Conv(c1, hidden)
        self.cv2 = Conv(4 * hidden, c2)
        self.m = nn.MaxPool2d(k, stride=1, padding=k // 2)

    def forward(self, x: Tensor) -> Tensor:
        stages = [self.cv1(x)]
        for _ in range(3):
            stages.append(self.m(stages[-1]))
        return cast("Tensor", self.cv2(torch.cat(stages, 1)))


class Concat(nn.Module):
    """Concatenation along dimension `d`."""

    def __init__(self, d: int = 1) -> None:
        super().__init__()
        self.d = d

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, self.d)


class Detect(nn.Module):
    """The anchor-based head: one 1x1 convolution a level.

    In training it returns one raw map a level, (N, anchors, H, W, 5+nc). In evaluation it returns
    (N, candidates, 5+nc): x y w h in input pixels, objectness, class scores, each after the sigmoid, with
    x y = (2σ - 0.5 + cell) · stride and w h = (2σ)² · anchor; candidates run over level, anchor, row, column.
    """

    anchors: Tensor  # (levels, anchors, 2), in units of the level's stride
    stride: Tensor  # (levels,), pixels

    def __init__(self, nc: int, anchors: list[list[float]], ch: list[int]) -> None:
        super().__init__()
        self.nc = nc
        self.no = nc + 5
        self.nl = len(anchors)
        self.na = len(anchors[0]) // 2
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32).view(self.nl, -1, 2))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in ch)

    def forward(self, x: list[Tensor]) -> list[Tensor] | Tensor:
        raw = [self._split(conv(level)) for conv, level in zip(self.m, x, strict=True)]
        if self.training:
            return raw
        return torch.cat([self._decode(i, level) for i, level in enumerate(raw)], 1)

    def _split(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        return x.view(n, self.na, self.no, h, w).permute(0, 1, 3, 4, 2).contiguous()

    def _decode(self, i: int, raw: Tensor) -> Tensor:
        n, _, h, w, _ = raw.shape
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        corner = torch.stack((columns, rows), -1).to(raw) - 0.5
        anchor = (self.anchors[i] * self.stride[i]).view(self.na, 1, 1, 2)
        y = raw.sigmoid()
        xy = (y[..., 0:2] * 2 + corner) * self.stride[i]
        wh = (y[..., 2:4] * 2) ** 2 * anchor
        return torch.cat((xy, wh, y[..., 4:]), -1).view(n, -1, self.no)


class DetectionModel(nn.Module):
    """A network built from the architecture mapping `cfg`, for images (N, ch, H, W) in 0..1.

    `yaml`, `names`, `nc`, `stride`, `model` and `save` hold what exporters look for. Raises ModelError where
    the lists name a module or an argument that this file doesn't have.
    """

    def __init__(self, cfg: Mapping[str, Any], ch: int = 3, names: list[str] | None = None) -> None:
        super().__init__()
        self.yaml = {**cfg, "ch": ch}
        self.nc = int(cfg["nc"])
        self.names = names or [str(i) for i in range(self.nc)]
        if len(self.names) != self.nc:
            raise ModelError(f"names: {len(self.names)} class names for nc = {self.nc}")
        self.model, self.save = _parse(self.yaml)
        detect = self._detect()
        self.stride = self._measure_stride(ch).to(detect.anchors.device)
        detect.stride = self.stride
        detect.anchors /= self.stride.view(-1, 1, 1)
        self._initialize_biases()

    def forward(self, x: Tensor) -> list[Tensor] | Tensor:
        return cast("list[Tensor] | Tensor", self.model[-1](self._features(x)))

    def _features(self, x: Tensor) -> list[Tensor]:
        """What each level of the head is given: [(N, c, H/stride, W/stride), …]."""
        kept: dict[int, Tensor] = {}
        for i, module in enumerate(self.model):
            inputs = [x if j == i - 1 else kept[j] for j in _sources(module.f, i)]
            if i == len(self.model) - 1:
                return inputs
            x = module(inputs if isinstance(module.f, list) else inputs[0])
            if i in self.save:
                kept[i] = x
        raise ModelError("architecture: the lists hold no module")

    def _detect(self) -> Detect:
        detect = self.model[-1]
        if not isinstance(detect, Detect):
            raise ModelError(f"architecture: the last module is {type(detect).__name__}, expected Detect")
        return detect

    @torch.no_grad()
    def _measure_stride(self, ch: int, size: int = 256) -> Tensor:
        self.eval()  # a pass of zeros must leave the running statistics alone
        maps = self._features(torch.zeros(1, ch, size, size, device=self._detect().anchors.device))
        self.train()
        return torch.tensor([size / m.shape[-2] for m in maps])

    @torch.no_grad()
    def _initialize_biases(self, objects: float = 8.0, confidence: float = 0.6) -> None:
        """Start near the expected rates: `objects` in a 640-pixel image, each class at `confidence` / nc."""
        detect = self._detect()
        for conv, stride in zip(detect.m, self.stride, strict=True):
            bias = cast("Tensor", conv.bias).view(detect.na, -1)
            bias[:, 4] += torch.log(objects / (640 / stride) ** 2)
            bias[:, 5:] += math.log(confidence / (self.nc - 0.99999))


def layout(nc: int, depth: float, width: float, anchors: list[list[float]] | None = None) -> dict[str, Any]:
    """The three-level v6/v7 layout as lists; n has depth, width 0.33, 0.25, s 0.33, 0.5, m 0.67, 0.75."""
    return {
        "nc": nc,
        "depth_multiple": depth,
        "width_multiple": width,
        "anchors": anchors or COCO_ANCHORS,
        "backbone": [
            [-1, 1, "Conv", [64, 6, 2, 2]],
            [-1, 1, "Conv", [128, 3, 2]],
            [-1, 3, "C3", [128]],
            [-1, 1, "Conv", [256, 3, 2]],
            [-1, 6, "C3", [256]],
            [-1, 1, "Conv", [512, 3, 2]],
            [-1, 9, "C3", [512]],
            [-1, 1, "Conv", [1024, 3, 2]],
            [-1, 3, "C3", [1024]],
            [-1, 1, "SPPF", [1024, 5]],
        ],
        "head": [
            [-1, 1, "Conv", [512, 1, 1]],
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 6], 1, "Concat", [1]],
            [-1, 3, "C3", [512, False]],
            [-1, 1, "Conv", [256, 1, 1]],
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 4], 1, "Concat", [1]],
            [-1, 3, "C3", [256, False]],
            [-1, 1, "Conv", [256, 3, 2]],
            [[-1, 14], 1, "Concat", [1]],
            [-1, 3, "C3", [512, False]],
            [-1, 1, "Conv", [512, 3, 2]],
            [[-1, 10], 1, "Concat", [1]],
            [-1, 3, "C3", [1024, False]],
            [[17, 20, 23], 1, "Detect", ["nc", "anchors"]],
        ],
    }


def _sources(f: Any, i: int) -> list[int]:
    """The absolute indices of the modules that module `i` reads; -1 is the input image."""
    return [i + j if j < 0 else j for j in (f if isinstance(f, list) else [f])]


def _parse(cfg: Mapping[str, Any]) -> tuple[nn.Sequential, list[int]]:
    """The modules of the architecture lists, and the indices whose outputs a later module reads."""
    channels: list[int] = []
    modules: list[nn.Module] = []
    save: set[int] = set()
    for i, (f, number, name, args) in enumerate([*cfg["backbone"], *cfg["head"]]):
        sources = _sources(f, i)
        c1 = [channels[j] if j >= 0 else cfg["ch"] for j in sources]
        n = max(round(number * cfg["depth_multiple"]), 1) if number > 1 else number
        module, c2 = _module(name, c1, n, [_value(a, cfg) for a in args], cfg["width_multiple"])
        module.__dict__.update(i=i, f=f)
        modules.append(module)
        channels.append(c2)
        save.update(sources[k] for k, j in enumerate(f if isinstance(f, list) else [f]) if j != -1)
    return nn.Sequential(*modules), sorted(save)


def _value(arg: Any, cfg: Mapping[str, Any]) -> Any:
    """An argument of the lists: two names stand for the mapping's own entries, and 'None' for None."""
    if arg in ("nc", "anchors"):
        return cfg[arg]
    return None if arg == "None" else arg


def _module(name: str, c1: list[int], n: int, args: list[Any], width: float) -> tuple[nn.Module, int]:
    """One module, `n` times in a row, and its output channels."""
    name = name.removeprefix("nn.")
    if name in ("Conv", "C3", "SPPF"):
        c2 = math.ceil(args[0] * width / 8) * 8
        if name == "C3":
            return C3(c1[0], c2, n, *args[1:]), c2
        cls = Conv if name == "Conv" else SPPF
        chain = [cls(c, c2, *args[1:]) for c in [c1[0]] + [c2] * (n - 1)]
        return (chain[0] if n == 1 else nn.Sequential(*chain)), c2
    if n != 1:
        raise ModelError(f"architecture: {name} is asked for {n} times, expected once")
    if name == "Upsample":
        return nn.Upsample(*args), c1[0]
    if name == "Concat":
        return Concat(*args), sum(c1)
    if name == "Detect":
        return Detect(args[0], args[1], c1), 0
    known = ["Conv", "C3", "SPPF", "nn.Upsample", "Concat", "Detect"]
    raise ModelError(f"architecture: unknown module {name!r}{nearest(name, known)}")
