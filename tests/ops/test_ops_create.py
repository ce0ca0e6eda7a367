"""Tensors that the network makes itself."""

from __future__ import annotations

import pytest
import torch

from tests.ops.support import OneOp, build, check_sizes, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network.dims import Dim, shape_tensor

DTYPES = ["float32", "float16", "bfloat16", "int32", "int64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange(dtype: str) -> None:
    for size in (1, 7):
        one = OneOp(lambda s, n=size: ops.arange(s, n, dtype))
        assert one.outputs[0].dtype == dtype
        assert one()[0].tolist() == list(range(size))
    build(one.net)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange_of_a_dynamic_size(dtype: str) -> None:
    one = OneOp(lambda s, x: ops.arange(s, x.dims[0] * 2 + x.dims[1], dtype), (((1, 2, 5), (1, 3, 4)), "float32"))
    assert one.outputs[0].dtype == dtype
    for n, w in ((1, 4), (5, 1)):
        assert one(values(n, w))[0].tolist() == list(range(2 * n + w))
    build(one.net)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange_from_and_by(dtype: str) -> None:
    wanted = [-4, 4, 12, 20, 28]
    fixed = OneOp(lambda s: ops.arange(s, 5, dtype, start=-4, step=8))
    dynamic = OneOp(lambda s, x: ops.arange(s, x.dims[0], dtype, start=-4, step=8), (((1, 2, 5),), "float32"))
    assert fixed()[0].tolist() == dynamic(values(5))[0].tolist() == wanted
    build(dynamic.net)


def test_arange_of_fractions() -> None:
    one = OneOp(lambda s, x: ops.arange(s, x.dims[0], start=0.25, step=-0.5), (((1, 2, 5),), "float32"))
    assert one(values(3))[0].tolist() == OneOp(lambda s: ops.arange(s, 3, start=0.25, step=-0.5))()[0].tolist()
    assert one(values(3))[0].tolist() == [0.25, -0.25, -0.75]
    with pytest.raises(NetworkError, match=r"a\.b: found a constant that int32 can't hold"):
        OneOp(lambda s: ops.arange(s, 3, "int32", start=0.5))


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_zeros(dtype: str) -> None:
    one = OneOp(lambda s: ops.zeros(s, (2, 3), dtype))
    assert one.outputs[0].dtype == dtype
    assert one()[0].tolist() == [[0] * 3] * 2


def test_reckoning_with_sizes() -> None:
    """Every operation of a Dim, and the numbers that stay numbers."""

    def op(s: object, x: object) -> object:
        n, c, w = x.dims  # type: ignore[attr-defined]
        sizes = [n * 3, 3 * n, n // 2, n + w, n - 1, 10 - n, n - w, 2 + n, (n + w) * 2 // 3, c * n, n * 1, n + 0, c]
        return shape_tensor(s, sizes)  # type: ignore[arg-type]

    def twin(x: torch.Tensor) -> torch.Tensor:
        n, c, w = x.shape
        return torch.tensor(
            [n * 3, 3 * n, n // 2, n + w, n - 1, 10 - n, n - w, 2 + n, (n + w) * 2 // 3, c * n, n, n, c]
        )

    check_sizes(op, twin, ((1, 4, 9), 5, (1, 3, 9)), (9, 5, 2), (1, 5, 9), (4, 5, 4), named="a.b:dims")


def test_a_size_is_lazy() -> None:
    one = OneOp(lambda s, x: ops.relu(s, x) if isinstance(x.dims[0] * 2, Dim) else x, (((1, 2, 3), 4), "float32"))
    assert one.net.trt.num_layers == 1


def test_one_size_alone() -> None:
    one = OneOp(lambda s, x: shape_tensor(s, (x.dims[0],)), (((1, 2, 3), 4), "float32"), named=None)
    assert one(values(3, 4))[0].tolist() == [3]
    assert OneOp(lambda s: shape_tensor(s, (4, 5)), named=None)()[0].tolist() == [4, 5]
