"""Picking by index against torch's: `x[…]`, gather, scatter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import (
    OneOp,
    Size,
    Spec,
    bools,
    build,
    check,
    check_sizes,
    compare,
    integers,
    kinds,
    values,
)
from wtsnet import ops
from wtsnet.errors import NetworkError

X = values(2, 6, 5, 4)
IMAGE: tuple[Size, ...] = ((2, 3, 4), 6, (4, 5, 8), (4, 5, 8))
SMALL, LARGE = (2, 6, 5, 4), (4, 6, 8, 7)


class Index:
    """`INDEX[1:, ...]` is what `x[1:, ...]` is given."""

    def __getitem__(self, index: Any) -> Any:
        return index


INDEX = Index()
INDICES = [
    INDEX[0],
    INDEX[-1],
    INDEX[1],
    INDEX[...],
    INDEX[:],
    INDEX[()],
    INDEX[None],
    INDEX[1:],
    INDEX[:, 1:],
    INDEX[:, :3],
    INDEX[:, -3:],
    INDEX[:, :-3],
    INDEX[:, 1:-1],
    INDEX[:, ::2],
    INDEX[:, 1::2],
    INDEX[:, -5:-1:3],
    INDEX[..., 0],
    INDEX[..., -1],
    INDEX[..., 1:3],
    INDEX[..., ::2],
    INDEX[0, 1, 2, 3],
    INDEX[0, ..., 3],
    INDEX[:, 0, None],
    INDEX[:, None, 0],
    INDEX[:, 1:3, None, ..., 1],
    INDEX[None, ..., None],
    INDEX[:, -2, :, -1],
    INDEX[1:, 2:4, ::2, -1],
    INDEX[:, 1:, ::2, None, ..., -1],
    INDEX[1, :, None, 1:4, None, 0],
    INDEX[:, np.int64(2)],
    INDEX[:, np.int32(1) : np.int64(4)],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_getitem(index: Any) -> None:
    named = None if index in (..., slice(None), ()) else "a.b"
    check(lambda x: x[index], lambda x: x[index], X, tol=0, named=named)
    one = check_sizes(lambda x: x[index], lambda x: x[index], IMAGE, SMALL, LARGE, tol=0, named=named)
    build(one.net)


def test_slices_beyond_the_end_are_cut_as_python_does() -> None:
    for index in (INDEX[:, :99], INDEX[:, -99:2], INDEX[:, 4:99:4], INDEX[:, -99:99:2]):
        named = None if index == INDEX[:, :99] else "a.b"
        check(lambda x, i=index: x[i], lambda x, i=index: x[i], X, tol=0, named=named)


def test_all_slices_take_one_layer() -> None:
    assert kinds(OneOp(lambda x: x[1:, 2:4, ::2, -2:], X).net) == ["SLICE"]
    assert kinds(OneOp(lambda x: x[:, 2:4, :3], ((2, 6, 5, (4, 5, 6)), "float32")).net).count("SLICE") == 2


def test_getitem_with_sizes_of_another_tensor() -> None:
    """A Dim is a number: a place, or where a slice starts or ends."""
    sizes: list[Any] = [((4, 6, 8), 5), ((1, 2, 3), 2)]
    shapes = [[(4, 5), (2, 2)], [(8, 5), (1, 2)]]
    for op in (
        lambda x, y: x[y.shape[0] if isinstance(x, torch.Tensor) else y.dims[0]],
        lambda x, y: x[: y.size(0)],
        lambda x, y: x[y.size(0) :],
        lambda x, y: x[y.size(0) : x.size(0) - y.size(0) + 1],
        lambda x, y: x[: x.size(0) - y.size(0) : 2],
        lambda x, y: x[y.size(0) :, y.size(1) :],
        lambda x, y: x[:, y.size(0)],
    ):
        build(check_sizes(op, op, sizes, *shapes, tol=0).net)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_getitem_with_a_tensor(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    for index, size in ((lambda i: i, 2), (lambda i: (slice(None), i), 6), (lambda i: (..., i, slice(1, 3)), 5)):
        indices = integers(*shape, below=size).to(dtype)
        check(lambda x, i, f=index: x[f(i)], lambda x, i, f=index: x[f(i.long())], X, indices, tol=0)
    more = integers(*shape, below=5).to(dtype)
    check(lambda x, i: x[1:, :, i, None], lambda x, i: x[1:, :, i.long(), None], X, more, tol=0)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (INDEX[2], "index: found 2, expected it within 2 at dim 0"),
        (INDEX[:, -7], "index: found -7, expected it within 6 at dim 1"),
        (INDEX[0, 0, 0, 0, 0], "index: found 5 indices for shape (2, 6, 5, 4)"),
        (INDEX[..., 0, ...], "index: found ... twice, expected it once"),
        (INDEX[:, 3:3], "found 3:3 of 6, expected at least one value"),
        (INDEX[:, 9:], "found 9:None of 6, expected at least one value"),
        (INDEX[:, ::-1], "index: found step -1, expected at least 1; flip turns a dimension round"),
        (INDEX[:, ::0], "index: found step 0, expected at least 1; flip turns a dimension round"),
        (INDEX[1.0], "index: found 1.0, expected integers, slices, None, ... or a tensor of integers"),
        (INDEX["a"], "index: found 'a', expected integers, slices, None, ... or a tensor of integers"),
        (INDEX[True], "index: found True, expected integers, slices, None, ... or a tensor of integers"),
        (INDEX[[0, 1]], "index: found [0, 1], expected integers, slices, None, ... or a tensor of integers"),
        (INDEX[:, 1.5:], "index: found 1.5 in a slice, expected integers or Dims"),
        (INDEX[:, "a":], "index: found 'a' in a slice, expected integers or Dims"),
    ],
    ids=str,
)
def test_errors_of_getitem(index: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda x: x[index], X)
    assert str(caught.value) == f"a.b: getitem: {text}"


def test_tensors_that_are_no_index() -> None:
    with pytest.raises(NetworkError, match=r"^a\.b: getitem: index: found float32, expected int32 or int64$"):
        OneOp(lambda x: x[x], X)
    with pytest.raises(NetworkError, match=r"^a\.b: getitem: index: found bool, expected int32 or int64; where"):
        OneOp(lambda x: x[x > 0], X)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 4, 2)], ids=str)
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_index_select(shape: tuple[int, ...], dim: int, dtype: torch.dtype) -> None:
    """Torch's takes an index of one dimension; this takes any."""
    check(
        lambda x, i: ops.index_select(x, dim, i),
        lambda x, i: torch.from_numpy(np.take(x.numpy(), i.numpy(), dim)),
        *(X, integers(*shape, below=X.shape[dim]).to(dtype)),
        tol=0,
    )


