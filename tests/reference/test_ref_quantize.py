"""Casts, quantization and dequantization: every dtype that TensorRT has, by tensor, axis and block."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from wtsnet import trt as trt_of
from wtsnet.trt.dtypes import MEMBERS, numpy_dtype
from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32


WHOLE, HALVES = [-1, 0, 1, 2], [-1.5, 0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("dtype", "want"), [("INT32", WHOLE), ("INT64", WHOLE), ("BOOL", [True] * 4), ("HALF", HALVES), ("BF16", HALVES)]
)
def test_cast(net: Any, dtype: Any, want: Any) -> None:
    x = net.input(f32([-1.5, 0.5, 1.5, 2.5]))
    np.testing.assert_array_equal(net.run(net.trt.add_cast(x, getattr(trt.DataType, dtype)).get_output(0)), want)


def test_quantize_rounds_ties_to_even_and_saturates(net: Any) -> None:
    x = net.input(f32([[0.25, 0.75, -0.25, 100, -100], [1, 3, 5, 1e3, -1e3]]))
    layer = net.trt.add_quantize(x, net.constant(f32([0.5, 2])), trt.int8)
    layer.axis = 0
    back = net.trt.add_dequantize(layer.get_output(0), net.constant(f32([0.5, 2])), trt.float32)
    back.axis = 0
    codes, values = net.run(layer.get_output(0), back.get_output(0))
    np.testing.assert_array_equal(codes, [[0, 2, 0, 127, -128], [0, 2, 2, 127, -128]])
    np.testing.assert_array_equal(values, codes * f32([[0.5], [2]]))


def test_quantize_to_fp8_keeps_three_bits_of_mantissa(net: Any) -> None:
    x = net.input(f32([1, 1.0625, 1.1875, 1e4, -1e4]))
    codes = net.trt.add_quantize(x, net.constant(np.float32(1)), trt.fp8).get_output(0)
    got = net.run(net.trt.add_dequantize(codes, net.constant(np.float32(1)), trt.float32).get_output(0))
    np.testing.assert_array_equal(got, [1, 1, 1.25, 448, -448])


def test_dequantize_int4_by_blocks(net: Any) -> None:
    codes = net.raw_constant(trt.int4, np.array([0x21, 0xF8], np.uint8), (2, 2))
    scale = net.constant(f32([[1, 10]]))
    got = net.run(net.trt.add_dequantize(codes, scale, trt.float32).get_output(0))
    np.testing.assert_array_equal(got, [[1, 20], [-8, -10]])


NUMBERS = ["float32", "float16", "bfloat16", "int32", "int64", "int8", "uint8", "bool"]


def identity(net: Any, x: Any, dtype: str) -> Any:
    return net.trt.add_cast(x, trt_of.dtype(dtype)).get_output(0)


@pytest.mark.parametrize("dtype", [dtype for dtype in NUMBERS if dtype != "uint8"])
def test_a_value_keeps_its_dtype_all_the_way(net: Any, dtype: str) -> None:
    """From an input through layers that move it and layers that compute, and out. TensorRT only casts uint8."""
    kind = numpy_dtype(dtype)
    x = net.input(np.array([[0, 1, 1], [1, 0, 1]], kind))
    moved = net.trt.add_shuffle(x)
    moved.first_transpose = (1, 0)
    picked = net.trt.add_gather(moved.get_output(0), net.constant(np.array([2, 0], np.int32)), 0).get_output(0)
    operation = trt.ElementWiseOperation.OR if dtype == "bool" else trt.ElementWiseOperation.MAX
    computed = net.trt.add_elementwise(picked, picked, operation).get_output(0)
    joined = net.trt.add_concatenation([computed, picked]).get_output(0)
    got = net.run(joined)
    assert got.dtype == kind
    np.testing.assert_array_equal(got.astype(np.float32), [[1, 1], [0, 1], [1, 1], [0, 1]])


@pytest.mark.parametrize("to", [*NUMBERS, "float8_e4m3fn", "float4_e2m1fn", "int4"])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_a_cast_gives_the_dtype_that_it_names(net: Any, dtype: str, to: str) -> None:
    got = net.run(identity(net, net.input(np.array([0, 1, 1], numpy_dtype(dtype))), to))
    assert got.dtype == numpy_dtype(to)
    np.testing.assert_array_equal(got.astype(np.float32), [0, 1, 1])


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float4_e2m1fn", "int4", "float8_e8m0fnu"])
def test_a_constant_of_few_bits_comes_out_as_it_is(net: Any, dtype: str) -> None:
    values = [1, 2, 4, 0.5] if dtype != "int4" else [1, -8, 7, 0]
    codes: Any = np.array(values, numpy_dtype(dtype)).view(np.uint8)
    if dtype in ("int4", "float4_e2m1fn"):
        codes = codes & 15
        codes = (codes[0::2] | codes[1::2] << 4).astype(np.uint8)  # low half first
    constant = net.raw_constant(getattr(trt.DataType, MEMBERS[dtype]), codes, (4,))
    got = net.run(constant)
    assert got.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(got.astype(np.float32), values)


EDGES = f32([0.25, -0.75, 1.25, 2.5, 3.5, 5, -7, 1e9, -1e9, np.inf, -np.inf, 1e-9])


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float4_e2m1fn"])
def test_a_cast_to_few_bits_rounds_to_even_and_saturates(net: Any, dtype: str) -> None:
    largest = ml_dtypes.finfo(numpy_dtype(dtype)).max
    want = EDGES.clip(-largest, largest).astype(numpy_dtype(dtype))
    np.testing.assert_array_equal(net.run(identity(net, net.input(EDGES), dtype)), want)


def test_what_is_not_a_number_becomes_zero_in_fp4_already_inside(net: Any) -> None:
    """The value on the way is the one that comes out."""
    four = identity(net, net.input(f32([np.nan, 1])), "float4_e2m1fn")
    got = net.run(four, identity(net, four, "float32"))
    np.testing.assert_array_equal(got[0].astype(np.float32), [0, 1])
    np.testing.assert_array_equal(got[1], [0, 1])


def test_floats_are_cut_off_to_unsigned_integers(net: Any) -> None:
    got = net.run(identity(net, net.input(f32([0, 0.9, 1.5, 254.9, 255])), "uint8"))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, [0, 0, 1, 254, 255])


ROUNDED: dict[str, Any] = {
    "int8": lambda x: np.rint(x).clip(-128, 127),
    "int4": lambda x: np.rint(x).clip(-8, 7),
    "float8_e4m3fn": lambda x: x.clip(-448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float32),
    "float4_e2m1fn": lambda x: x.clip(-6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32),
}


@pytest.mark.parametrize("scale_shape", [(), (4,), (6,), (2, 6), (4, 3)], ids=str)
@pytest.mark.parametrize("dtype", list(ROUNDED))
def test_quantize_and_back(net: Any, rng: np.random.Generator, dtype: str, scale_shape: Any) -> None:
    """By tensor, by row, by column, and by blocks of rows and of columns."""
    x = (rng.standard_normal((4, 6)) * 20).astype(np.float32)
    scale = rng.uniform(0.5, 4, scale_shape).astype(np.float32)
    axis = 0 if scale_shape == (4,) else 1
    kind = trt_of.dtype(dtype)
    quantize = net.trt.add_quantize(net.input(x), net.constant(scale), kind)
    back = net.trt.add_dequantize(quantize.get_output(0), net.constant(scale), trt.float32)
    quantize.axis = back.axis = axis
    codes, values = net.run(quantize.get_output(0), back.get_output(0))
    if len(scale_shape) == 2:
        rows, columns = scale_shape
        scale = scale.repeat(4 // rows, 0).repeat(6 // columns, 1)
    elif axis == 0:
        scale = scale[:, None]
    assert codes.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(codes.astype(np.float32), ROUNDED[dtype](x / scale))
    np.testing.assert_array_equal(values, codes.astype(np.float32) * scale)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dequantized_values_are_of_the_layers_dtype(net: Any, dtype: str) -> None:
    codes = net.raw_constant(trt.fp8, np.array([0x38, 0xC0, 0x7E], np.uint8), (3,))
    scale = net.constant(np.float32(0.5))
    got = net.run(net.trt.add_dequantize(codes, scale, trt_of.dtype(dtype)).get_output(0))
    assert got.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(got.astype(np.float32), [0.5, -1, 224])


def test_dequantize_with_scales_that_are_powers_of_two(net: Any) -> None:
    """MXFP8: fp8 in blocks of 32 with e8m0 scales."""
    values = np.arange(64, dtype=np.float32).reshape(1, 64).astype(ml_dtypes.float8_e4m3fn)
    scale = np.array([[0.25, 8]], ml_dtypes.float8_e8m0fnu)
    codes = net.raw_constant(trt.fp8, values.view(np.uint8), (1, 64))
    scales = net.raw_constant(trt.DataType.E8M0, scale.view(np.uint8), (1, 2))
    layer = net.trt.add_dequantize(codes, scales, trt.float32)
    want = values.astype(np.float32) * scale.astype(np.float32).repeat(32, 1)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)
