"""Layers that make values: fill, one-hot; and the assertion, which makes none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from wtsnet.errors import RunnerError
from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
i32: Any = np.int32
i64: Any = np.int64


def test_fill_counts_along_each_axis(net: Any) -> None:
    layer = net.trt.add_fill((2, 3), trt.FillOperation.LINSPACE, trt.int32)
    layer.set_input(1, net.constant(np.int32(5)))
    layer.set_input(2, net.constant(i32([10, 1])))
    one = net.trt.add_fill((4,), trt.FillOperation.LINSPACE)
    one.alpha, one.beta = 1.0, 0.5
    got = net.run(layer.get_output(0), one.get_output(0))
    np.testing.assert_array_equal(got[0], [[5, 6, 7], [15, 16, 17]])
    np.testing.assert_array_equal(got[1], [1, 1.5, 2, 2.5])


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_a_fill_counts_in_its_dtype_to_a_computed_shape(net: Any, dtype: str) -> None:
    kind = trt.DataType.__members__[{"int32": "INT32", "int64": "INT64", "float32": "FLOAT"}[dtype]]
    layer = net.trt.add_fill((1, 1), trt.FillOperation.LINSPACE, kind)
    like = net.input(np.zeros((3, 2), np.float32), dynamic=(0, 1))
    layer.set_input(0, net.trt.add_shape(like).get_output(0))
    layer.set_input(1, net.constant(np.array(-4, dtype)))
    layer.set_input(2, net.constant(np.array([2, 100], dtype)))
    got = net.run(layer.get_output(0))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, [[-4, 96], [-2, 98], [0, 100]])


def test_a_fill_with_large_integers_is_exact(net: Any) -> None:
    layer = net.trt.add_fill((3,), trt.FillOperation.LINSPACE, trt.int64)
    layer.alpha, layer.beta = 2**53, 3
    np.testing.assert_array_equal(net.run(layer.get_output(0)), [2**53, 2**53 + 3, 2**53 + 6])


def normal(x: Any) -> Any:
    return (1 + np.vectorize(math.erf)((x - 3) / 5 / math.sqrt(2))) / 2


@pytest.mark.parametrize("dtype", ["FLOAT", "HALF"])
@pytest.mark.parametrize(
    ("operation", "distribution"),
    [("RANDOM_UNIFORM", lambda x: (x - 3) / 2), ("RANDOM_NORMAL", normal)],
    ids=["uniform", "normal"],
)
def test_random_values_are_distributed_as_they_should(net: Any, operation: str, distribution: Any, dtype: str) -> None:
    """Uniform from 3 to 5, and normal with mean 3 and deviation 5: the Kolmogorov-Smirnov statistic."""
    count = 10_000
    layer = net.trt.add_fill((count,), getattr(trt.FillOperation, operation), getattr(trt.DataType, dtype))
    scalar = np.float32 if dtype == "FLOAT" else np.float16
    layer.set_input(1, net.constant(scalar(3)))
    layer.set_input(2, net.constant(scalar(5)))
    torch.manual_seed(0)
    got = np.sort(net.run(layer.get_output(0)).astype(np.float64))
    steps = np.arange(count + 1) / count
    expected = distribution(got)
    distance = max(abs(expected - steps[:-1]).max(), abs(expected - steps[1:]).max())
    assert distance < 1.63 / math.sqrt(count)  # once in a hundred seeds it is larger
    if operation == "RANDOM_UNIFORM":
        assert got[0] >= 3
        assert got[-1] <= 5


def test_torchs_seed_repeats_random_values(net: Any) -> None:
    net.mark(net.trt.add_fill((4, 5), trt.FillOperation.RANDOM_NORMAL).get_output(0))
    runner = net.runner()
    torch.manual_seed(7)
    first, second = runner.run({})["y0"], runner.run({})["y0"]
    torch.manual_seed(7)
    np.testing.assert_array_equal(runner.run({})["y0"], first)
    assert (first != second).any()


def test_one_hot_along_an_axis(net: Any) -> None:
    indices, values = i32([[0, 2], [1, 7]]), f32([-1, 5])
    layer = net.trt.add_one_hot(net.input(indices), net.input(values), net.constant(np.int32(3)), 1)
    want = np.full((2, 3, 2), -1, np.float32)
    want[0, 0, 0] = want[0, 2, 1] = want[1, 1, 0] = 5
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float16])
def test_one_hot_in_the_dtype_of_its_values_along_the_last_axis(net: Any, dtype: Any) -> None:
    indices, values = np.array([1, 0, 3], np.int64), np.array([0, 1], dtype)
    layer = net.trt.add_one_hot(net.input(indices), net.input(values), net.constant(np.int32(4)), -1)
    got = net.run(layer.get_output(0))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.eye(4)[indices])


def test_an_assertion_fails_with_its_message(net: Any) -> None:
    condition = net.trt.add_elementwise(
        net.input(i64([3])), net.constant(i64([4])), trt.ElementWiseOperation.EQUAL
    ).get_output(0)
    net.trt.add_assertion(condition, "batch must be 4").name = "check"
    with pytest.raises(RunnerError, match=r"layer 'check' \(ASSERTION\): assertion failed: batch must be 4"):
        net.run(net.trt.add_identity(net.input(f32([1]))).get_output(0))
