"""Writing at indices against torch's: scatter_reduce, index_put, masked_scatter, select_scatter, slice_scatter."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.ops.support import OneOp, Spec, bools, build, check, check_sizes, compare, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

N = (1, 2, 4)
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_scatter_reduce(dim: int, reduce: str, include_self: bool) -> None:
    """Also where several values are meant for one place, and where none is."""

    def twin(x: torch.Tensor, i: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
        return x.scatter_reduce(dim, i.long(), src, reduce, include_self=include_self)

    shape = [3, 4, 5]
    shape[dim] = 6
    for dtype in (torch.int32, torch.int64):
        for below in (1, 3):
            check(
                lambda x, i, src: ops.scatter_reduce(x, dim, i, src, reduce, include_self=include_self),
                twin,
                *(values(3, 4, 5), integers(*shape, below=below).to(dtype), values(*shape, seed=1)),
            )
    index = integers(*shape, below=3)
    more = [size + 2 for size in shape]  # more than there are indices for
    check(
        lambda x, i, src: x.scatter_reduce(dim, i, src, reduce, include_self=include_self),
        twin,
        *(values(3, 4, 5), index, values(*more, seed=1)),
    )


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_scatter_reduce_of_integers(dtype: torch.dtype, reduce: str, include_self: bool) -> None:
    x, src = (integers(*shape, below=19, seed=i).to(dtype) - 9 for i, shape in enumerate([(3, 4), (3, 6)]))
    one = check(
        lambda x, i, src: ops.scatter_reduce(x, 1, i, src, reduce, include_self=include_self),
        lambda x, i, src: x.scatter_reduce(1, i.long(), src, reduce, include_self=include_self),
        *(x, integers(3, 6, below=4), src),
    )
    build(one.net)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_scatter_add_of_integers(dtype: torch.dtype) -> None:
    one = check(
        lambda x, i, src: x.scatter_add(1, i, src),
        lambda x, i, src: x.scatter_add(1, i.long(), src),
        *(integers(3, 4, below=9).to(dtype), integers(3, 6, below=4), integers(3, 6, below=9, seed=1).to(dtype)),
    )
    build(one.net)


def test_scatter_add_is_the_sum_that_scatter_reduce_makes() -> None:
    """Of infinite values, and of more than there are indices for, too."""
    src = values(2, 6)
    src[0, 2], src[1, 4] = torch.inf, -torch.inf
    one = check(
        lambda x, i, src: x.scatter_add(1, i, src),
        lambda x, i, src: x.scatter_add(1, i.long(), src),
        *(values(2, 4), integers(2, 5, below=4), src),
    )
    assert "MATRIX_MULTIPLY" not in kinds(one.net)  # which an engine may round


@pytest.mark.parametrize("reduce", ["sum", "amax", "amin"])
def test_scatter_reduce_of_infinite_values(reduce: str) -> None:
    """They reach no place but their own."""
    src = values(2, 6)
    src[0, 2], src[1, 4] = torch.inf, -torch.inf
    check(
        lambda x, i, src: ops.scatter_reduce(x, 1, i, src, reduce),
        lambda x, i, src: x.scatter_reduce(1, i.long(), src, reduce),
        *(values(2, 4), integers(2, 6, below=4), src),
    )


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_scatter_reduce_of_dynamic_sizes(reduce: str) -> None:
    specs: list[Spec] = [((N, 5), "float32"), ((N, (1, 3, 9)), "int32"), ((N, (1, 3, 9)), "float32")]
    one = OneOp(lambda x, i, src: ops.scatter_reduce(x, 1, i, src, reduce, include_self=False), *specs)
    build(one.net)
    for batch, picks in ((4, 1), (1, 9)):
        compare(
            one,
            lambda x, i, src: x.scatter_reduce(1, i.long(), src, reduce, include_self=False),
            [values(batch, 5), integers(batch, picks, below=5), values(batch, picks, seed=1)],
            1e-6,
        )


# What is put where: the sizes of `x`, of the indices (None: all of a dimension), and of the values.
PUTS: list[tuple[tuple[int, ...], tuple[tuple[int, ...] | None, ...], tuple[int, ...]]] = [
    ((7, 4, 5), ((3,),), (3, 4, 5)),
    ((7, 4, 5), ((3,),), (4, 5)),
    ((7, 4, 5), ((3,),), ()),
    ((7, 4, 5), ((),), (4, 5)),
    ((7, 4, 5), ((3,), (3,)), (3, 5)),
    ((7, 4, 5), ((3, 1), (2,)), (3, 2, 5)),
    ((7, 4, 5), ((3, 1), (2,)), (3, 1, 1)),
    ((7, 4, 5), ((3,), (3,), (3,)), (3,)),
    ((7, 4, 5), (None, (3,)), (7, 3, 5)),
    ((7, 4, 5), (None, (2, 2)), (7, 2, 2, 5)),
    ((7, 4, 5), (None, None, (3,)), (7, 4, 3)),
    ((7, 4, 5), (None, (3,), (3,)), (7, 3)),
    ((7, 4, 5), (None, (2,), (3, 1)), (7, 3, 2)),
    ((7, 4, 5), ((3,), None, (3,)), (3, 4)),
    ((7, 4, 5), ((3,), None, ()), (3, 4)),
    ((7,), ((3,),), (3,)),
]


def put(x: torch.Tensor, *given: torch.Tensor, none: tuple[int, ...], accumulate: bool) -> torch.Tensor:
    indices: list[torch.Tensor | None] = list(given[:-1])
    for place in none:
        indices.insert(place, None)
    indices = [i.long() if i is not None and i.dtype == torch.int32 else i for i in indices]
    result: torch.Tensor = torch.ops.aten.index_put(x, indices, given[-1], accumulate)
    return result


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("shape", "indices", "given"), PUTS, ids=str)
def test_index_put(shape: tuple[int, ...], indices: Any, given: tuple[int, ...], accumulate: bool) -> None:
    none = tuple(i for i, size in enumerate(indices) if size is None)

    def op(x: Any, *more: Any) -> Any:
        places = list(more[:-1])
        for place in none:
            places.insert(place, None)
        return ops.index_put(x, places, more[-1], accumulate)

    for dtype in (torch.int32, torch.int64):
        made = []
        for axis, size in enumerate(indices):
            if size is not None:
                # with no place twice, or which value stays is left open
                every = torch.arange(shape[axis]).flip(0)[: max(1, torch.Size(size).numel())]
                made.append((every.reshape(size) - shape[axis] * (axis % 2)).to(dtype))
        if accumulate:
            made = [i * 0 for i in made]  # all for one place
        one = check(
            op,
            lambda x, *more: put(x, *more, none=none, accumulate=accumulate),
            *(values(*shape), *made, values(*given, seed=1)),
            tol=1e-6 if accumulate else 0,
        )
    build(one.net)


def test_index_put_adds_where_it_must() -> None:
    """Each place what is meant for it, counted from the end, too."""
    for first, second, both in (((50,), (50,), (50,)), ((5, 1), (7,), (5, 7))):
        i, j = integers(*first, below=6), integers(*second, below=10, seed=1) - 5
        check(
            lambda x, i, j, y: ops.index_put(x, (i, j), y, accumulate=True),
            lambda x, i, j, y: x.index_put((i.long(), j.long()), y, accumulate=True),
            *(values(6, 5, 3), i, j, values(*both, 3, seed=2)),
        )


def test_index_put_of_a_number() -> None:
    x, i = values(5, 4), integers(3, below=4)
    for value in (2.5, -1, 0):
        check(
            lambda x, i, v=value: x.index_put((None, i), v),
            lambda x, i, v=value: put(x, i, torch.tensor(float(v)), none=(0,), accumulate=False),
            *(x, i),
            tol=0,
        )
    check(
        lambda x, i: x.index_put((i,), True),
        lambda x, i: x.index_put((i,), torch.tensor(True)),
        *(bools(5, 4), i),
    )


def test_index_put_of_other_dtypes() -> None:
    i = torch.tensor([3, 0, 2], dtype=torch.int32)
    for x, y in (
        (integers(4, 5, below=9), integers(3, 5, below=9, seed=1)),
        (integers(4, 5, below=9).long(), integers(3, 5, below=9, seed=1).long()),
        (bools(4, 5), bools(3, 5, seed=1)),
        (values(4, 5).half(), values(3, 5, seed=1).half()),
        (values(4, 5).bfloat16(), values(3, 5, seed=1).bfloat16()),
    ):
        one = check(lambda x, i, y: x.index_put((i,), y), lambda x, i, y: x.index_put((i,), y), x, i, y, tol=0)
        build(one.net)


def test_index_put_takes_no_more_layers_than_it_needs() -> None:
    i = torch.tensor([2, 0], dtype=torch.int32)
    one = OneOp(lambda x, i, y: x.index_put((i,), y), values(3, 4), i, values(2, 4))
    assert kinds(one.net) == ["SHUFFLE", "SCATTER"]


@pytest.mark.parametrize("accumulate", [False, True])
def test_index_put_of_dynamic_sizes(accumulate: bool) -> None:
    none = (0,)
    specs: list[Spec] = [((N, 6, (4, 5, 8)), "float32"), (((1, 3, 6),), "int32"), ((N, (1, 3, 6), 1), "float32")]
    one = OneOp(lambda x, i, y: ops.index_put(x, (None, i), y, accumulate), *specs)
    build(one.net)
    for batch, length, picks in ((4, 8, 1), (1, 4, 6)):
        order = values(6, seed=3).argsort()[:picks].to(torch.int32)
        given = [values(batch, 6, length), order, values(batch, picks, 1, seed=1)]
        compare(one, lambda x, i, y: put(x, i, y, none=none, accumulate=accumulate), given, 1e-6)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    ("first", "mask", "given"),
    [
        *((0, (3,), given) for given in ((), (1,), (5,), (4, 5), (4, 1))),
        *((first, mask, given) for first, mask in ((0, (3, 4)), (1, (4,))) for given in ((), (1,), (5,))),
        *((first, mask, ()) for first, mask in ((0, (3, 4, 5)), (1, (4, 5)), (2, (5,)))),
    ],
)
def test_index_put_with_bools(first: int, mask: tuple[int, ...], given: tuple[int, ...], accumulate: bool) -> None:
    """What takes the place of all of them, or of each with the dimensions behind."""
    none = tuple(range(first))
    check(
        lambda x, m, y: ops.index_put(x, (*(None,) * first, m), y, accumulate),
        lambda x, m, y: put(x, m, y, none=none, accumulate=accumulate),
        *(values(3, 4, 5), bools(*mask), values(*given, seed=1)),
        tol=1e-6 if accumulate else 0,
    )


def test_index_put_of_a_number_with_bools() -> None:
    one = check_sizes(
        lambda x: x.index_put((x[:, :, 0] > 0,), -1.5),
        lambda x: x.index_put((x[:, :, 0] > 0,), torch.tensor(-1.5)),
        *((N, 6, (4, 5, 8)), (4, 6, 8), (1, 6, 4)),
        tol=0,
    )
    build(one.net)


@pytest.mark.parametrize("mask", [(3, 4, 5), (4, 5), (5,), (3, 1, 1), (1, 4, 1), (1,), ()], ids=str)
def test_masked_scatter(mask: tuple[int, ...]) -> None:
    one = None
    for x, source in (
        (values(3, 4, 5), values(60, seed=1)),
        (values(3, 4, 5), values(8, 9, seed=1)),  # more than are taken
        (integers(3, 4, 5, below=9), integers(3, 4, 5, below=9, seed=1)),
        (bools(3, 4, 5), bools(60, seed=1)),
        (values(3, 4, 5).half(), values(3, 4, 5, seed=1).half()),
    ):
        for m in (bools(*mask), torch.zeros(mask, dtype=torch.bool), torch.ones(mask, dtype=torch.bool)):
            one = check(ops.masked_scatter, torch.masked_scatter, x, m, source, tol=0)
    assert one is not None
    build(one.net)


def test_masked_scatter_of_dynamic_sizes() -> None:
    n, m = (1, 2, 4), (1, 3, 9)
    specs: list[Spec] = [((n, 6, m), "float32"), ((n, 1, m), "bool"), (((1, 99, 400),), "float32")]
    one = OneOp(lambda x, m, y: x.masked_scatter(m, y), *specs)
    build(one.net)
    for batch, length in ((4, 9), (1, 1)):
        given = [values(batch, 6, length), bools(batch, 1, length), values(batch * 6 * length, seed=1)]
        compare(one, torch.masked_scatter, given, 0)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_select_scatter(dim: int) -> None:
    x = values(3, 4, 5)
    for index in (0, 1, 2, -1, -3):
        src = x.select(dim, 0) * 2
        one = check(
            lambda x, y, i=index: ops.select_scatter(x, y, dim, i),
            lambda x, y, i=index: torch.select_scatter(x, y, dim, i),
            *(x, src),
            tol=0,
        )
        build(one.net)


def test_select_scatter_of_dynamic_sizes() -> None:
    sizes: list[Any] = [(N, (2, 5, 8), 6), (N, 6)]
    shapes = [[(4, 8, 6), (4, 6)], [(1, 2, 6), (1, 6)]]
    for index in (0, 1, -1, -2):
        one = check_sizes(
            lambda x, y, i=index: x.select_scatter(y, 1, i),
            lambda x, y, i=index: x.select_scatter(y, 1, i),
            *(sizes, *shapes),
            tol=0,
        )
        build(one.net)


SLICES = [
    (None, None, 1),
    (0, 99, 1),
    (1, None, 1),
    (None, 3, 1),
    (1, 4, 1),
    (-3, None, 1),
    (-4, -1, 1),
    (None, -2, 1),
    (-99, 2, 1),
    (None, None, 2),
    (1, None, 2),
    (1, 5, 3),
    (-5, -1, 2),
    (0, 1, 9),
]


@pytest.mark.parametrize(("start", "end", "step"), SLICES)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_slice_scatter(dim: int, start: int | None, end: int | None, step: int) -> None:
    x = values(6, 6, 6)
    src = x.movedim(dim, 0)[start:end:step].movedim(0, dim) * 2
    one = check(
        lambda x, y: ops.slice_scatter(x, y, dim, start, end, step),
        lambda x, y: torch.slice_scatter(x, y, dim, start, end, step),
        *(x, src),
        tol=0,
        named=None if src.shape == x.shape else "a.b",
    )
    if src.shape != x.shape:
        build(one.net)


def test_slice_scatter_of_other_dtypes() -> None:
    for x, y in ((integers(5, 4, below=9), integers(2, 4, below=9)), (bools(5, 4), bools(2, 4, seed=1))):
        for step in (1, 2):
            check(
                lambda x, y, n=step: x.slice_scatter(y, 0, 1, 1 + 2 * n, n),
                lambda x, y, n=step: x.slice_scatter(y, 0, 1, 1 + 2 * n, n),
                *(x, y),
            )


def test_slice_scatter_in_the_middle_takes_three_layers() -> None:
    one = OneOp(lambda x, y: x.slice_scatter(y, 1, 1, 3), values(3, 5), values(3, 2))
    assert kinds(one.net) == ["SLICE", "SLICE", "CONCATENATION"]


def test_slice_scatter_of_dynamic_sizes() -> None:
    """Along another dimension, and along the dynamic one: where it starts and ends may be reckoned with, too."""
    length = (4, 5, 8)
    for op in (
        lambda x, y: x.slice_scatter(y[:, :2], 1, 1, 3),
        lambda x, y: x.slice_scatter(y[:, :2], 1, 0, 2),
        lambda x, y: x.slice_scatter(y[:, 1:], 1, 1),
        lambda x, y: x.slice_scatter(y[:, 2:], 1, 1, -1),
        lambda x, y: x.slice_scatter(y[:, :2], 1, -2),
        lambda x, y: x.slice_scatter(y[:, :1], 1, x.size(1) - 2, x.size(1) - 1),
    ):
        shapes = [[(4, 8, 6), (4, 8, 6)], [(1, 4, 6), (1, 4, 6)]]
        build(check_sizes(op, op, [(N, length, 6), (N, length, 6)], *shapes, tol=0).net)
    one = check_sizes(
        lambda x, y: x.slice_scatter(y, 2, 1, step=2),
        lambda x, y: x.slice_scatter(y, 2, 1, step=2),
        *([(N, length, 6), (N, length, 3)], [(4, 8, 6), (4, 8, 3)], [(1, 4, 6), (1, 4, 3)]),
        tol=0,
    )
    build(one.net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda x, i: ops.scatter_reduce(x, 0, i, x, "max"),
            "scatter_reduce: reduce: found 'max', expected one of sum, prod, mean, amax, amin",
        ),
        (
            lambda x, i: ops.scatter_reduce(x, 0, x, x, "sum"),
            "scatter_reduce: index: found float32, expected int32 or int64",
        ),
        (
            lambda x, i: ops.scatter_reduce(x, 0, i, i, "sum"),
            "scatter_reduce: src: found int32, expected numbers of the input's float32",
        ),
        (
            lambda x, i: ops.scatter_add(x > 0, 0, i, x > 0),
            "scatter_add: src: found bool, expected numbers of the input's bool",
        ),
        (
            lambda x, i: ops.scatter_reduce(x, 0, i[0], x, "sum"),
            "scatter_reduce: index: found (4,) and src (3, 4) for (3, 4), expected as many dimensions",
        ),
        (
            lambda x, i: ops.scatter_reduce(x, 0, i[:, :2], x, "sum"),
            "scatter_reduce: index: found (3, 2) for (3, 4) and src (3, 4), expected the input's sizes but for dim 0, "
            "and no more than those of src",
        ),
        (
            lambda x, i: ops.scatter_reduce(x, 0, i, x[:2], "sum"),
            "scatter_reduce: index: found (3, 4) for (3, 4) and src (2, 4), expected the input's sizes but for dim 0, "
            "and no more than those of src",
        ),
        (
            lambda x, i: ops.index_put(x, (i,), i),
            "index_put: values: found int32, expected the input's float32",
        ),
        (
            lambda x, i: ops.index_put(x, (i, i, i), x),
            "index_put: indices: found 3 for shape (3, 4), expected one tensor or more",
        ),
        (
            lambda x, i: ops.index_put(x, (None,), x),
            "index_put: indices: found 1 for shape (3, 4), expected one tensor or more",
        ),
        (lambda x, i: ops.index_put(x, (x,), x), "index_put: indices: found float32, expected int32 or int64"),
        (
            lambda x, i: ops.index_put(x, (i[0, :3], i[0]), x),
            "index_put: indices: found (4,), expected sizes that broadcast to (3,)",
        ),
        (
            lambda x, i: ops.index_put(x, (i[0],), x),
            "index_put: values: found (3, 4), expected sizes that broadcast to (4, 4)",
        ),
        (
            lambda x, i: ops.index_put(i, (i,), 1, True),
            "index_put: accumulate: found int32, expected floats: TensorRT has no product of integers",
        ),
        (
            lambda x, i: ops.index_put(x, (x > 0, i), x),
            "index_put: indices: found bool and 2 tensors, expected one tensor of bools with sizes of (3, 4)",
        ),
        (
            lambda x, i: ops.index_put(x, (x[:, 0] > 0,), x),
            "index_put: values: found (3, 4), expected at most the 1 dimensions behind the bools: how many of these "
            "are true is not known; masked_scatter and where take values for each place",
        ),
        (
            lambda x, i: ops.index_put(x, (x[0] > 0,), 0.0),
            "index_put: indices: found bool and (4,) at dim 0, expected one tensor of bools with sizes of (3, 4)",
        ),
        (
            lambda x, i: ops.index_put(x[:, :3], (None, x[:, :3] > 0), 0.0),
            "index_put: indices: found bool and (3, 3) at dim 1, expected one tensor of bools with sizes of (3, 3)",
        ),
        (lambda x, i: ops.masked_scatter(x, i, x), "masked_scatter: mask: found int32, expected bool"),
        (
            lambda x, i: ops.masked_scatter(x, x > 0, i),
            "masked_scatter: source: found int32, expected the input's float32",
        ),
        (
            lambda x, i: ops.masked_scatter(x, x[:, :3] > 0, x),
            "masked_scatter: mask: found (3, 3), expected sizes that broadcast to (3, 4)",
        ),
        (
            lambda x, i: ops.masked_scatter(x[0], x > 0, x),
            "masked_scatter: mask: found (3, 4), expected sizes that broadcast to (4,)",
        ),
        (
            lambda x, i: ops.select_scatter(x, x[0], 0, 3),
            "select_scatter: index: found 3, expected it within 3 at dim 0",
        ),
        (
            lambda x, i: ops.select_scatter(x, x, 0, 1),
            "select_scatter: src: found (3, 4) for (3, 4), expected its sizes without dim 0",
        ),
        (
            lambda x, i: ops.select_scatter(x, x[:, 0], 0, 1),
            "select_scatter: src: found float32 (1, 3), expected float32 (1, 4), as what it takes the place of",
        ),
        (lambda x, i: ops.slice_scatter(x, x, step=0), "slice_scatter: step: found 0, expected at least 1"),
        (
            lambda x, i: ops.slice_scatter(x, x, 0, 2, 1),
            "slice_scatter: found 2:1 of 3, expected at least one value",
        ),
        (
            lambda x, i: ops.slice_scatter(x, x, 0, 1),
            "slice_scatter: src: found float32 (3, 4), expected float32 (2, 4), as what it takes the place of",
        ),
        (
            lambda x, i: ops.slice_scatter(x, i),
            "slice_scatter: src: found int32 (3, 4), expected float32 (3, 4), as what it takes the place of",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 4), integers(3, 4, below=3))
    assert str(caught.value) == f"a.b: {text}"


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda x: ops.scatter_reduce(x, 0, x.int(), x, "sum"),
            "scatter_reduce: found a dynamic size at dim 0 of (-1, 4), expected a fixed one",
        ),
        (
            lambda x: ops.index_put(x, (x[:, 0].int(),), 1.0, True),
            "index_put: found a dynamic size at dim 0 of (-1, 4), expected a fixed one",
        ),
        (
            lambda x: ops.slice_scatter(x, x[:1], 0, 1, 3, 2),
            "slice_scatter: step: found 2 along a dim 0 whose size, start or end is dynamic, expected 1",
        ),
        (
            lambda x: ops.slice_scatter(x, x[:, :1], 1, x.size(0), 4, 2),
            "slice_scatter: step: found 2 along a dim 1 whose size, start or end is dynamic, expected 1",
        ),
        (
            lambda x: ops.slice_scatter(x, x, step=2),
            "slice_scatter: step: found 2 along a dim 0 whose size, start or end is dynamic, expected 1",
        ),
    ],
)
def test_errors_about_dynamic_sizes(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, ((N, 4), "float32"))
    assert str(caught.value) == f"a.b: {text}"
