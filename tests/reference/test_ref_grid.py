"""Grid sample, point by point, over all modes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()


def keys(d: float, a: float = -0.75) -> float:
    d = abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def taps(c: float, mode: str) -> dict[int, float]:
    """The pixels along one axis that a coordinate blends, with their weights."""
    base = math.floor(c)
    if mode == "NEAREST":
        return {round(c): 1.0}
    if mode == "LINEAR":
        return {base: base + 1 - c, base + 1: c - base}
    return {i: keys(c - i) for i in range(base - 1, base + 3)}


def inside(i: int, n: int, outside: str, aligned: bool) -> int | None:
    """The pixel that stands at i, which may lie outside of 0 … n-1; None for nothing."""
    if 0 <= i < n:
        return i
    if outside == "FILL":
        return None
    if outside == "CLAMP":
        return min(max(i, 0), n - 1)
    if aligned:  # … 2 1 | 0 1 2 …
        return abs((i + n - 1) % (2 * n - 2) - (n - 1))
    i %= 2 * n  # … 1 0 | 0 1 …
    return i if i < n else 2 * n - 1 - i


def sampled(x: Any, grid: Any, mode: str, outside: str, aligned: bool) -> Any:
    """x (N, C, …) at grid (N, …', axes), whose last axis names the coordinates from the last axis of x on."""
    extents = x.shape[2:]
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n in range(len(x)):
        for place in np.ndindex(*grid.shape[1:-1]):
            along = []
            for extent, g in zip(extents, grid[n][place][::-1], strict=True):
                c = (g + 1) / 2 * (extent - 1) if aligned else ((g + 1) * extent - 1) / 2
                along.append([(inside(i, extent, outside, aligned), w) for i, w in taps(c, mode).items()])
            for corner in itertools.product(*along):
                pixel = [i for i, _ in corner]
                if None not in pixel:
                    here: Any = (n, slice(None), *pixel)
                    there: Any = (n, slice(None), *place)
                    y[there] += x[here] * math.prod(w for _, w in corner)
    return y


def sample(net: Any, x: Any, grid: Any, mode: str, outside: str, aligned: bool) -> Any:
    layer = net.trt.add_grid_sample(net.input(x), net.input(grid))
    layer.interpolation_mode = getattr(trt.InterpolationMode, mode)
    layer.sample_mode, layer.align_corners = getattr(trt.SampleMode, outside), aligned
    return net.run(layer.get_output(0))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("outside", ["FILL", "CLAMP", "REFLECT"])
@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR", "CUBIC"])
def test_pictures(net: Any, rng: np.random.Generator, mode: str, outside: str, aligned: bool) -> None:
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grid = rng.uniform(-2, 2, (2, 6, 4, 2)).astype(np.float32)
    got = sample(net, x, grid, mode, outside, aligned)
    np.testing.assert_allclose(got, sampled(x, grid, mode, outside, aligned), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR"])
def test_volumes(net: Any, rng: np.random.Generator, mode: str, aligned: bool) -> None:
    x = rng.standard_normal((1, 2, 3, 4, 5)).astype(np.float32)
    grid = rng.uniform(-1.2, 1.2, (1, 2, 3, 4, 3)).astype(np.float32)
    got = sample(net, x, grid, mode, "FILL", aligned)
    np.testing.assert_allclose(got, sampled(x, grid, mode, "FILL", aligned), rtol=1e-4, atol=1e-5)


def test_half_precision_stays(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 1, 4, 5)).astype(np.float16)
    grid = rng.uniform(-1, 1, (1, 2, 2, 2)).astype(np.float16)
    want = sampled(x.astype(np.float64), grid.astype(np.float64), "LINEAR", "FILL", False)
    np.testing.assert_allclose(sample(net, x, grid, "LINEAR", "FILL", False), want, rtol=2e-3, atol=1e-3)
