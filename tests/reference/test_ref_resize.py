"""Resize, pixel by pixel, over all modes and coordinate transformations."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
i64: Any = np.int64

TRANSFORMS = ("ALIGN_CORNERS", "ASYMMETRIC", "HALF_PIXEL")
ROUND = {"HALF_UP": lambda c: math.floor(c + 0.5), "HALF_DOWN": lambda c: math.ceil(c - 0.5), "FLOOR": math.floor,
         "CEIL": math.ceil}  # fmt: skip


def coordinate(o: Any, n: Any, m: Any, ratio: Any, transform: str) -> Any:
    if transform == "ALIGN_CORNERS":
        return o * (n - 1) / (m - 1) if m > 1 else 0.0
    return o / ratio if transform == "ASYMMETRIC" else (o + 0.5) / ratio - 0.5


def keys(d: Any, a: Any) -> Any:
    d = abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def matrix(
    n: Any,
    m: Any,
    ratio: Any,
    mode: str,
    transform: str,
    rounding: str = "FLOOR",
    a: Any = -0.75,
    exclude: bool = False,
) -> Any:
    """The m × n matrix that resizes one axis."""
    w = np.zeros((m, n))
    for o in range(m):
        c = coordinate(o, n, m, ratio, transform)
        if mode == "NEAREST":
            w[o, min(max(ROUND[rounding](c), 0), n - 1)] = 1
            continue
        near = [math.floor(c), math.floor(c) + 1] if mode == "LINEAR" else range(math.floor(c) - 1, math.floor(c) + 3)
        weight = {i: max(1 - abs(c - i), 0) if mode == "LINEAR" else keys(c - i, a) for i in near}
        if exclude:
            weight = {i: v for i, v in weight.items() if 0 <= i < n}
            weight = {i: v / sum(weight.values()) for i, v in weight.items()}
        for i, v in weight.items():
            w[o, min(max(i, 0), n - 1)] += v
    return w


def resized(x: Any, matrices: Any) -> Any:
    y = x.astype(np.float64)
    for axis, w in enumerate(matrices, start=x.ndim - len(matrices)):
        y = np.moveaxis(np.tensordot(w, y, (1, axis)), 0, axis)
    return y


def resize_layer(net: Any, x: Any, mode: str, transform: str) -> Any:
    layer = net.trt.add_resize(net.input(x))
    layer.resize_mode = getattr(trt.InterpolationMode, mode)
    layer.coordinate_transformation = getattr(trt.ResizeCoordinateTransformation, transform)
    return layer


SIZES = [((3, 4), (6, 8)), ((4, 6), (7, 5)), ((5, 7), (2, 3)), ((3, 4), (1, 9))]


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("mode", ["LINEAR", "CUBIC"])
def test_linear_and_cubic(
    net: Any, rng: np.random.Generator, mode: str, transform: str, before: Any, after: Any
) -> None:
    x = rng.standard_normal((1, 2, *before)).astype(np.float32)
    layer = resize_layer(net, x, mode, transform)
    layer.shape = (1, 2, *after)
    want = resized(x, [matrix(n, m, m / n, mode, transform) for n, m in zip(before, after, strict=True)])
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("rounding", list(ROUND))
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_nearest(net: Any, rng: np.random.Generator, transform: str, rounding: str, before: Any, after: Any) -> None:
    x = rng.standard_normal((1, 2, *before)).astype(np.float32)
    layer = resize_layer(net, x, "NEAREST", transform)
    layer.shape, layer.nearest_rounding = (1, 2, *after), getattr(trt.ResizeRoundMode, rounding)
    want = resized(x, [matrix(n, m, m / n, "NEAREST", transform, rounding) for n, m in zip(before, after, strict=True)])
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want.astype(np.float32))


@pytest.mark.parametrize(("mode", "transform"), list(itertools.product(("NEAREST", "LINEAR", "CUBIC"), TRANSFORMS[1:])))
def test_scales_set_extent_and_coordinates(net: Any, rng: np.random.Generator, mode: str, transform: str) -> None:
    x = rng.standard_normal((1, 1, 5, 6)).astype(np.float32)
    layer = resize_layer(net, x, mode, transform)
    layer.scales = (1, 1, 1.5, 0.625)
    want = resized(x, [matrix(5, 7, 1.5, mode, transform), matrix(6, 3, 0.625, mode, transform)])
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("coefficient", [-0.5, -0.75])
def test_cubic_coefficient_and_exclude_outside(
    net: Any, rng: np.random.Generator, coefficient: float, exclude: bool
) -> None:
    x = rng.standard_normal((1, 1, 4, 5)).astype(np.float32)
    layer = resize_layer(net, x, "CUBIC", "HALF_PIXEL")
    layer.shape, layer.cubic_coeff, layer.exclude_outside = (1, 1, 7, 8), coefficient, exclude
    want = resized(
        x, [matrix(n, m, m / n, "CUBIC", "HALF_PIXEL", a=coefficient, exclude=exclude) for n, m in ((4, 7), (5, 8))]
    )
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=2e-5)


def test_a_single_pixel_is_the_upper_left_one_or_the_formula(make_net: Any) -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    got = []
    for selector in ("UPPER", "FORMULA"):
        net = make_net()
        layer = resize_layer(net, x, "LINEAR", "HALF_PIXEL")
        layer.shape, layer.selector_for_single_pixel = (1, 1, 1, 1), getattr(trt.ResizeSelector, selector)
        got.append(net.run(layer.get_output(0)).item())
    assert got == [0, 2.5]


def test_three_axes_and_a_computed_shape(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 2, 3, 4)).astype(np.float32)
    layer = resize_layer(net, x, "LINEAR", "HALF_PIXEL")
    layer.set_input(1, net.input(i64([1, 4, 6, 4])))
    want = resized(x, [matrix(2, 4, 2, "LINEAR", "HALF_PIXEL"), matrix(3, 6, 2, "LINEAR", "HALF_PIXEL"), np.eye(4)])
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-5)


# float32 rounds these products up to a whole number; in float64 they are just below it.
ROUGH = [(10, 0.7, 7), (100, 0.29, 29), (50, 0.58, 29), (25, 1 / 25, 1)]


@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR", "CUBIC"])
@pytest.mark.parametrize(("before", "scale", "after"), ROUGH)
@pytest.mark.parametrize("dynamic", [False, True])
def test_extents_are_multiplied_in_float32(
    net: Any, rng: np.random.Generator, mode: str, before: int, scale: float, after: int, dynamic: bool
) -> None:
    x = rng.standard_normal((1, 1, before, before)).astype(np.float32)
    layer = net.trt.add_resize(net.input(x, dynamic=(2, 3) if dynamic else ()))
    layer.resize_mode = getattr(trt.InterpolationMode, mode)
    layer.coordinate_transformation = trt.ResizeCoordinateTransformation.HALF_PIXEL
    layer.scales = (1, 1, scale, scale)
    ratio = float(np.float32(scale))
    want = resized(x, [matrix(before, after, ratio, mode, "HALF_PIXEL")] * 2)
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR"])
def test_volumes(net: Any, rng: np.random.Generator, mode: str) -> None:
    x = rng.standard_normal((1, 2, 3, 4, 5)).astype(np.float32)
    layer = resize_layer(net, x, mode, "ASYMMETRIC")
    layer.scales = (1, 1, 2, 1.5, 0.6)
    sizes = ((3, 6, 2), (4, 6, 1.5), (5, 3, float(np.float32(0.6))))
    want = resized(x, [matrix(n, m, ratio, mode, "ASYMMETRIC") for n, m, ratio in sizes])
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-5)


def test_half_precision_stays(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 1, 4, 4)).astype(np.float16)
    layer = resize_layer(net, x, "LINEAR", "ASYMMETRIC")
    layer.shape = (1, 1, 6, 8)
    got = net.run(layer.get_output(0))
    want = resized(x, [matrix(4, 6, 1.5, "LINEAR", "ASYMMETRIC"), matrix(4, 8, 2, "LINEAR", "ASYMMETRIC")])
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