def picked(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[index] for row, index in zip(x, i.long(), strict=True)])


def test_index_select_of_each_batch() -> None:
    rows, indices = values(3, 7, 4), integers(3, 5, below=7)
    check(lambda x, i: ops.index_select(x, 1, i, batch_dims=1), picked, rows, indices, tol=0)


def test_index_select_of_dynamic_sizes() -> None:
    specs: list[Spec] = [(((1, 2, 4), (7, 8, 9), 4), "float32"), (((1, 2, 4), (1, 5, 9)), "int32")]
    one = OneOp(lambda x, i: ops.index_select(x, 1, i, batch_dims=1), *specs)
    build(one.net)
    for batch, rows, picks in ((4, 7, 9), (1, 9, 1)):
        compare(one, picked, [values(batch, rows, 4), integers(batch, picks, below=7)], 0)


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 1), (1, 1, 1)], ids=str)
def test_gather(dim: int, shape: tuple[int, ...]) -> None:
    """An index may have less of the other dimensions."""
    x = values(3, 5, 4)
    check(
        lambda x, i: ops.gather(x, dim, i),
        lambda x, i: torch.gather(x, dim, i.long()),
        *(x, integers(*shape, below=x.shape[dim])),
        tol=0,
    )


def test_gather_of_dynamic_sizes() -> None:
    n = (1, 2, 4)
    one = OneOp(lambda x, i: ops.gather(x, 1, i), ((n, (5, 6, 8), 4), "float32"), ((n, (1, 3, 9), 4), "int64"))
    build(one.net)
    for batch, rows, picks in ((4, 8, 1), (1, 5, 9)):
        inputs = [values(batch, rows, 4), integers(batch, picks, 4, below=5).long()]
        compare(one, lambda x, i: torch.gather(x, 1, i), inputs, 0)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_scatter(dim: int, dtype: torch.dtype) -> None:
    x = values(3, 5, 4)
    order = values(3, 5, 4, seed=7).argsort(dim).to(dtype)  # no place twice
    check(
        lambda x, i, src: ops.scatter(x, dim, i, src),
        lambda x, i, src: x.scatter(dim, i.long(), src),
        *(x, order, values(3, 5, 4, seed=1)),
        tol=0,
    )
    some = order.narrow(dim, 0, 2)
    check(
        lambda x, i, src: ops.scatter(x, dim, i, src),
        lambda x, i, src: x.scatter(dim, i.long(), src),
        *(x, some, values(3, 5, 4, seed=1)),  # more than there are places for
        tol=0,
    )
    check(
        lambda x, i, src: ops.scatter(x, dim, i, src),
        lambda x, i, src: x.scatter(dim, i.long(), src),
        *(x, some, values(*some.shape, seed=1)),
        tol=0,
    )
    check(lambda x, i: ops.scatter(x, dim, i, True), lambda x, i: x.scatter(dim, i.long(), True), bools(3, 5, 4), some)
    for value in (2.5, -1, 0):
        check(
            lambda x, i, v=value: ops.scatter(x, dim, i, v), lambda x, i, v=value: x.scatter(dim, i.long(), v), x, some
        )


