"""Reductions, softmax, sorting and running sums against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, Size, bools, build, check, check_sizes, close, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

X = values(2, 6, 5, 4)
IMAGE: tuple[Size, ...] = ((1, 2, 4), 6, (2, 4, 8), (2, 4, 8))
SMALL, LARGE = (1, 6, 2, 3), (4, 6, 8, 7)
REDUCTIONS: dict[str, Any] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "amax": torch.amax,
    "amin": torch.amin,
    "std": torch.std,
    "var": torch.var,
    "logsumexp": torch.logsumexp,
    "norm": lambda x, dim, keepdim: torch.linalg.vector_norm(x, 2, dim, keepdim),
}
DIMS: list[Any] = [0, -1, 2, (1,), (2, 3), (-1, 0), [0, 1, 2, 3]]


def reduction(name: str) -> Any:
    """The op with the arguments x, dim, keepdim."""
    op = getattr(ops, name)
    if name == "norm":
        return lambda x, dim, keepdim: op(x, "fro", dim, keepdim)
    return lambda x, dim, keepdim: op(x, dim, keepdim=keepdim)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("keepdim", [True, False])
def test_reduction(name: str, dim: Any, keepdim: bool) -> None:
    op, twin = reduction(name), REDUCTIONS[name]
    check(lambda x: op(x, dim, keepdim), lambda x: twin(x, dim, keepdim=keepdim), X)
    if name not in ("logsumexp", "norm"):
        check(
            lambda x: getattr(x, name)(dim, keepdim=keepdim),
            lambda x: getattr(x, name)(dim, keepdim=keepdim),
            X,
        )


@pytest.mark.parametrize("name", ["mean", "sum", "prod", "amax", "amin", "max", "min", "std", "var", "norm"])
def test_reduction_of_everything(name: str) -> None:
    op, twin = getattr(ops, name), getattr(torch, name)
    check(op, twin, X, tol=2e-6)
    if name not in ("max", "min", "prod"):
        check(
            lambda x: op(x, dim=None, keepdim=True),
            lambda x: OneOp(op, x)(x)[0].reshape(1, 1, 1, 1),
            X,
        )


@pytest.mark.parametrize("name", ["mean", "sum", "amax", "amin"])
def test_no_dimensions_are_all(name: str) -> None:
    """As torch reads an empty row."""
    check(lambda x: getattr(ops, name)(x, ()), lambda x: getattr(torch, name)(x, ()), X, tol=2e-6)


@pytest.mark.parametrize("dim", [0, -1, 2])
@pytest.mark.parametrize("keepdim", [True, False])
def test_prod(dim: int, keepdim: bool) -> None:
    check(lambda x: ops.prod(x, dim, keepdim), lambda x: torch.prod(x, dim, keepdim), X)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_of_dynamic_sizes(name: str) -> None:
    op, twin = reduction(name), REDUCTIONS[name]
    one = check_sizes(
        lambda x: op(x, (0, 2), False), lambda x: twin(x, (0, 2), keepdim=False), IMAGE, SMALL, LARGE, tol=2e-6
    )
    assert one.outputs[0].shape == (6, -1)
    build(one.net)


@pytest.mark.parametrize("correction", [0, 1, 2, 0.5])
@pytest.mark.parametrize("dim", [None, 1, (0, 2)], ids=str)
def test_variance(correction: float, dim: Any) -> None:
    for name in ("var", "std"):
        check(
            lambda x, name=name: getattr(ops, name)(x, dim, correction=correction),
            lambda x, name=name: getattr(torch, name)(x, dim, correction=correction),
            X,
        )
    if isinstance(correction, int):
        check_sizes(
            lambda x: x.var(dim, correction=correction), lambda x: x.var(dim, correction=correction), IMAGE, LARGE
        )


def test_variance_of_large_and_of_half_values() -> None:
    """The mean is subtracted first, so that nothing cancels; squares of halves do not overflow."""
    check(lambda x: x.var(1), lambda x: x.double().var(1).float(), X + 1000, tol=1e-4)
    x = (X * 300).half()
    one = OneOp(lambda x: x.std((2, 3)), x)
    assert one.outputs[0].dtype == "float16"
    close(one(x)[0].float(), x.float().std((2, 3)), 1e-3)


@pytest.mark.parametrize("p", ["fro", 2, 1, 3, 0.5, 0, float("inf"), float("-inf")], ids=str)
@pytest.mark.parametrize("dim", [1, (2, 3), None], ids=str)
def test_norm(p: Any, dim: Any) -> None:
    # Torch's norm takes (2, 3) for matrices where p is neither; this one is of their values.
    twin: Any = torch.linalg.vector_norm if dim == (2, 3) and p not in ("fro", 2) else torch.norm
    check(lambda x: ops.norm(x, p, dim), lambda x: twin(x, p, dim), X, tol=2e-6)
    check(lambda x: x.norm(p, dim), lambda x: twin(x, p, dim), X, tol=2e-6)


def test_norm_of_halves_whose_squares_overflow() -> None:
    x = (X * 300).half()
    close(OneOp(lambda x: ops.norm(x, dim=1), x)(x)[0].float(), x.float().norm(dim=1), 1e-3)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("keepdim", [True, False])
def test_any_and_all(name: str, dim: Any, keepdim: bool) -> None:
    """Of bools, and of numbers that are not 0."""
    op, twin = getattr(ops, name), getattr(torch, name)
    given = {} if dim is None else {"dim": dim, "keepdim": keepdim}
    some, most = bools(3, 2, 4), integers(3, 2, 4, below=5)
    for x in (some, some | bools(3, 1, 4, seed=1), most, most.float(), torch.zeros(3, 2, 4), torch.ones(3, 2, 4)):
        check(lambda x: op(x, **given), lambda x: twin(x, **given), x)
    build(OneOp(lambda x: op(x > 0, 1), (IMAGE, "float32")).net)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_integers(dtype: torch.dtype) -> None:
    x = integers(3, 4, below=5).to(dtype)
    for name in ("sum", "amax", "amin", "prod"):
        check(lambda x, n=name: getattr(ops, n)(x, 1), lambda x, n=name: getattr(torch, n)(x, 1), x)
    check(lambda x: ops.sum(x), lambda x: x.sum(), x)
    check(lambda x: ops.mean(x, 1, dtype="float32"), lambda x: x.float().mean(1), x)


def test_sums_count_bools() -> None:
    x = bools(3, 4)
    check(lambda x: x.sum(1), lambda x: x.sum(1), x)
    assert OneOp(lambda x: x.sum(1), x).outputs[0].dtype == "int32"
    check(lambda x: x.sum(dtype="float32"), lambda x: x.sum(dtype=torch.float32), x)
    check(lambda x: x.prod(1), lambda x: x.prod(1), x)


def test_a_dtype_to_sum_in() -> None:
    """Halves whose sum overflows, summed in float32."""
    x = torch.full((4, 6), 3e4).half()
    for name in ("sum", "mean", "prod", "cumsum", "softmax", "log_softmax"):
        given = {} if name in ("sum", "mean", "prod") else {"dim": 1}
        check(
            lambda x, n=name, g=given: getattr(ops, n)(x, dtype="float32", **g),
            lambda x, n=name, g=given: getattr(torch, n)(x, dtype=torch.float32, **g),
            x * 1e-3 if name == "prod" else x,
        )


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("scale", [1, 30, 300])
def test_softmax(dim: int, scale: float) -> None:
    x = X * scale
    for name in ("softmax", "softmin", "log_softmax"):
        check(lambda x, n=name: getattr(ops, n)(x, dim), lambda x, n=name: getattr(F, n)(x, dim), x)
    check(lambda x: ops.logsumexp(x, dim), lambda x: torch.logsumexp(x, dim), x)


def test_softmax_of_dynamic_sizes() -> None:
    for op, twin in (
        (lambda x: ops.softmax(x, 2), lambda x: F.softmax(x, 2)),
        (lambda x: ops.log_softmax(x, -1), lambda x: F.log_softmax(x, -1)),
        (lambda x: ops.softmin(x, 0), lambda x: F.softmin(x, 0)),
    ):
        build(check_sizes(op, twin, IMAGE, SMALL, LARGE).net)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(dim: int, largest: bool) -> None:
    for k in {1, 2, X.shape[dim]}:
        check(lambda x, k=k: ops.topk(x, k, dim, largest), lambda x, k=k: torch.topk(x, k, dim, largest), X, tol=0)
    check(lambda x: ops.topk(x, 2), lambda x: torch.topk(x, 2), X, tol=0)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dim", [0, 1, -1, None])
@pytest.mark.parametrize("keepdim", [True, False])
def test_arg(name: str, dim: int | None, keepdim: bool) -> None:
    """Without a dimension, of all values in a row: it was dimension 1 here."""
    check(
        lambda x: getattr(ops, name)(x, dim, keepdim),
        lambda x: getattr(torch, name)(x, dim, keepdim),
        X,
        named=None if keepdim and dim is not None else "a.b",
    )
    if not keepdim and dim is None:
        check(getattr(ops, name), getattr(torch, name), X)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("keepdim", [True, False])
def test_largest_and_smallest_along(name: str, dim: int, keepdim: bool) -> None:
    check(lambda x: getattr(ops, name)(x, dim, keepdim), lambda x: getattr(torch, name)(x, dim, keepdim), X, tol=0)
    check(lambda x: getattr(x, name)(dim=dim), lambda x: getattr(x, name)(dim=dim), X, tol=0)


def test_values_and_indices_by_name() -> None:
    for op in (lambda x: x.max(1), lambda x: x.min(1, keepdim=True), lambda x: x.topk(2), lambda x: x.sort()):

        def both(x: Any, op: Any = op) -> Any:
            found = op(x)
            return found.indices, found.values

        check(both, both, X, tol=0, named=None)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("descending", [True, False])
def test_sort(dim: int, descending: bool) -> None:
    check(lambda x: ops.sort(x, dim, descending), lambda x: torch.sort(x, dim, descending), X, tol=0)
    check(lambda x: ops.argsort(x, dim, descending), lambda x: torch.argsort(x, dim, descending), X, tol=0, named=None)
    check(lambda x: x.sort(descending=True), lambda x: x.sort(descending=True), X, tol=0)


def test_sort_beside_dynamic_sizes() -> None:
    one = check_sizes(lambda x: ops.sort(x, 1), lambda x: torch.sort(x, 1), IMAGE, SMALL, LARGE, tol=0)
    build(one.net)


@pytest.mark.parametrize(
    "op",
    [
        lambda x: x.softmax(0),
        lambda x: x.log_softmax(0),
        lambda x: x.topk(3),
        lambda x: x.topk(2, largest=False),
        lambda x: x.sort(),
        lambda x: x.argsort(),
        lambda x: x.argmax(),
        lambda x: x.argmin(0),
        lambda x: x.argmax(0, keepdim=True),
        lambda x: x.max(0),
        lambda x: x.min(0, keepdim=True),
        lambda x: x.max(),
        lambda x: x.cumsum(0),
        lambda x: x.sum(0),
        lambda x: x.std(),
        lambda x: x.logsumexp(0),
    ],
)
def test_one_dimension(op: Any) -> None:
    """TensorRT's softmax and top-k take two at least."""
    build(check(op, op, values(5)).net)
    check_sizes(lambda x: x.softmax(0), lambda x: x.softmax(0), ((1, 3, 5),), (5,), (1,))


