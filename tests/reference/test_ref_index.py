"""Layers that read and write at indices, against numpy's own indexing."""

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


def test_gather_whole_slices(net: Any) -> None:
    x, i = np.arange(24, dtype=np.float32).reshape(2, 3, 4), i32([[2, -1], [0, 1]])
    got = net.run(net.trt.add_gather(net.input(x), net.input(i), 1).get_output(0))
    np.testing.assert_array_equal(got, x[:, i])


def test_gather_with_a_scalar_index(net: Any) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    got = net.run(net.trt.add_gather(net.input(x), net.constant(np.int32(1)), 0).get_output(0))
    np.testing.assert_array_equal(got, x[1])


def test_gather_pairs_its_first_axis(net: Any) -> None:
    x, i = np.arange(24, dtype=np.float32).reshape(2, 3, 4), i32([[3, 0], [1, 1]])
    layer = net.trt.add_gather(net.input(x), net.input(i), 2)
    layer.num_elementwise_dims = 1
    want = np.stack([x[n][:, i[n]] for n in range(2)])
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


def test_gather_single_elements(net: Any) -> None:
    x, i = np.arange(12, dtype=np.float32).reshape(3, 4), i32([[0, 2, 1, 1], [2, 2, 0, -1]])
    layer = net.trt.add_gather_v2(net.input(x), net.input(i), trt.GatherMode.ELEMENT)
    layer.axis = 0
    np.testing.assert_array_equal(net.run(layer.get_output(0)), np.take_along_axis(x, i % 3, 0))


@pytest.mark.parametrize("paired", [0, 1])
def test_gather_nd(net: Any, paired: int) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    i = i32([[[1, 2], [0, -1]], [[0, 0], [1, 1]]])
    layer = net.trt.add_gather_v2(net.input(x), net.input(i), trt.GatherMode.ND)
    layer.num_elementwise_dims = paired
    if paired:
        want = np.array([[x[n, a, b] for a, b in i[n]] for n in range(2)])
    else:
        want = np.array([[x[a, b] for a, b in row] for row in i])
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


def test_scatter_elements_and_slices(net: Any) -> None:
    x = np.zeros((3, 4), np.float32)
    i, u = i32([[2, 0]]), f32([[7, 8]])
    ix = net.input(x)
    element = net.trt.add_scatter(ix, net.input(i), net.input(u), trt.ScatterMode.ELEMENT)
    element.axis = 1
    nd = net.trt.add_scatter(
        ix, net.input(i32([[1], [-1]])), net.input(np.ones((2, 4), np.float32)), trt.ScatterMode.ND
    )
    got = net.run(element.get_output(0), nd.get_output(0))
    want = x.copy()
    want[0, [2, 0]] = 7, 8
    np.testing.assert_array_equal(got[0], want)
    np.testing.assert_array_equal(got[1], np.array([0, 1, 1])[:, None] * np.ones(4))


def test_non_zero_in_row_major_order(net: Any) -> None:
    x = f32([[0, 2], [3, 0], [0, 1]])
    got = net.run(net.trt.add_non_zero(net.input(x)).get_output(0))
    np.testing.assert_array_equal(got, np.stack(np.nonzero(x)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_of_elements_is_the_inverse_of_gather(net: Any, rng: np.random.Generator, axis: int) -> None:
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    order = np.argsort(rng.random(x.shape), axis).astype(np.int64)  # each index once along the axis
    updates = rng.standard_normal(x.shape).astype(np.float32)
    layer = net.trt.add_scatter(net.input(x), net.input(order), net.input(updates), trt.ScatterMode.ELEMENT)
    layer.axis = axis
    want = np.empty_like(x)
    np.put_along_axis(want, order, updates, axis)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)


def test_scatter_of_single_places_keeps_integers(net: Any) -> None:
    x, places = np.arange(6, dtype=np.int64).reshape(2, 3), i32([[1, 2], [0, -3]])
    layer = net.trt.add_scatter(
        net.input(x), net.input(places), net.input(np.array([70, 80], np.int64)), trt.ScatterMode.ND
    )
    np.testing.assert_array_equal(net.run(layer.get_output(0)), [[80, 1, 2], [3, 4, 70]])


def test_gather_of_a_shape_that_is_known_at_run_time(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 2, 3)).astype(np.float32)
    i = np.array([3, 0, 3], np.int64)
    layer = net.trt.add_gather(net.input(x, dynamic=(0, 2)), net.input(i, dynamic=(0,)), 0)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x[i])


def test_an_index_out_of_bounds_is_named(net: Any) -> None:
    layer = net.trt.add_gather(net.input(f32([1, 2])), net.input(i32([2])), 0)
    layer.name = "pick"
    with pytest.raises(RunnerError, match=r"layer 'pick' \(GATHER\) failed: .*; its inputs: float32\[2\], int32\[1\]"):
        net.run(layer.get_output(0))


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.float16])
def test_non_zero_of_many_dtypes(net: Any, dtype: Any) -> None:
    x = np.array([[[0, 1], [0, 0]], [[1, 1], [0, 1]]], dtype)
    got = net.run(net.trt.add_non_zero(net.input(x)).get_output(0))
    np.testing.assert_array_equal(got, np.stack(np.nonzero(x)))
