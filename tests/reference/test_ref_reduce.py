"""Layers along axes, matrix products, normalization and indexing against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
i32: Any = np.int32

REDUCE: dict[str, Any] = {"SUM": np.sum, "PROD": np.prod, "MAX": np.max, "MIN": np.min, "AVG": np.mean}


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", [(1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("kind", sorted(REDUCE))
def test_reduce(net: Any, rng: np.random.Generator, kind: str, axes: Any, keep: bool) -> None:
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    mask = sum(1 << axis for axis in axes)
    got = net.run(net.trt.add_reduce(net.input(x), getattr(trt.ReduceOperation, kind), mask, keep).get_output(0))
    np.testing.assert_allclose(got, REDUCE[kind](x, axis=axes, keepdims=keep), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "want"), [("SUM", [-5, 9]), ("PROD", [6, 24]), ("AVG", [-2, 4]), ("MAX", [-2, 6])])
def test_reduce_keeps_integers(net: Any, kind: str, want: Any) -> None:
    x = i32([[-3, -2], [4, 6]]) - i32([[0, 0], [0, 1]])
    x[1, 1] = 6 if kind in ("PROD", "MAX") else 5
    got = net.run(net.trt.add_reduce(net.input(x), getattr(trt.ReduceOperation, kind), 2, False).get_output(0))
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, want)


def test_softmax_over_one_axis(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    layer = net.trt.add_softmax(net.input(x))
    layer.axes = 1 << 1
    e = np.exp(x)
    np.testing.assert_allclose(net.run(layer.get_output(0)), e / e.sum(1, keepdims=True), rtol=1e-5)


def test_ragged_softmax_stops_at_its_bounds(net: Any) -> None:
    x = f32([[[1, 2, 3, 4], [4, 3, 2, 1]]])
    layer = net.trt.add_ragged_softmax(net.input(x), net.input(i32([[[2], [4]]])))
    e = np.exp(x) * [[1, 1, 0, 0], [1, 1, 1, 1]]
    np.testing.assert_allclose(net.run(layer.get_output(0)), e / e.sum(-1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("largest", "values", "indices"), [(True, [5, 5, 3], [1, 3, 0]), (False, [1, 1, 3], [2, 5, 0])]
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_topk_takes_the_first_of_equals(net: Any, largest: Any, values: Any, indices: Any, dynamic: Any) -> None:
    x = f32([3, 5, 1, 5, 3, 1])[None, :, None]
    op = trt.TopKOperation.MAX if largest else trt.TopKOperation.MIN
    layer = net.trt.add_topk(net.input(x), op, 3, 2)
    if dynamic:
        layer.set_input(1, net.constant(np.int32(3)))
    got = net.run(layer.get_output(0), layer.get_output(1))
    np.testing.assert_array_equal(got[0][0, :, 0], values)
    np.testing.assert_array_equal(got[1][0, :, 0], indices)


def test_topk_takes_the_first_of_many_equals(net: Any) -> None:
    """As many as make an unstable algorithm shuffle them."""
    layer = net.trt.add_topk(net.input(np.zeros((1, 5000), np.float32)), trt.TopKOperation.MAX, 1000, 2)
    np.testing.assert_array_equal(net.run(layer.get_output(1))[0], np.arange(1000))


@pytest.mark.parametrize(
    ("exclusive", "reverse", "want"),
    [(0, 0, [1, 3, 6]), (1, 0, [0, 1, 3]), (0, 1, [6, 5, 3]), (1, 1, [5, 3, 0])],
)
def test_cumulative(net: Any, exclusive: bool, reverse: Any, want: Any) -> None:
    x, axis = net.input(f32([[1, 2, 3]])), net.constant(np.int32(1))
    layer = net.trt.add_cumulative(x, axis, trt.CumulativeOperation.SUM, bool(exclusive), bool(reverse))
    np.testing.assert_array_equal(net.run(layer.get_output(0))[0], want)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float16])
def test_cumulative_keeps_its_dtype_along_any_axis(net: Any, dtype: Any, axis: int) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    layer = net.trt.add_cumulative(
        net.input(x), net.constant(np.int32(axis)), trt.CumulativeOperation.SUM, False, False
    )
    got = net.run(layer.get_output(0))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.cumsum(x, axis))


NONE, TRANSPOSE, VECTOR = (getattr(trt.MatrixOperation, name) for name in ("NONE", "TRANSPOSE", "VECTOR"))
PRODUCTS = [
    ((2, 3), NONE, (3, 4), NONE, "ij,jk->ik"),
    ((3, 2), TRANSPOSE, (4, 3), TRANSPOSE, "ji,kj->ik"),
    ((5, 2, 3), NONE, (1, 3, 4), NONE, "bij,cjk->bik"),
    ((1, 2, 3), NONE, (5, 4, 3), TRANSPOSE, "cij,bkj->bik"),
    ((3,), VECTOR, (3, 4), NONE, "j,jk->k"),
    ((5, 2, 3), NONE, (5, 3), VECTOR, "bij,bj->bi"),
    ((5, 3), VECTOR, (5, 3), VECTOR, "bj,bj->b"),
]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p[-1])
def test_matrix_multiply(net: Any, rng: np.random.Generator, product: Any) -> None:
    shape_a, op_a, shape_b, op_b, equation = product
    a, b = (rng.standard_normal(s).astype(np.float32) for s in (shape_a, shape_b))
    got = net.run(net.trt.add_matrix_multiply(net.input(a), op_a, net.input(b), op_b).get_output(0))
    np.testing.assert_allclose(got, np.einsum(equation, a, b), rtol=1e-4, atol=1e-5)


EINSUMS = ["bij,bkj->bik", "bij,bij->b", "bij,bij->", "bij,cij->bc", "bij,kj->kib", "bij->jb", "bij->", "bi,bj->bij"]


@pytest.mark.parametrize("equation", EINSUMS)
def test_einsum(net: Any, rng: np.random.Generator, equation: str) -> None:
    extent = {"b": 2, "i": 3, "j": 4, "k": 5, "c": 6}
    terms = equation.split("->")[0].split(",")
    arrays = [rng.standard_normal([extent[axis] for axis in term]).astype(np.float32) for term in terms]
    got = net.run(net.trt.add_einsum([net.input(a) for a in arrays], equation).get_output(0))
    np.testing.assert_allclose(got, np.einsum(equation, *arrays), rtol=1e-4, atol=1e-5)


def normalized(x: Any, axes: Any, eps: Any) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


NORMS = [
    ("layer", 0b1000, 1, (1, 1, 1, 6), False),
    ("layer over two", 0b1100, 1, (1, 1, 5, 6), False),
    ("instance", 0b1100, 1, (1, 4, 1, 1), False),
    ("group", 0b1100, 2, (1, 2, 1, 1), False),
    ("group v2", 0b1100, 2, (1, 4, 1, 1), True),
    ("instance v2", 0b1100, 1, (1, 4, 1, 1), True),
]


@pytest.mark.parametrize("case", NORMS, ids=lambda c: c[0])
def test_normalization(net: Any, rng: np.random.Generator, case: Any) -> None:
    _, mask, groups, shape, second = case
    x = rng.standard_normal((2, 4, 5, 6)).astype(np.float32) * 3 + 1
    scale, bias = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    add = net.trt.add_normalization_v2 if second else net.trt.add_normalization
    layer = add(net.input(x), net.constant(scale), net.constant(bias), mask)
    layer.num_groups, layer.epsilon = groups, 1e-2
    got = net.run(layer.get_output(0))
    if groups > 1:
        want = normalized(x.reshape(2, groups, 2, 5, 6), (2, 3, 4), 1e-2).reshape(x.shape)
        scale, bias = (c if second else c.repeat(2, 1) for c in (scale, bias))
    else:
        want = normalized(x, tuple(i for i in range(4) if mask >> i & 1), 1e-2)
    np.testing.assert_allclose(got, want * scale + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("sizes", [(6, 1), (1, 6)], ids=str)
def test_scale_and_bias_may_differ_in_size(net: Any, rng: np.random.Generator, sizes: Any, dtype: Any) -> None:
    """One value an element of the last axis, and one for all."""
    x = rng.standard_normal((2, 4, 6)).astype(dtype)
    scale, bias = (rng.standard_normal((1, 1, n)).astype(dtype) for n in sizes)
    layer = net.trt.add_normalization_v2(net.input(x), net.input(scale), net.input(bias), 0b100)
    want = normalized(x.astype(np.float64), (2,), layer.epsilon) * scale + bias
    tolerance = 1e-5 if dtype == np.float32 else 4e-3
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=tolerance, atol=tolerance)
