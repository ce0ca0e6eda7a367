"""Layers along axes, matrix products, normalization and indexing against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.trt import module

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


def test_einsum(net: Any, rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 3, 4)).astype(np.float32), rng.standard_normal((2, 5, 4)).astype(np.float32)
    got = net.run(net.trt.add_einsum([net.input(a), net.input(b)], "bij,bkj->bik").get_output(0))
    np.testing.assert_allclose(got, np.einsum("bij,bkj->bik", a, b), rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("centred", [False, True])
def test_nms_keeps_the_best_of_those_that_overlap(net: Any, centred: bool) -> None:
    corners = f32([[0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6], [0, 0, 2, 2.1]])
    boxes = corners
    if centred:
        boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    scores = f32([[0.6, 0.1], [0.9, 0.2], [0.7, 0.95], [0.5, 0.3]])
    layer = net.trt.add_nms(net.input(boxes[None]), net.input(scores[None]), net.constant(np.int32(2)))
    layer.set_input(3, net.constant(np.float32(0.5)))
    layer.set_input(4, net.constant(np.float32(0.25)))
    layer.bounding_box_format = getattr(trt.BoundingBoxFormat, "CENTER_SIZES" if centred else "CORNER_PAIRS")
    rows, count = net.run(layer.get_output(0), layer.get_output(1))
    np.testing.assert_array_equal(rows, [[0, 1, 2], [0, 0, 1], [0, 0, 2], [0, 1, 3]])  # by falling score
    assert count == 4


def softmaxed(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("mask", ["none", "added", "boolean", "UPPER_LEFT", "LOWER_RIGHT"])
def test_attention_with_shared_keys(net: Any, rng: np.random.Generator, mask: str) -> None:
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in ((2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)))
    kind = getattr(trt.CausalMaskKind, mask) if mask.isupper() else trt.CausalMaskKind.NONE
    attention = net.trt.add_attention_v2(
        net.input(q), net.input(k), net.input(v), trt.AttentionNormalizationOp.SOFTMAX, kind
    )
    bias = np.zeros((2, 4, 3, 5), np.float32)
    if mask == "added":
        bias = rng.standard_normal(bias.shape).astype(np.float32)
        attention.mask = net.input(bias)
    elif mask == "boolean":
        seen = rng.random(bias.shape) > 0.3
        seen[..., 0] = True
        attention.mask = net.input(seen)
        bias = np.where(seen, 0, -np.inf)
    elif mask.isupper():
        offset = 2 if mask == "LOWER_RIGHT" else 0
        bias = np.where(np.tril(np.ones((3, 5)), offset), 0, -np.inf)
    k, v = (t.repeat(2, 1) for t in (k, v))
    want = softmaxed(q @ k.swapaxes(-1, -2) + bias) @ v
    np.testing.assert_allclose(net.run(attention.get_output(0)), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding_turns_pairs(net: Any, rng: np.random.Generator, interleaved: bool) -> None:
    x = rng.standard_normal((1, 2, 3, 6)).astype(np.float32)
    angle = rng.random((1, 3, 2)).astype(np.float32)
    layer = net.trt.add_rotary_embedding(
        net.input(x), net.input(np.cos(angle)), net.input(np.sin(angle)), interleaved, 4
    )
    want = x.copy()
    for i in range(2):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + 2)
        z = (x[..., a] + 1j * x[..., b]) * np.exp(1j * angle[:, None, :, i])
        want[..., a], want[..., b] = z.real, z.imag
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-6)
