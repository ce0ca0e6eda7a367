"""Bags of rows of a table against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, Spec, build, check, compare, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

ROWS = integers(4, 6, below=9)
ROW = integers(12, below=9)
OFFSETS = torch.tensor([0, 3, 3, 5, 11], dtype=torch.int32)  # the second bag is empty
PADDED = torch.tensor([[2, 2, 2], [2, 5, 1], [0, 2, 2], [3, 4, 5]], dtype=torch.int32)


def bag(mode: str, **options: Any) -> nn.EmbeddingBag:
    torch.manual_seed(0)
    return nn.EmbeddingBag(9, 5, mode=mode, **options)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_one_size(mode: str, dtype: torch.dtype) -> None:
    for size in ((9, 5), (-1, 5), (9, -1)):
        one = check(
            lambda s, i, size=size: ops.embedding_bag(s, i, *size, mode=mode), bag(mode), ROWS.to(dtype), named="a.b"
        )
        assert one.net.weights.unused() == []
    assert kinds(one.net) == ["CONSTANT", "GATHER", "REDUCE"]
    check(lambda s, i: ops.embedding_bag(s, i, 9, 5), nn.EmbeddingBag(9, 5), ROWS.to(dtype))  # the mean


@pytest.mark.parametrize("padding_idx", [2, -7])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_padding_counts_in_no_bag(mode: str, padding_idx: int) -> None:
    """Nor does a bag of nothing else have a maximum or divide by 0."""
    twin = bag(mode, padding_idx=padding_idx)
    with torch.no_grad():
        twin.weight[2] = 100.0  # training would leave 0
    check(lambda s, i: ops.embedding_bag(s, i, 9, 5, mode=mode, padding_idx=padding_idx), twin, PADDED)
    offsets = torch.tensor([0, 3, 6, 9], dtype=torch.int32)
    check(
        lambda s, i, o: ops.embedding_bag(s, i, 9, 5, offsets=o, mode=mode, padding_idx=padding_idx),
        *(twin, PADDED.reshape(-1), offsets),
    )


@pytest.mark.parametrize("include_last_offset", [False, True])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_offsets(mode: str, dtype: torch.dtype, include_last_offset: bool) -> None:
    twin = bag(mode, include_last_offset=include_last_offset)
    for offsets in (OFFSETS, OFFSETS * 0, torch.arange(12, dtype=torch.int32)):
        if include_last_offset:
            offsets = torch.cat([offsets, torch.tensor([12], dtype=torch.int32)])
        one = check(
            lambda s, i, o: ops.embedding_bag(
                s, i, 9, 5, offsets=o, mode=mode, include_last_offset=include_last_offset
            ),
            *(twin, ROW.to(dtype), offsets.to(dtype)),
        )
        build(one.net)


def test_factors() -> None:
    twin = bag("sum")
    check(
        lambda s, i, w: ops.embedding_bag(s, i, 9, 5, per_sample_weights=w, mode="sum"),
        lambda i, w: twin(i, None, w),
        *(ROWS, values(4, 6)),
        weights=dict(twin.state_dict()),
    )
    check(
        lambda s, i, o, w: ops.embedding_bag(s, i, 9, 5, offsets=o, per_sample_weights=w, mode="sum"),
        twin,
        *(ROW, OFFSETS, values(12)),
    )
    twin = bag("sum", padding_idx=3)
    check(
        lambda s, i, o, w: ops.embedding_bag(s, i, 9, 5, offsets=o, per_sample_weights=w, mode="sum", padding_idx=3),
        *(twin, ROW, OFFSETS, values(12)),
    )


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_dynamic_sizes(mode: str) -> None:
    twin = bag(mode, padding_idx=1)
    weights = dict(twin.state_dict())
    specs: list[Spec] = [(((1, 2, 4), (1, 5, 7)), "int32")]
    one = OneOp(lambda s, i: ops.embedding_bag(s, i, 9, 5, mode=mode, padding_idx=1), *specs, weights=weights)
    build(one.net)
    for shape in ((4, 1), (1, 7)):
        compare(one, twin, [integers(*shape, below=9)], 1e-6)
    specs = [(((1, 12, 20),), "int32"), (((1, 5, 9),), "int32")]
    for last in (False, True):
        twin = bag(mode, include_last_offset=last)
        one = OneOp(
            lambda s, i, o, last=last: ops.embedding_bag(s, i, 9, 5, offsets=o, mode=mode, include_last_offset=last),
            *specs,
            weights=dict(twin.state_dict()),
        )
        build(one.net)
        for length, offsets in ((11, OFFSETS), (20, torch.tensor([0, 9, 20], dtype=torch.int32))):
            compare(one, twin, [integers(length, below=9), offsets], 1e-6)


@pytest.mark.parametrize(("precision", "dtype", "tol"), [("fp16", torch.float16, 2e-3), ("bf16", torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_half_precision(mode: str, precision: str, dtype: torch.dtype, tol: float) -> None:
    twin = bag(mode)
    for given in ((ROWS,), (ROW, OFFSETS)):
        one = OneOp(
            lambda s, i, o=None: ops.embedding_bag(s, i, 9, 5, offsets=o, mode=mode),
            *given,
            weights=dict(twin.state_dict()),
            precision=precision,
        )
        assert one.outputs[0].dtype == str(dtype).removeprefix("torch.")
        (found,) = one(*given)
        with torch.inference_mode():
            wanted = twin(*given)
        torch.testing.assert_close(found.float(), wanted, rtol=0, atol=tol * float(wanted.abs().max()))


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x, i: ops.embedding_bag(s, x, 9, 5), "input: found float32, expected int32 or int64"),
        (
            lambda s, x, i: ops.embedding_bag(s, i[0], 9, 5, offsets=x[0]),
            "offsets: found float32, expected int32 or int64",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i, 9, 5, mode="prod"),
            "mode: found 'prod', expected 'sum', 'mean' or 'max'",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i[0], 9, 5),
            "offsets: found no tensor for shape (4,), expected one for (L,), none for (N, L)",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i, 9, 5, offsets=i[0]),
            "offsets: found a tensor for shape (3, 4), expected one for (L,), none for (N, L)",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i, 9, 5, per_sample_weights=x),
            "per_sample_weights: found (3, 4) with mode 'mean', expected the input's (3, 4) with mode 'sum'",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i, 9, 5, per_sample_weights=x[0], mode="sum"),
            "per_sample_weights: found (4,) with mode 'sum', expected the input's (3, 4) with mode 'sum'",
        ),
        (
            lambda s, x, i: ops.embedding_bag(s, i, 9, 5, padding_idx=9),
            "padding_idx: found 9, expected it within 9",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 4), integers(3, 4, below=3), weights=dict(bag("sum").state_dict()))
    assert str(caught.value) == f"a.b: embedding_bag: {text}"
