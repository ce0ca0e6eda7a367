"""Matrix products against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, layers, values
from wtsnet import ops
from wtsnet.errors import NetworkError, ShapeError


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6), (2, 3, 4, 6), (2, 1, 3, 2, 6)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("out", [5, 1, -1])
def test_linear(shape: tuple[int, ...], bias: bool, out: int) -> None:
    torch.manual_seed(0)
    twin = nn.Linear(6, 5 if out == -1 else out, bias)
    one = check(lambda s, x: ops.linear(s, x, out, bias), twin, values(*shape))
    assert one.net.weights.unused() == []


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_linear_with_dynamic_sizes(rank: int) -> None:
    torch.manual_seed(0)
    sizes = (*[(1, 2, 4)] * (rank - 1), 6)
    one = check_sizes(
        lambda s, x: ops.linear(s, x, 5),
        nn.Linear(6, 5),
        sizes,
        (*(4, 1, 2)[: rank - 1], 6),
        (*(1, 3, 4)[: rank - 1], 6),
    )
    build(one.net)
    kinds = [layer.type.name for layer in layers(one.net)]
    assert kinds == ["CONSTANT", "MATRIX_MULTIPLY", "CONSTANT", "ELEMENTWISE"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)),
        ((2, 6, 3, 4), (2, 6, 4, 5)),
        ((1, 6, 3, 4), (2, 1, 4, 1)),
    ],
    ids=str,
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = values(*a), values(*b, seed=1)
    check(ops.matmul, torch.matmul, x, y)
    check(lambda s, x, y: ops.matmul(s, x, y, transpose_a=True), lambda x, y: x.mT @ y, x.mT.contiguous(), y)
    check(lambda s, x, y: ops.matmul(s, x, y, transpose_b=True), lambda x, y: x @ y.mT, x, y.mT.contiguous())
    both = x.mT.contiguous(), y.mT.contiguous()
    check(lambda s, x, y: ops.matmul(s, x, y, True, True), lambda x, y: x.mT @ y.mT, *both)


def test_matmul_with_dynamic_sizes() -> None:
    """Attention scores, and a table that is broadcast over batch and heads."""
    tokens = ((1, 2, 4), 3, (2, 5, 9), 4)
    one = check_sizes(
        lambda s, q, k: ops.matmul(s, q, k, transpose_b=True),
        lambda q, k: q @ k.mT,
        [tokens, tokens],
        [(4, 3, 9, 4)] * 2,
        [(1, 3, 2, 4)] * 2,
    )
    build(one.net)
    one = check_sizes(
        lambda s, x, y: ops.matmul(s, x, y),
        torch.matmul,
        [tokens, (4, (2, 3, 4))],
        [(4, 3, 9, 4), (4, 2)],
        [(1, 3, 2, 4), (4, 4)],
    )
    build(one.net)
    one = check_sizes(
        lambda s, x, y: ops.matmul(s, x, y),
        torch.matmul,
        [((2, 5, 9), (2, 5, 9)), tokens],
        [(3, 9), (4, 3, 9, 4)],
        [(5, 2), (1, 3, 2, 4)],
    )
    build(one.net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.matmul(s, x, ops.reshape(s, x, (-1,))), "found (3, 6) and (18,), expected two or more"),
        (lambda s, x: ops.matmul(s, x, x), "last dimension of input0 = 6 and second to last dimension of input1 = 3"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 6))
    assert str(caught.value).startswith("a.b")
    assert text in str(caught.value)


def test_errors_about_weights() -> None:
    with pytest.raises(ShapeError) as caught:
        OneOp(lambda s, x: ops.linear(s, x, 5), values(3, 6), weights=nn.Linear(7, 5).state_dict())
    assert str(caught.value) == "weights: a.b.weight: found shape (5, 7), expected (5, 6) (30 values)"
    with pytest.raises(NetworkError, match=r"^a\.b: linear: found a dynamic size at the end of \(3, -1\)"):
        OneOp(lambda s, x: ops.linear(s, x, 5), ((3, (1, 2, 3)), "float32"))
