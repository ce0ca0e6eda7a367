"""Matrix products against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.ops.support import OneOp, build, check, check_sizes, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

# Every pair of ranks from 1 to 4.
SHAPES = [
    ((4,), (4,)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 6, 4, 5)),
    ((2, 6, 3, 4), (4,)),
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (1, 4, 5)),
    ((2, 1, 3, 4), (6, 4, 5)),
    ((3, 4), (2, 6, 4, 5)),
    ((2, 6, 3, 4), (4, 5)),
    ((2, 6, 3, 4), (2, 6, 4, 5)),
    ((1, 6, 3, 4), (2, 1, 4, 1)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = values(*a), values(*b, seed=1)
    check(ops.matmul, torch.matmul, x, y)
    check(lambda x, y: x @ y, torch.matmul, x, y)


@pytest.mark.parametrize(("a", "b"), [(a, b) for a, b in SHAPES if min(len(a), len(b)) > 1], ids=str)
def test_matmul_of_transposed_operands(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """They cost TensorRT no layer."""
    x, y = values(*a), values(*b, seed=1)
    left, right = x.mT.contiguous(), y.mT.contiguous()
    check(lambda x, y: ops.matmul(x, y, transpose_a=True), lambda x, y: x.mT @ y, left, y)
    check(lambda x, y: ops.matmul(x, y, transpose_b=True), lambda x, y: x @ y.mT, x, right)
    one = check(
        lambda x, y: ops.matmul(x, y, transpose_a=True, transpose_b=True), lambda x, y: x.mT @ y.mT, left, right
    )
    assert kinds(one.net).count("MATRIX_MULTIPLY") == 1
    assert len(a) != len(b) or kinds(one.net) == ["MATRIX_MULTIPLY"]


def test_matmul_with_dynamic_sizes() -> None:
    """Attention scores, and a table that is broadcast over batch and heads."""
    tokens = ((1, 2, 4), 3, (2, 5, 9), 4)
    one = check_sizes(
        lambda q, k: q @ k.mT,
        lambda q, k: q @ k.mT,
        [tokens, tokens],
        [(4, 3, 9, 4)] * 2,
        [(1, 3, 2, 4)] * 2,
    )
    build(one.net)
    one = check_sizes(
        ops.matmul,
        torch.matmul,
        [tokens, (4, (2, 3, 4))],
        [(4, 3, 9, 4), (4, 2)],
        [(1, 3, 2, 4), (4, 4)],
    )
    build(one.net)
    one = check_sizes(
        ops.matmul,
        torch.matmul,
        [((2, 5, 9), (2, 5, 9)), tokens],
        [(3, 9), (4, 3, 9, 4)],
        [(5, 2), (1, 3, 2, 4)],
    )
    build(one.net)
    one = check_sizes(ops.matmul, torch.matmul, [tokens, (4,)], [(4, 3, 9, 4), (4,)], [(1, 3, 2, 4), (4,)])
    build(one.net)


def test_bmm_and_outer() -> None:
    check(ops.bmm, torch.bmm, values(2, 3, 4), values(2, 4, 5, seed=1))
    check(lambda x, y: x.bmm(y), torch.bmm, values(2, 3, 4), values(2, 4, 5, seed=1))
    check(ops.outer, torch.outer, values(3), values(4, seed=1))
    build(check_sizes(ops.outer, torch.outer, [((1, 2, 4),), ((1, 3, 5),)], [(4,), (1,)], [(1,), (5,)]).net)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("ba", [(3, 4)]),
        ("ij->ji", [(3, 4)]),
        ("ij->", [(3, 4)]),
        ("ij->i", [(3, 4)]),
        ("i,i->", [(4,), (4,)]),
        ("i,j->ij", [(3,), (4,)]),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("b h i d , b h j d -> b h i j", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bchw,bkc->bkhw", [(2, 3, 4, 5), (2, 6, 3)]),
        ("BCHW,BKC->BKHW", [(2, 3, 4, 5), (2, 6, 3)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,jk->...ik", [(2, 6, 3, 4), (4, 5)]),
        ("ij,...jk->...ik", [(3, 4), (2, 6, 4, 5)]),
        ("...i,...i", [(2, 3, 4), (2, 3, 4)]),
        ("...->...", [(2, 3)]),
        ("i...->...i", [(2, 3, 4)]),
        ("bi,bj->bij", [(2, 3), (2, 4)]),
        ("...ij,...jk->...ik", [(1, 3, 4), (2, 4, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (6, 4, 5)]),
        ("...ij,...jk->ik", [(2, 3, 4), (2, 4, 5)]),
        ("bij,bjk->bik", [(1, 3, 4), (2, 4, 5)]),
        ("bi,bi->bi", [(2, 3), (2, 1)]),
        ("bi,bi->b", [(1, 1), (1, 1)]),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 2)]),
        ("i,j,k->ijk", [(3,), (4,), (5,)]),
        ("bij,bjk,b->ik", [(2, 3, 4), (2, 4, 5), (2,)]),
        ("...i,ij,jk,...k->...", [(2, 3), (3, 4), (4, 5), (2, 5)]),
    ],
    ids=str,
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    check(
        lambda *xs: ops.einsum(equation, *xs),
        lambda *xs: torch.einsum(equation, *xs),
        *(values(*shape, seed=i) for i, shape in enumerate(shapes)),
    )


def test_einsum_with_dynamic_sizes() -> None:
    one = check_sizes(
        lambda q, k: ops.einsum("bhid,bhjd->bhij", q, k),
        lambda q, k: torch.einsum("bhid,bhjd->bhij", q, k),
        [((1, 2, 4), 3, (2, 5, 9), 4), ((1, 2, 4), 3, (1, 4, 6), 4)],
        [(4, 3, 9, 4), (4, 3, 1, 4)],
        [(1, 3, 2, 4), (1, 3, 6, 4)],
    )
    build(one.net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: x @ x, "matmul: found (3, 6) and (3, 6), expected equal inner sizes, not 6 and 3"),
        (
            lambda x: ops.matmul(x, x, transpose_a=True, transpose_b=True),
            "matmul: found (3, 6) and (3, 6), expected equal inner sizes, not 3 and 6",
        ),
        (lambda x: x @ x.half().mT, "matmul: found float32 and float16, expected equal dtypes"),
        (lambda x: x @ x.sum(), "matmul: found (3, 6) and (), expected one dimension or more each"),
        (
            lambda x: ops.matmul(x, x[0], transpose_b=True),
            "matmul: transpose: found (3, 6) and (6,), expected two dimensions to exchange",
        ),
        (lambda x: ops.bmm(x, x), "bmm: found (3, 6) and (3, 6), expected three dimensions each"),
        (lambda x: ops.outer(x, x), "outer: found (3, 6) and (3, 6), expected one dimension each"),
        (
            lambda x: ops.einsum("ij,jk,kl->il", x, x),
            "einsum: equation: found 'ij,jk,kl->il' for 2 tensors, expected as many parts",
        ),
        (
            lambda x: ops.einsum("ij,jk->ik", x),
            "einsum: equation: found 'ij,jk->ik' for 1 tensors, expected as many parts",
        ),
        (
            lambda x: ops.einsum("i->i", x),
            "einsum: equation: found part 'i' for shape (3, 6), expected an index for each dimension",
        ),
        (
            lambda x: ops.einsum("i1->i", x),
            "einsum: equation: found part 'i1' for shape (3, 6), expected an index for each dimension",
        ),
        (
            lambda x: ops.einsum("ii->i", x),
            "einsum: equation: found 'ii->i', expected no index twice in one part: see diagonal",
        ),
        (
            lambda x: ops.einsum("ij->ik", x),
            "einsum: equation: found 'ij->ik', expected each index of the result once, and in a part",
        ),
        (
            lambda x: ops.einsum("ij->ii", x),
            "einsum: equation: found 'ij->ii', expected each index of the result once, and in a part",
        ),
        (
            lambda x: ops.einsum("ij,kj->ik", x, x[:, :5]),
            "einsum: found sizes 5 and 6 for index 'j', expected one size",
        ),
        (lambda x: ops.einsum("ij,kj->ik", x, x.half()), "einsum: found float32 and float16, expected equal dtypes"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 6))
    assert str(caught.value) == f"a.b: {text}"