def test_scatter_of_dynamic_sizes() -> None:
    n = (1, 2, 4)
    one = OneOp(lambda x, i: ops.scatter(x, 1, i, 1.0), ((n, (5, 6, 8)), "float32"), ((n, (1, 3, 5)), "int32"))
    build(one.net)
    for batch, size, picks in ((4, 8, 1), (1, 5, 5)):
        order = values(batch, size, seed=2).argsort(1)[:, :picks].to(torch.int32)
        compare(one, lambda x, i: x.scatter(1, i.long(), 1.0), [values(batch, size), order], 0)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_scatter_add(dim: int, dtype: torch.dtype) -> None:
    """Also where several values are meant for one place."""
    x, shape = values(3, 5, 4), [3, 5, 4]
    shape[dim] = 7
    check(
        lambda x, i, src: ops.scatter_add(x, dim, i, src),
        lambda x, i, src: x.scatter_add(dim, i.long(), src),
        *(x, integers(*shape, below=3).to(dtype), values(*shape, seed=1)),
    )


def test_scatter_add_of_dynamic_sizes() -> None:
    n = (1, 2, 4)
    specs: list[Spec] = [((n, 5), "float32"), ((n, (1, 3, 9)), "int32"), ((n, (1, 3, 9)), "float32")]
    one = OneOp(lambda x, i, src: ops.scatter_add(x, 1, i, src), *specs)
    build(one.net)
    for batch, picks in ((4, 1), (1, 9)):
        inputs = [values(batch, 5), integers(batch, picks, below=5), values(batch, picks, seed=1)]
        compare(one, lambda x, i, src: x.scatter_add(1, i.long(), src), inputs, 1e-6)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_one_hot(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    indices = integers(*shape, below=5).to(dtype)
    check(lambda i: ops.one_hot(i, 7), lambda i: F.one_hot(i.long(), 7), indices)


@pytest.mark.parametrize("diagonal", [0, 1, -1, 3, -4, 9])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (2, 5, 3)], ids=str)
def test_triangles(shape: tuple[int, ...], diagonal: int) -> None:
    for x in (values(*shape), integers(*shape, below=9), bools(*shape)):
        check(lambda x: ops.tril(x, diagonal), lambda x: torch.tril(x, diagonal), x, tol=0)
        check(lambda x: ops.triu(x, diagonal), lambda x: torch.triu(x, diagonal), x, tol=0)
    infinite = torch.full(shape, float("-inf"))
    check(lambda x: ops.triu(x, diagonal), lambda x: torch.triu(x, diagonal), infinite, tol=0)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda x, i: ops.index_select(x, 0, i, batch_dims=1),
            "index_select: batch_dims: found 1, expected 0 to 0",
        ),
        (lambda x, i: ops.gather(x, 2, i), "gather: dim: found 2, expected -2 to 1 for shape (3, 4)"),
        (lambda x, i: ops.index_select(x, 0, x), "index_select: index: found float32, expected int32 or int64"),
        (lambda x, i: ops.gather(x, 0, x), "gather: index: found float32, expected int32 or int64"),
        (lambda x, i: ops.gather(x, 0, i[0]), "gather: index: found (4,) for (3, 4), expected as many dimensions"),
        (lambda x, i: ops.scatter(x, 0, x, 1.0), "scatter: index: found float32, expected int32 or int64"),
        (
            lambda x, i: ops.scatter(x, 0, i[0], 1.0),
            "scatter: index: found (4,) for (3, 4), expected as many dimensions",
        ),
        (lambda x, i: ops.scatter(x, 0, i, i), "scatter: src: found int32, expected the input's float32"),
        (
            lambda x, i: ops.scatter(x, 0, i, x[:, :2]),
            "scatter: src: found (3, 2) for an index of (3, 4), expected its sizes at least",
        ),
        (
            lambda x, i: ops.scatter_add(x, 0, i, x[:1]),
            "scatter_add: index: found (3, 4) for (3, 4) and src (1, 4), expected the input's sizes but for dim 0, and "
            "no more than those of src",
        ),
        (
            lambda x, i: ops.scatter_add(x, 0, i[:, :2], x[:, :2]),
            "scatter_add: index: found (3, 2) for (3, 4) and src (3, 2), expected the input's sizes but for dim 0, and "
            "no more than those of src",
        ),
        (lambda x, i: ops.one_hot(x, 4), "one_hot: input: found float32, expected int32 or int64"),
        (lambda x, i: ops.one_hot(i, 0), "one_hot: num_classes: found 0, expected at least 1"),
        (lambda x, i: ops.tril(x[0]), "tril: found shape (4,), expected matrices of fixed sizes"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 4), integers(3, 4, below=3))
    assert str(caught.value) == f"a.b: {text}"
