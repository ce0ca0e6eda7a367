"""Interpolation: resize and grid sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes

# To which of its neighbours a coordinate between two pixels goes.
_ROUND: dict[str, Callable[[float], int]] = {
    "FLOOR": math.floor,
    "CEIL": math.ceil,
    "HALF_UP": lambda x: math.floor(x + 0.5),
    "HALF_DOWN": lambda x: math.ceil(x - 0.5),
}


@executes("RESIZE")
def resize(node: Node) -> Run:
    """Nearest, linear or cubic resampling to scales, a shape, or the shape in input 1.

    Each axis is a sum of shifted copies: y[o] = Σ weight[t, o] · x[index[t, o]]. Where torch has the same formula
    its own kernel runs, which is faster, and rounds coordinates as PyTorch does.
    """
    layer = node.layer
    mode: str = layer.resize_mode.name
    transform: str = layer.coordinate_transformation.name
    rounding: str = layer.nearest_rounding.name
    upper: bool = layer.selector_for_single_pixel.name == "UPPER"
    exclude, coefficient = bool(layer.exclude_outside), float(layer.cubic_coeff)
    dynamic = node.has(1)
    scales = None if dynamic else tuple(layer.scales) or None
    dims = None if dynamic or scales else tuple(layer.shape)
    native = _native(mode, transform, exclude, coefficient)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0]
        if scales is not None:
            shape = [_scaled(n, s) for n, s in zip(x.shape, scales, strict=True)]
            ratios = list(scales)
        else:
            shape = inputs[1].tolist() if dynamic else list(dims or ())
            ratios = [m / n if n else 1.0 for m, n in zip(shape, x.shape, strict=True)]
        changed = [axis for axis, ratio in enumerate(ratios) if ratio != 1 or shape[axis] != x.shape[axis]]
        # torch multiplies extent and scale in float64, and may come to another size.
        of_torch = scales is None or shape == [math.floor(n * s) for n, s in zip(x.shape, scales, strict=True)]
        if native is not None and of_torch and x.ndim == 4 and changed == [2, 3] and not (upper and 1 in shape[2:]):
            return (native(x, shape[2:], None if scales is None else list(scales[2:])),)
        y = x if mode == "NEAREST" else x.float()
        for axis in changed:
            args = (x.shape[axis], shape[axis], ratios[axis], transform, upper)
            if mode == "NEAREST":
                y = y.index_select(axis, _nearest(*args, rounding).to(x.device))
            else:
                y = _blend(y, axis, *_taps(*args, mode, exclude, coefficient))
        return (y.to(x.dtype),)

    return run


def _scaled(extent: int, scale: float) -> int:
    """floor(extent · scale), multiplied in float32 as TensorRT does: 10 · 0.7 is 7, not 6."""
    return int(np.float32(extent) * np.float32(scale))


Native = Callable[[Tensor, list[int], "list[float] | None"], Tensor]


def _native(mode: str, transform: str, exclude: bool, coefficient: float) -> Native | None:
    """torch's own two-dimensional kernel, where its formula is the layer's."""
    name = {"LINEAR": "bilinear", "CUBIC": "bicubic"}.get(mode)
    if name is None or transform == "ASYMMETRIC" or exclude or (mode == "CUBIC" and coefficient != -0.75):
        return None
    aligned = transform == "ALIGN_CORNERS"

    def run(x: Tensor, size: list[int], scales: list[float] | None) -> Tensor:
        if scales is None:
            return F.interpolate(x, size, mode=name, align_corners=aligned)
        return F.interpolate(x, scale_factor=scales, mode=name, align_corners=aligned)

    return run


def _coordinates(extent: int, size: int, ratio: float, transform: str, upper: bool) -> list[float]:
    """Where each of `size` output pixels lies in an input of that extent."""
    if size == 1 and (upper or transform == "ALIGN_CORNERS"):
        return [0.0]
    if transform == "ALIGN_CORNERS":
        return [o * (extent - 1) / (size - 1) for o in range(size)]
    if transform == "ASYMMETRIC":
        return [o / ratio for o in range(size)]
    return [(o + 0.5) / ratio - 0.5 for o in range(size)]


@lru_cache(maxsize=64)
def _nearest(extent: int, size: int, ratio: float, transform: str, upper: bool, rounding: str) -> Tensor:
    pick = _ROUND[rounding]
    places = [pick(c) for c in _coordinates(extent, size, ratio, transform, upper)]
    return torch.tensor([min(max(p, 0), extent - 1) for p in places], dtype=torch.int64)


@lru_cache(maxsize=64)
def _taps(
    extent: int, size: int, ratio: float, transform: str, upper: bool, mode: str, exclude: bool, a: float
) -> tuple[Tensor, Tensor]:
    """Indices and weights, both (taps, size), of the neighbours that each output pixel blends."""
    place = torch.tensor(_coordinates(extent, size, ratio, transform, upper), dtype=torch.float64)
    if mode == "LINEAR":
        place = place.clamp(0, extent - 1)
    base = place.floor()
    t = place - base
    if mode == "LINEAR":
        weights, offsets = torch.stack((1 - t, t)), torch.arange(2)
    else:
        weights, offsets = torch.stack([_cubic(t - k, a) for k in (-1, 0, 1, 2)]), torch.arange(-1, 3)
    index = base.long() + offsets[:, None]
    if exclude:
        weights = weights.where((index >= 0) & (index < extent), 0)
        weights = weights / weights.sum(0)
    return index.clamp(0, extent - 1), weights.float()


def _cubic(distance: Tensor, a: float) -> Tensor:
    """The cubic convolution kernel of Keys (1981) with coefficient a."""
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, far)


def _blend(x: Tensor, axis: int, index: Tensor, weights: Tensor) -> Tensor:
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    terms = [
        x.index_select(axis, i) * w.reshape(shape)
        for i, w in zip(index.to(x.device), weights.to(x.device), strict=True)
    ]
    return torch.stack(terms).sum(0) if len(terms) > 2 else terms[0] + terms[1]


@executes("GRID_SAMPLE")
def grid_sample(node: Node) -> Run:
    """Samples of x (N, C, H, W) at grid (N, H', W', 2), in -1 … 1; computed in float32 and rounded once."""
    layer = node.layer
    mode = {"NEAREST": "nearest", "LINEAR": "bilinear", "CUBIC": "bicubic"}[layer.interpolation_mode.name]
    outside = {"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}[layer.sample_mode.name]
    aligned: bool = layer.align_corners

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, grid = inputs
        y = F.grid_sample(x.float(), grid.float(), mode=mode, padding_mode=outside, align_corners=aligned)
        return (y.to(x.dtype),)

    return run
