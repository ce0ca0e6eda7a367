"""Tables of weights against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, build, check, compare, integers, values
from wtsnet import ops
from wtsnet.errors import NetworkError, ShapeError


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_embedding(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    for shape in ((), (4,), (2, 3)):
        indices = integers(*shape, below=9).to(dtype)
        for size in ((9, 5), (-1, 5), (9, -1)):
            one = check(lambda s, i, size=size: ops.embedding(s, i, *size), nn.Embedding(9, 5), indices, tol=0)
            assert one.net.weights.unused() == []


def test_embedding_of_dynamic_sizes() -> None:
    torch.manual_seed(0)
    twin = nn.Embedding(9, 5)
    one = OneOp(
        lambda s, i: ops.embedding(s, i, 9, 5), (((1, 2, 4), (1, 5, 7)), "int32"), weights=dict(twin.state_dict())
    )
    build(one.net)
    for shape in ((4, 1), (1, 7)):
        compare(one, twin, [integers(*shape, below=9)], 0)


def test_parameter() -> None:
    """A class token before the rows of each picture, and a position table added to them."""
    token, table = values(1, 1, 4), values(1, 7, 4, seed=1)

    def op(s: Any, x: Any) -> Any:
        first = s.parameter("token", 1, 1, 4).expand(x.dims[0], -1, -1)
        return ops.cat([first, x], 1) + s.parameter("table", 1, 7, 4)

    one = OneOp(op, (((1, 2, 4), 6, 4), "float32"), weights={"token": token, "table": table})
    build(one.net)
    for batch in (1, 4):
        x = values(batch, 6, 4)
        compare(one, lambda x: torch.cat([token.expand(len(x), -1, -1), x], 1) + table, [x], 1e-6)


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")])
def test_a_parameter_has_the_networks_precision(precision: str, dtype: str) -> None:
    token = values(1, 4)
    one = OneOp(lambda s: s.parameter("token", 1, 4), weights={"token": token}, named=None, precision=precision)
    assert one.outputs[0].dtype == dtype
    assert torch.equal(one()[0].float(), token.to(getattr(torch, dtype)).float())


def test_errors() -> None:
    with pytest.raises(ShapeError) as table:
        OneOp(lambda s, i: ops.embedding(s, i, 9, 4), integers(3, below=3), weights={"weight": values(9, 5)})
    assert str(table.value) == "weights: a.b.weight: found shape (9, 5), expected (9, 4) (36 values)"
    with pytest.raises(NetworkError) as kind:
        OneOp(lambda s, i: ops.embedding(s, i, 9, 5), values(3), weights={"weight": values(9, 5)})
    assert str(kind.value) == "a.b: embedding: input: found float32, expected int32 or int64"
