"""Every activation, unary, binary operation, scale, cast and quantization against its formula in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
erf = np.vectorize(math.erf)


def selu(x: Any, a: Any, b: Any) -> Any:
    return np.where(x > 0, b * x, b * (a * np.exp(x) - a))


ACTIVATIONS: dict[str, Any] = {
    "RELU": lambda x, a, b: np.maximum(x, 0),
    "SIGMOID": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "TANH": lambda x, a, b: np.tanh(x),
    "LEAKY_RELU": lambda x, a, b: np.where(x >= 0, x, a * x),
    "ELU": lambda x, a, b: np.where(x >= 0, x, a * (np.exp(x) - 1)),
    "SELU": selu,
    "SOFTSIGN": lambda x, a, b: x / (1 + np.abs(x)),
    "SOFTPLUS": lambda x, a, b: a * np.log(np.exp(b * x) + 1),
    "CLIP": lambda x, a, b: np.maximum(a, np.minimum(b, x)),
    "HARD_SIGMOID": lambda x, a, b: np.maximum(0, np.minimum(1, a * x + b)),
    "SCALED_TANH": lambda x, a, b: a * np.tanh(b * x),
    "THRESHOLDED_RELU": lambda x, a, b: np.where(x > a, x, 0),
    "GELU_ERF": lambda x, a, b: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "GELU_TANH": lambda x, a, b: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


@pytest.mark.parametrize("kind", list(trt.ActivationType.__members__))
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.7), (0.2, 1.5)])
def test_activation(net: Any, kind: str, alpha: float, beta: float) -> None:
    x = np.linspace(-3.03, 3.01, 61, dtype=np.float32)
    layer = net.trt.add_activation(net.input(x), getattr(trt.ActivationType, kind))
    layer.alpha, layer.beta = alpha, beta
    want = ACTIVATIONS[kind](x.astype(np.float64), alpha, beta)
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-6)


def test_a_clip_with_its_bounds_crossed_gives_the_lower_one(net: Any) -> None:
    layer = net.trt.add_activation(net.input(f32([-2, 0, 2])), trt.ActivationType.CLIP)
    layer.alpha, layer.beta = 1.0, -1.0
    np.testing.assert_array_equal(net.run(layer.get_output(0)), [1, 1, 1])


UNARY: dict[str, Any] = {
    "EXP": np.exp, "LOG": np.log, "SQRT": np.sqrt, "RECIP": lambda x: 1 / x, "ABS": np.abs, "NEG": np.negative,
    "SIN": np.sin, "COS": np.cos, "TAN": np.tan, "SINH": np.sinh, "COSH": np.cosh, "ASIN": np.arcsin,
    "ACOS": np.arccos, "ATAN": np.arctan, "ASINH": np.arcsinh, "ACOSH": np.arccosh, "ATANH": np.arctanh,
    "CEIL": np.ceil, "FLOOR": np.floor, "ERF": erf, "NOT": np.logical_not, "SIGN": np.sign,
    "ROUND": np.round, "ISINF": np.isinf, "ISNAN": np.isnan,
}  # fmt: skip


@pytest.mark.parametrize("kind", list(trt.UnaryOperation.__members__))
def test_unary(net: Any, kind: str) -> None:
    x = f32([-0.9, -0.5, 0.3, 0.5, 0.75])
    if kind in ("LOG", "SQRT"):
        x = x + 1
    if kind in ("ROUND", "CEIL", "FLOOR"):
        x = f32([-2.5, -1.5, -0.4, 0.5, 1.5, 2.5])  # ties to even
    if kind == "ACOSH":
        x = x + 2
    if kind == "NOT":
        x = np.array([True, False])
    if kind.startswith("IS"):
        x = f32([1, np.inf, -np.inf, np.nan])
    got = net.run(net.trt.add_unary(net.input(x), getattr(trt.UnaryOperation, kind)).get_output(0))
    np.testing.assert_allclose(got, UNARY[kind](x), rtol=1e-5, atol=1e-6)


BINARY: dict[str, Any] = {
    "SUM": np.add, "PROD": np.multiply, "MAX": np.maximum, "MIN": np.minimum, "SUB": np.subtract,
    "DIV": np.divide, "POW": np.power, "FLOOR_DIV": np.floor_divide, "AND": np.logical_and, "OR": np.logical_or,
    "XOR": np.logical_xor, "EQUAL": np.equal, "GREATER": np.greater, "LESS": np.less,
}  # fmt: skip


@pytest.mark.parametrize("kind", list(trt.ElementWiseOperation.__members__))
def test_elementwise_broadcasts(net: Any, kind: str) -> None:
    if kind in ("AND", "OR", "XOR"):
        a, b = np.array([[True], [False]]), np.array([[True, False, True]])
    else:
        a, b = f32([[2.5], [7]]), f32([[2, 2.5, 3]])
    layer = net.trt.add_elementwise(net.input(a), net.input(b), getattr(trt.ElementWiseOperation, kind))
    np.testing.assert_allclose(net.run(layer.get_output(0)), BINARY[kind](a, b), rtol=1e-6)


@pytest.mark.parametrize(("kind", "want"), [("DIV", [3, -3, -3, 3]), ("FLOOR_DIV", [3, -4, -4, 3])])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_divide_towards_zero_or_down(net: Any, kind: str, want: Any, dtype: Any) -> None:
    a, b = np.array([7, -7, 7, -7], dtype), np.array([2, 2, -2, -2], dtype)
    layer = net.trt.add_elementwise(net.input(a), net.input(b), getattr(trt.ElementWiseOperation, kind))
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


@pytest.mark.parametrize("mode", ["UNIFORM", "CHANNEL", "ELEMENTWISE"])
@pytest.mark.parametrize("given", ["scale", "shift", "power", "scale shift", "scale shift power"])
def test_scale(net: Any, rng: np.random.Generator, mode: str, given: str) -> None:
    x = rng.random((2, 3, 4, 5), np.float32) + 1
    shape = {"UNIFORM": (1,), "CHANNEL": (3, 1, 1), "ELEMENTWISE": (3, 4, 5)}[mode]
    scale, shift, power = (
        rng.random(shape, np.float32) + 0.5 if n in given else None for n in ("scale", "shift", "power")
    )
    flat = [trt.Weights() if w is None else net.keep(w.reshape(-1)) for w in (shift, scale, power)]
    layer = net.trt.add_scale_nd(net.input(x), getattr(trt.ScaleMode, mode), *flat, 1)
    want = x * (1 if scale is None else scale) + (0 if shift is None else shift)
    want = want if power is None else want**power
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5)


def test_scale_of_another_channel_axis(net: Any, rng: np.random.Generator) -> None:
    x = rng.random((2, 3, 4, 5), np.float32)
    scale = net.keep([1, 2, 3, 4])
    layer = net.trt.add_scale_nd(net.input(x), trt.ScaleMode.CHANNEL, trt.Weights(), scale, trt.Weights(), 2)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x * scale[:, None])


def test_select_and_parametric_relu(net: Any) -> None:
    condition, a, b = np.array([[True], [False]]), f32([[1, 2]]), f32([[-3, -4], [5, -6]])
    ia, ib = net.input(a), net.input(b)
    chosen = net.trt.add_select(net.input(condition), ia, ib).get_output(0)
    sloped = net.trt.add_parametric_relu(ib, ia).get_output(0)
    got = net.run(chosen, sloped)
    np.testing.assert_array_equal(got[0], [[1, 2], [5, -6]])
    np.testing.assert_array_equal(got[1], [[-3, -8], [5, -12]])


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.int64, np.bool_])
def test_select_broadcasts_and_keeps_its_dtype(net: Any, dtype: Any) -> None:
    condition = np.array([[[True], [False]], [[False], [True]]])
    a, b = np.array([[[1, 0, 1]]], dtype), np.zeros((2, 2, 1), dtype)
    got = net.run(net.trt.add_select(net.input(condition), net.input(a), net.input(b)).get_output(0))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.where(condition, a, b))