def test_topk_of_dynamic_sizes() -> None:
    one = check_sizes(lambda x: ops.topk(x, 2, 2), lambda x: torch.topk(x, 2, 2), IMAGE, SMALL, LARGE, tol=0)
    assert [y.shape for y in one.outputs] == [(-1, 6, 2, -1)] * 2
    build(one.net)
    one = check_sizes(lambda x: ops.argmax(x, 1), lambda x: x.argmax(1), IMAGE, SMALL, LARGE, tol=0)
    assert one.outputs[0].dtype == "int32"
    build(one.net)


def test_topk_up_to_tensorrts_limit() -> None:
    one = check(
        lambda x: ops.topk(x, 3840, 1), lambda x: torch.topk(x, 3840, 1), torch.randperm(4000)[None] * 0.5, tol=0
    )
    build(one.net)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cumsum(dim: int) -> None:
    check(lambda x: ops.cumsum(x, dim), lambda x: torch.cumsum(x, dim), X, tol=2e-6)
    for x in (integers(3, 4, below=5), integers(3, 4, below=5).long(), bools(3, 4)):
        check(lambda x: x.cumsum(min(dim, 1)), lambda x: x.cumsum(min(dim, 1)), x)


def test_cumsum_of_dynamic_sizes() -> None:
    for dim in (0, 2):
        one = check_sizes(
            lambda x, d=dim: ops.cumsum(x, d), lambda x, d=dim: torch.cumsum(x, d), IMAGE, SMALL, LARGE, tol=2e-6
        )
        build(one.net)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cumsum_without_tensorrts_layer(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT 10.0 has none: the sums are a product."""
    from tensorrt_rtx import INetworkDefinition

    monkeypatch.delattr(INetworkDefinition, "add_cumulative")
    one = check(lambda x: ops.cumsum(x, dim), lambda x: torch.cumsum(x, dim), X, tol=2e-6)
    assert "MATRIX_MULTIPLY" in kinds(one.net)
    check_sizes(lambda x: ops.cumsum(x, 1), lambda x: torch.cumsum(x, 1), IMAGE, SMALL, LARGE, tol=2e-6)
    with pytest.raises(NetworkError, match=r"cumsum: found float32 .* expected floats of a fixed size at dim 2"):
        OneOp(lambda x: ops.cumsum(x, 2), (IMAGE, "float32"))


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: ops.topk(x, 7, 1), "topk: k: found 7, expected 1 to 6"),
        (lambda x: ops.topk(x, 0, 1), "topk: k: found 0, expected 1 to 6"),
        (lambda x: ops.topk(x, 3841, 0), "topk: k: found 3841, expected 1 to 3840"),
        (lambda x: ops.topk(x, 1, 2), "topk: dim: found 2, expected -2 to 1 for shape (4000, 6)"),
        (lambda x: ops.softmax(x, -3), "softmax: dim: found -3, expected -2 to 1 for shape (4000, 6)"),
        (lambda x: x.softmax(), "softmax: dim: missing; it is softmax(input, dim, *, dtype=None)"),
        (lambda x: ops.mean(x, (0, 2)), "mean: dim: found 2, expected -2 to 1 for shape (4000, 6)"),
        (lambda x: ops.mean(x, (0, 0)), "mean: dim: found (0, 0), expected no dimension twice"),
        (lambda x: ops.mean(x, (1, -1)), "mean: dim: found (1, -1), expected no dimension twice"),
        (lambda x: ops.argmax(x, 5), "argmax: dim: found 5, expected -2 to 1 for shape (4000, 6)"),
        (lambda x: ops.mean(x.int()), 'mean: found int32, expected floats, or dtype="float32"'),
        (lambda x: ops.norm(x, "nuc"), "norm: p: found 'nuc', expected 'fro' or a number"),
        (lambda x: ops.var(x[:1], 0), "var: correction: found 1 for 1 values, expected less"),
        (
            lambda x: ops.sort(x, 0),
            "sort: found size 4000 at dim 0 of (4000, 6), expected a fixed one up to 3840",
        ),
        (
            lambda x: ops.sort(x, stable=True),
            "sort: stable: found True, expected False: TensorRT's top-k promises no order of equal values",
        ),
        (
            lambda x: ops.argsort(x, stable=True),
            "argsort: stable: found True, expected False: TensorRT's top-k promises no order of equal values",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, ((4000, 6), "float32"))
    assert str(caught.value) == f"a.b: {text}"


def test_dynamic_sizes_that_must_be_known() -> None:
    spec = (((1, 2, 9999), 6), "float32")
    with pytest.raises(NetworkError, match=r"^a\.b: topk: k: found 3841, expected 1 to 3840$"):
        OneOp(lambda x: ops.topk(x, 3841, 0), spec)
    with pytest.raises(NetworkError, match=r"^a\.b: sort: found size -1 at dim 0 of \(-1, 6\), expected a fixed one"):
        OneOp(lambda x: ops.sort(x, 0), spec)
