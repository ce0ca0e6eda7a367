"""Reductions, softmax and top-k against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, Size, build, check, check_sizes, values
from wtsnet import ops
from wtsnet.errors import NetworkError

X = values(2, 6, 5, 4)
IMAGE: tuple[Size, ...] = ((1, 2, 4), 6, (2, 4, 8), (2, 4, 8))
REDUCTIONS: dict[str, Any] = {
    "mean": torch.mean,
    "total": torch.sum,
    "amax": torch.amax,
    "amin": torch.amin,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dim", [0, -1, 2, (1,), (2, 3), (-1, 0), [0, 1, 2, 3]], ids=str)
@pytest.mark.parametrize("keepdim", [True, False])
def test_reduction(name: str, dim: Any, keepdim: bool) -> None:
    op, twin = getattr(ops, name), REDUCTIONS[name]
    check(lambda s, x: op(s, x, dim, keepdim), lambda x: twin(x, dim, keepdim), X)


@pytest.mark.parametrize("name", [*REDUCTIONS, "prod"])
def test_reduction_of_everything(name: str) -> None:
    op = getattr(ops, name)
    twin = {**REDUCTIONS, "prod": torch.prod}[name]
    check(op, lambda x: twin(x) if name in ("mean", "total", "prod") else twin(x, (0, 1, 2, 3)), X, tol=2e-6)
    check(lambda s, x: op(s, x, None, True), lambda x: OneOp(op, x)(x)[0].reshape(1, 1, 1, 1), X)


@pytest.mark.parametrize("dim", [0, -1, 2])
@pytest.mark.parametrize("keepdim", [True, False])
def test_prod(dim: int, keepdim: bool) -> None:
    check(lambda s, x: ops.prod(s, x, dim, keepdim), lambda x: torch.prod(x, dim, keepdim), X)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_of_dynamic_sizes(name: str) -> None:
    op, twin = getattr(ops, name), REDUCTIONS[name]
    one = check_sizes(lambda s, x: op(s, x, (0, 2)), lambda x: twin(x, (0, 2)), IMAGE, (1, 6, 2, 3), (4, 6, 8, 7))
    assert one.outputs[0].shape == (6, -1)
    build(one.net)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("scale", [1, 30, 300])
def test_softmax(dim: int, scale: float) -> None:
    x = X * scale
    check(lambda s, x: ops.softmax(s, x, dim), nn.Softmax(dim), x)
    check(lambda s, x: ops.softmin(s, x, dim), nn.Softmin(dim), x)
    check(lambda s, x: ops.log_softmax(s, x, dim), nn.LogSoftmax(dim), x)


def test_softmax_of_dynamic_sizes() -> None:
    for op, twin in (
        (lambda s, x: ops.softmax(s, x, 2), nn.Softmax(2)),
        (lambda s, x: ops.log_softmax(s, x, -1), nn.LogSoftmax(-1)),
        (lambda s, x: ops.softmin(s, x, 0), nn.Softmin(0)),
    ):
        build(check_sizes(op, twin, IMAGE, (1, 6, 2, 3), (4, 6, 8, 7)).net)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(dim: int, largest: bool) -> None:
    for k in {1, 2, X.shape[dim]}:
        check(
            lambda s, x, k=k: ops.topk(s, x, k, dim, largest), lambda x, k=k: torch.topk(x, k, dim, largest), X, tol=0
        )


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("keepdim", [True, False])
def test_arg(dim: int, keepdim: bool) -> None:
    check(lambda s, x: ops.argmax(s, x, dim, keepdim), lambda x: x.argmax(dim, keepdim), X)
    check(lambda s, x: ops.argmin(s, x, dim, keepdim), lambda x: x.argmin(dim, keepdim), X)


def test_topk_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda s, x: ops.topk(s, x, 2, 2), lambda x: torch.topk(x, 2, 2), IMAGE, (1, 6, 2, 3), (4, 6, 8, 7), tol=0
    )
    assert [y.shape for y in one.outputs] == [(-1, 6, 2, -1)] * 2
    build(one.net)
    one = check_sizes(lambda s, x: ops.argmax(s, x, 1), lambda x: x.argmax(1), IMAGE, (1, 6, 2, 3), (4, 6, 8, 7), tol=0)
    assert one.outputs[0].dtype == "int32"
    build(one.net)


def test_topk_up_to_tensorrts_limit() -> None:
    one = check(
        lambda s, x: ops.topk(s, x, 3840, 1), lambda x: torch.topk(x, 3840, 1), torch.randperm(4000)[None] * 0.5, tol=0
    )
    build(one.net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.topk(s, x, 7, 1), "top-k: found k=7, expected 1 to 6"),
        (lambda s, x: ops.topk(s, x, 0, 1), "top-k: found k=0, expected 1 to 6"),
        (lambda s, x: ops.topk(s, x, 3841, 0), "top-k: found k=3841, expected 1 to 3840"),
        (lambda s, x: ops.topk(s, x, 1, 2), "dim: found 2, expected -2 to 1 for shape (4000, 6)"),
        (lambda s, x: ops.softmax(s, x, -3), "dim: found -3, expected -2 to 1 for shape (4000, 6)"),
        (lambda s, x: ops.mean(s, x, (0, 2)), "dim: found 2, expected -2 to 1 for shape (4000, 6)"),
        (lambda s, x: ops.argmax(s, x, 5), "dim: found 5, expected -2 to 1 for shape (4000, 6)"),
        (lambda s, x: ops.total(s, x, ()), "dim: found no dimensions, expected at least one, or None for all"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, ((4000, 6), "float32"))
    assert str(caught.value) == f"a.b: {text}"


def test_topk_of_a_dynamic_size_knows_only_tensorrts_limit() -> None:
    with pytest.raises(NetworkError, match=r"^a\.b: top-k: found k=3841, expected 1 to 3840$"):
        OneOp(lambda s, x: ops.topk(s, x, 3841, 0), (((1, 2, 9999), 6), "float32"))


def test_one_dimension_is_too_few() -> None:
    """TensorRT takes neither softmax nor top-k of a vector; its words are in the error."""
    for op in (ops.softmax, lambda s, x: ops.topk(s, x, 1), ops.argmax):
        with pytest.raises(NetworkError, match=r"^a\.b.*at least 2 dimensions are required"):
            OneOp(op, values(5))
