"""Picking by index against torch's and numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, Spec, build, check, compare, integers, values
from wtsnet import ops
from wtsnet.errors import NetworkError, ShapeError

X = values(2, 6, 5, 4)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 4, 2)], ids=str)
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_take(shape: tuple[int, ...], dim: int, dtype: torch.dtype) -> None:
    indices = integers(*shape, below=X.shape[dim]).to(dtype)
    check(
        lambda s, x, i: ops.take(s, x, i, dim),
        lambda x, i: torch.from_numpy(np.take(x.numpy(), i.numpy(), dim)),
        X,
        indices,
        tol=0,
    )


def test_take_of_each_batch() -> None:
    rows, indices = values(3, 7, 4), integers(3, 5, below=7)
    check(
        lambda s, x, i: ops.take(s, x, i, 1, batched=1),
        lambda x, i: torch.stack([row[index] for row, index in zip(x, i.long(), strict=True)]),
        rows,
        indices,
        tol=0,
    )


def test_take_of_dynamic_sizes() -> None:
    specs: list[Spec] = [(((1, 2, 4), (7, 8, 9), 4), "float32"), (((1, 2, 4), (1, 5, 9)), "int32")]
    one = OneOp(lambda s, x, i: ops.take(s, x, i, 1, batched=1), *specs)
    build(one.net)
    for batch, rows, picks in ((4, 7, 9), (1, 9, 1)):
        inputs = [values(batch, rows, 4), integers(batch, picks, below=7)]
        compare(one, lambda x, i: torch.stack([row[k] for row, k in zip(x, i.long(), strict=True)]), inputs, 0)


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_gather(dim: int) -> None:
    x = values(3, 5, 4)
    check(
        lambda s, x, i: ops.gather(s, x, dim, i),
        lambda x, i: torch.gather(x, dim, i.long()),
        x,
        integers(3, 5, 4, below=x.shape[dim]),
        tol=0,
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_embedding(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    for shape in ((), (4,), (2, 3)):
        indices = integers(*shape, below=9).to(dtype)
        one = check(lambda s, i: ops.embedding(s, i, 9, 5), nn.Embedding(9, 5), indices, tol=0)
        assert one.net.weights.unused() == []


def test_parameter() -> None:
    """A class token before the rows of each picture, and a position table added to them."""
    token, table = values(1, 1, 4), values(1, 7, 4, seed=1)

    def op(s: Any, x: Any) -> Any:
        first = ops.expand(s, ops.parameter(s, "token", 1, 1, 4), (x.dims[0], -1, -1), suffix="tokens")
        return ops.add(s, ops.concat(s, [first, x], 1, suffix="rows"), ops.parameter(s, "table", 1, 7, 4))

    one = OneOp(op, (((1, 2, 4), 6, 4), "float32"), weights={"token": token, "table": table})
    build(one.net)
    for batch in (1, 4):
        x = values(batch, 6, 4)
        compare(one, lambda x: torch.cat([token.expand(len(x), -1, -1), x], 1) + table, [x], 1e-6)


def test_errors() -> None:
    with pytest.raises(NetworkError) as batched:
        OneOp(lambda s, x, i: ops.take(s, x, i, 0, batched=1), values(3, 4), integers(3, below=3))
    assert str(batched.value) == "a.b: take: found batched=1, expected at most dim (0)"
    with pytest.raises(NetworkError, match=r"^a\.b: dim: found 2, expected -2 to 1 for shape \(3, 4\)$"):
        OneOp(lambda s, x, i: ops.gather(s, x, 2, i), values(3, 4), integers(3, 4, below=3))
    with pytest.raises(NetworkError, match=r"^a\.b: .*[Ii]ndex|^a\.b: .*[Ii]ndices"):
        OneOp(lambda s, x, i: ops.take(s, x, i), values(3, 4), values(3))
    with pytest.raises(ShapeError) as table:
        OneOp(lambda s, i: ops.embedding(s, i, 9, 4), integers(3, below=3), weights={"weight": values(9, 5)})
    assert str(table.value) == "weights: a.b.weight: found shape (9, 5), expected (9, 4) (36 values)"
