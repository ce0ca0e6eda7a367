"""Layers that move elements, against numpy's own indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.errors import RunnerError
from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
i32: Any = np.int32
i64: Any = np.int64


def shuffled(net: Any, x: Any, first: Any = None, reshape: Any = None, second: Any = None, zero: Any = True) -> Any:
    layer = net.trt.add_shuffle(x)
    if first:
        layer.first_transpose = first
    if reshape is not None:
        layer.reshape_dims = reshape
    if second:
        layer.second_transpose = second
    layer.zero_is_placeholder = zero
    return layer


def test_shuffle_transposes_reshapes_and_transposes(net: Any) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    layer = shuffled(net, net.input(x), (2, 0, 1), (0, 3, -1), (1, 2, 0))
    want = x.transpose(2, 0, 1).reshape(4, 3, 2).transpose(1, 2, 0)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


def test_shuffle_only_transposes(net: Any) -> None:
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.testing.assert_array_equal(net.run(shuffled(net, net.input(x), (1, 0)).get_output(0)), x.T)


def test_shuffle_to_a_scalar_and_to_nothing(net: Any) -> None:
    scalar = shuffled(net, net.input(f32([5])), reshape=()).get_output(0)
    empty = shuffled(net, net.input(np.zeros((0, 3), np.float32)), reshape=(3, 0), zero=False).get_output(0)
    got = net.run(scalar, empty)
    assert got[0].shape == ()
    assert got[0] == 5
    assert got[1].shape == (3, 0)


def test_shuffle_to_a_computed_shape(net: Any) -> None:
    x, like = np.arange(12, dtype=np.float32), np.zeros((3, 4), np.float32)
    layer = net.trt.add_shuffle(net.input(x, dynamic=(0,)))
    layer.set_input(1, net.trt.add_shape(net.input(like, dynamic=(0, 1))).get_output(0))
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x.reshape(3, 4))


def sliced(net: Any, x: Any, start: Any, size: Any, stride: Any, mode: str = "STRICT_BOUNDS", fill: Any = None) -> Any:
    layer = net.trt.add_slice(x, start, size, stride)
    layer.mode = getattr(trt.SampleMode, mode)
    if fill is not None:
        layer.set_input(4, net.constant(np.float32(fill)))
    return layer.get_output(0)


SLICES = [((0, 0), (2, 3), (1, 1)), ((1, 2), (2, 2), (1, 2)), ((3, 4), (4, 3), (-1, -2)), ((0, 1), (4, 0), (1, 1)),
          ((2, 1), (3, 2), (0, 1))]  # fmt: skip


@pytest.mark.parametrize(("start", "size", "stride"), SLICES)
def test_slice_inside(net: Any, start: Any, size: Any, stride: Any) -> None:
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    index = [s + np.arange(n) * d for s, n, d in zip(start, size, stride, strict=True)]
    np.testing.assert_array_equal(net.run(sliced(net, net.input(x), start, size, stride)), x[np.ix_(*index)])


OUTSIDE = [
    ((-2, -3), (8, 9), (1, 1)),
    ((-1, 6), (3, 5), (2, -2)),
    ((1, -7), (2, 20), (1, 1)),
    ((-9, 7), (3, 2), (1, 1)),
]


@pytest.mark.parametrize("mode", ["FILL", "CLAMP", "WRAP", "REFLECT"])
@pytest.mark.parametrize(("start", "size", "stride"), OUTSIDE)
def test_slice_outside(net: Any, start: Any, size: Any, stride: Any, mode: str) -> None:
    x = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    got = net.run(sliced(net, net.input(x), start, size, stride, mode, 9.5 if mode == "FILL" else None))
    by: dict[str, Any] = {"mode": {"CLAMP": "edge", "WRAP": "wrap", "REFLECT": "reflect"}.get(mode, "constant")}
    if mode == "FILL":
        by["constant_values"] = 9.5
    index = [40 + s + np.arange(n) * d for s, n, d in zip(start, size, stride, strict=True)]
    np.testing.assert_array_equal(got, np.pad(x, 40, **by)[np.ix_(*index)])


def test_slice_by_tensors(net: Any) -> None:
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    layer = net.trt.add_slice(net.input(x), (0, 0), (1, 1), (1, 1))
    for i, value in ((1, [3, 0]), (2, [2, 3]), (3, [-2, 2])):
        layer.set_input(i, net.input(np.array(value, np.int64)))
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x[3::-2, ::2])


def test_slice_of_some_axes(net: Any) -> None:
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    layer = net.trt.add_slice(net.input(x), (1,), (3,), (1,))
    layer.axes = (1,)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x[:, 1:4])


def test_a_slice_out_of_its_bounds_is_named(net: Any) -> None:
    layer = net.trt.add_slice(net.input(np.zeros((4,), np.float32)), (0,), (1,), (1,))
    layer.name = "crop"
    layer.set_input(1, net.input(np.array([2], np.int64)))
    layer.set_input(2, net.input(np.array([3], np.int64)))
    with pytest.raises(
        RunnerError,
        match=r"layer 'crop' \(SLICE\) failed: axis 0 of extent 4 is read from 2 to 4.*float32\[4\], int64\[1\]",
    ):
        net.run(layer.get_output(0))


def test_concatenation_shape_squeeze_unsqueeze(net: Any) -> None:
    a, b = np.zeros((2, 1, 3), np.float32), np.ones((2, 2, 3), np.float32)
    joined = net.trt.add_concatenation([net.input(a), net.input(b)])
    joined.axis = 1
    joined = joined.get_output(0)
    extents = net.trt.add_shape(joined).get_output(0)
    wide = net.trt.add_unsqueeze(joined, net.constant(np.array([-1, 0], np.int64))).get_output(0)
    back = net.trt.add_squeeze(wide, net.constant(np.array([0, 4], np.int64))).get_output(0)
    got = net.run(joined, extents, wide, back)
    np.testing.assert_array_equal(got[0], np.concatenate((a, b), 1))
    np.testing.assert_array_equal(got[1], [2, 3, 3])
    assert got[2].shape == (1, 2, 3, 3, 1)
    np.testing.assert_array_equal(got[3], got[0])


def test_reverse_sequence(net: Any) -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)  # four steps of three sequences
    layer = net.trt.add_reverse_sequence(net.input(x), net.input(np.array([1, 3, 4], np.int64)))
    layer.batch_axis, layer.sequence_axis = 1, 0
    want = x.copy()
    for n, length in enumerate((1, 3, 4)):
        want[:length, n] = x[:length, n][::-1]
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


def test_reverse_sequence_with_the_batch_first_and_axes_behind(net: Any) -> None:
    x = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
    layer = net.trt.add_reverse_sequence(net.input(x, dynamic=(1,)), net.input(np.array([2, 3], np.int32)))
    layer.batch_axis, layer.sequence_axis = 0, 1
    np.testing.assert_array_equal(net.run(layer.get_output(0)), [x[0][[1, 0, 2]], x[1][::-1]])


def test_a_shape_is_computed_with(net: Any) -> None:
    """Extents as a tensor: picked, multiplied, joined, and taken as the shape of a reshape and of a slice."""
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    given = net.input(x, dynamic=(0, 1, 2))
    extents = net.trt.add_shape(given).get_output(0)
    first, second, third = (net.trt.add_slice(extents, (i,), (1,), (1,)).get_output(0) for i in range(3))
    rows = net.trt.add_elementwise(first, second, trt.ElementWiseOperation.PROD).get_output(0)
    flat = net.trt.add_shuffle(given)
    flat.set_input(1, net.trt.add_concatenation([rows, third]).get_output(0))
    half = net.trt.add_elementwise(third, net.constant(i64([2])), trt.ElementWiseOperation.FLOOR_DIV).get_output(0)
    cut = net.trt.add_slice(flat.get_output(0), (0, 0), (1, 1), (1, 1))
    cut.set_input(1, net.constant(i64([1, 0])))
    cut.set_input(2, net.trt.add_concatenation([second, half]).get_output(0))
    np.testing.assert_array_equal(net.run(cut.get_output(0)), x.reshape(6, 4)[1:4, :2])


DTYPES = [np.float32, np.float16, np.int32, np.int64, np.int8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
def test_constants_of_numpys_dtypes(net: Any, dtype: Any) -> None:
    value = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    np.testing.assert_array_equal(net.run(net.constant(value)), value)


def test_constants_of_dtypes_that_numpy_lacks(net: Any) -> None:
    b = net.raw_constant(trt.bfloat16, np.array([0x3F80, 0xC000, 0x3F01], np.uint16), (3,))
    f = net.raw_constant(trt.fp8, np.array([0x38, 0xC0, 0x7E], np.uint8), (3,))
    four = net.raw_constant(trt.DataType.FP4, np.array([0x21, 0xF7], np.uint8), (4,))
    got = net.run(b, f, four)
    np.testing.assert_array_equal(got[0], [1, -2, 0.50390625])
    np.testing.assert_array_equal(got[1], [1, -2, 448])
    np.testing.assert_array_equal(got[2], [0.5, 1, 6, -6])
