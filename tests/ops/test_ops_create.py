"""Tensors that the network makes itself, and sizes to reckon with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.ops.support import OneOp, build, check, check_sizes, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network import Dim, shape_tensor

DTYPES = ["float32", "float16", "bfloat16", "int32", "int64"]
ANY = (((1, 2, 5), (1, 3, 4)), "float32")


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange(dtype: str) -> None:
    for size in (1, 7):
        one = OneOp(lambda s, n=size: ops.arange(s, n, dtype=dtype))
        assert one.outputs[0].dtype == dtype
        assert one()[0].tolist() == list(range(size))
    build(one.net)


@pytest.mark.parametrize("given", [(5,), (2, 7), (2, 7, 3), (7, 2, -2), (0, 9, 4), (-3, 3)], ids=str)
def test_arange_is_torchs(given: tuple[int, ...]) -> None:
    check(lambda s: ops.arange(s, *given), lambda: torch.arange(*given))
    assert OneOp(lambda s: ops.arange(s, *given)).outputs[0].dtype == "int64"
    check(lambda s: ops.arange(s, *map(float, given)), lambda: torch.arange(*map(float, given)))


def test_arange_of_fractions() -> None:
    check(lambda s: ops.arange(s, 0.25, -1, -0.5), lambda: torch.arange(0.25, -1, -0.5))
    check(lambda s: ops.arange(s, 2.5), lambda: torch.arange(2.5))
    check(lambda s: ops.arange(s, 0, 1, 0.25), lambda: torch.arange(0, 1, 0.25))
    with pytest.raises(NetworkError, match=r"^a\.b: arange: found a constant that int32 can't hold"):
        OneOp(lambda s: ops.arange(s, 0.5, 3, dtype="int32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange_of_a_dynamic_size(dtype: str) -> None:
    one = OneOp(lambda s, x: ops.arange(s, x.dims[0] * 2 + x.dims[1], dtype=dtype), ANY)
    assert one.outputs[0].dtype == dtype
    for n, w in ((1, 4), (5, 1)):
        assert one(values(n, w))[0].tolist() == list(range(2 * n + w))
    build(one.net)


@pytest.mark.parametrize("dtype", [*DTYPES, None])
def test_arange_from_and_by(dtype: str | None) -> None:
    several: list[tuple[Any, Any]] = [
        (lambda s, x: ops.arange(s, -4, x.dims[0] * 8 - 4, 8, dtype=dtype), lambda n, w: range(-4, n * 8 - 4, 8)),
        (lambda s, x: ops.arange(s, 1, x.dims[0] * 3, 2, dtype=dtype), lambda n, w: range(1, n * 3, 2)),
        (lambda s, x: ops.arange(s, x.dims[0], 0, -2, dtype=dtype), lambda n, w: range(n, 0, -2)),
        (lambda s, x: ops.arange(s, x.dims[1], x.dims[0] + 9, dtype=dtype), lambda n, w: range(w, n + 9)),
        (lambda s, x: ops.arange(s, x.dims[0] * 5, x.dims[1], -3, dtype=dtype), lambda n, w: range(n * 5, w, -3)),
    ]
    for op, twin in several:
        one = OneOp(op, ANY)
        assert one.outputs[0].dtype == (dtype or "int64")
        for n, w in ((1, 4), (5, 1), (4, 4)):
            assert one(values(n, w))[0].tolist() == list(twin(n, w))
    build(one.net)


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_zeros_and_ones(dtype: str) -> None:
    kind = getattr(torch, dtype)
    for op, twin in ((ops.zeros, torch.zeros), (ops.ones, torch.ones)):
        one = check(lambda s, op=op: op(s, (2, 3), dtype=dtype), lambda twin=twin: twin((2, 3), dtype=kind))
        assert one.outputs[0].dtype == dtype


def test_full_of_dynamic_sizes() -> None:
    several: list[tuple[Any, Any]] = [
        (lambda s, x: ops.full(s, (x.dims[1], 2, x.dims[0] * 2), 1.5), lambda n, w: torch.full((w, 2, n * 2), 1.5)),
        (
            lambda s, x: ops.full(s, (x.dims[0], 3), True, dtype="bool"),
            lambda n, w: torch.full((n, 3), True),
        ),
        (lambda s, x: ops.zeros(s, (x.dims[0],)), lambda n, w: torch.zeros(n)),
        (lambda s, x: ops.ones(s, (1, x.dims[1]), dtype="int64"), lambda n, w: torch.ones(1, w, dtype=torch.int64)),
    ]
    for op, twin in several:
        one = OneOp(op, ANY)
        for n, w in ((1, 4), (5, 1)):
            assert torch.equal(one(values(n, w))[0], twin(n, w))
        build(one.net)
    check(lambda s: ops.full(s, (), 2.5), lambda: torch.full((), 2.5))


@pytest.mark.parametrize("dtype", [None, "int32", "float16"])
def test_like_another(dtype: str | None) -> None:
    kind = None if dtype is None else getattr(torch, dtype)
    for op, twin in (
        (lambda x: ops.full_like(x, 3, dtype=dtype), lambda x: torch.full_like(x, 3, dtype=kind)),
        (lambda x: ops.zeros_like(x, dtype=dtype), lambda x: torch.zeros_like(x, dtype=kind)),
        (lambda x: ops.ones_like(x, dtype=dtype), lambda x: torch.ones_like(x, dtype=kind)),
    ):
        check_sizes(op, twin, ((1, 2, 5), 3, (1, 3, 4)), (5, 3, 1), (1, 3, 4))
        check(op, twin, integers(2, 3, below=4))
        check(op, twin, values())


@pytest.mark.parametrize("shape", [(3,), (3, 5), (4, 2)], ids=str)
def test_eye(shape: tuple[int, ...]) -> None:
    check(lambda s: ops.eye(s, *shape), lambda: torch.eye(*shape))
    check(lambda s: ops.eye(s, *shape, dtype="int32"), lambda: torch.eye(*shape, dtype=torch.int32))


@pytest.mark.parametrize("given", [(0, 1, 5), (-1.5, 2, 8), (3, 3, 1), (2, -2, 2)], ids=str)
def test_linspace(given: tuple[float, float, int]) -> None:
    check(lambda s: ops.linspace(s, *given), lambda: torch.linspace(*given))


@pytest.mark.parametrize("data", [[1.5, -2.0], [[1, 2], [3, 4]], 2.5, 3, [True, False], True], ids=str)
def test_constants_have_the_dtype_that_torch_gives_them(data: Any) -> None:
    expected = torch.tensor(data)
    one = check(lambda s: ops.tensor(s, data), lambda: expected)
    assert one.outputs[0].dtype == str(expected.dtype).removeprefix("torch.")
    if not isinstance(data, list):
        full = check(lambda s: ops.full(s, (2, 3), data), lambda: torch.full((2, 3), data))
        assert full.outputs[0].dtype == one.outputs[0].dtype


def test_constants_of_arrays() -> None:
    for data, dtype in (
        (np.arange(6, dtype=np.int32).reshape(2, 3), "int32"),
        (np.arange(6.0), "float32"),
        (np.ones(2, np.float16), "float16"),
        (torch.arange(4.0), "float32"),
        (np.float32(0.5), "float32"),
    ):
        one = OneOp(lambda s, d=data: ops.tensor(s, d))
        assert one.outputs[0].dtype == dtype
        assert one()[0].tolist() == data.tolist()
    check(lambda s: ops.tensor(s, [1, 2], dtype="float16"), lambda: torch.tensor([1, 2], dtype=torch.float16))
    check(lambda s: ops.tensor(s, [0, 1], dtype=np.bool_), lambda: torch.tensor([False, True]))
    check(lambda s: ops.tensor(s, [0, 1], dtype=torch.int32), lambda: torch.tensor([0, 1], dtype=torch.int32))


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid(indexing: str) -> None:
    rows = [values(n, seed=n) for n in (3, 4, 2)]
    for count in (1, 2, 3):
        check(
            lambda *xs: ops.meshgrid(*xs, indexing=indexing),
            lambda *xs: torch.meshgrid(*xs, indexing=indexing),
            *rows[:count],
        )
    check(
        lambda x, y: ops.meshgrid(x, y, indexing=indexing),
        lambda x, y: torch.meshgrid(x, y, indexing=indexing),
        *(values(), values(3)),
    )
    one = check_sizes(
        lambda x, y: ops.meshgrid(x, y, indexing=indexing),
        lambda x, y: torch.meshgrid(x, y, indexing=indexing),
        [((1, 2, 5),), ((1, 3, 4),)],
        [(5,), (1,)],
        [(1,), (4,)],
    )
    build(one.net)


def test_a_grid_of_places_whatever_the_size() -> None:
    """What a detector's head adds its offsets to."""

    def op(s: Any, x: Any) -> Any:
        h, w = x.size(2), x.size(3)
        grid_y, grid_x = ops.meshgrid(ops.arange(s, h, dtype="float32"), ops.arange(s, w, dtype="float32"))
        return ops.stack((grid_x, grid_y), -1) + 0.5

    def twin(x: torch.Tensor) -> torch.Tensor:
        y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in x.shape[2:]), indexing="ij")
        return torch.stack((x, y), -1) + 0.5

    build(check_sizes(op, twin, (1, 3, (2, 4, 8), (2, 4, 8)), (1, 3, 8, 2), (1, 3, 3, 5)).net)


def test_reckoning_with_sizes() -> None:
    """Every operation of a Dim, and the numbers that stay numbers."""

    def op(x: Any) -> Any:
        n, c, w = x.dims
        sizes = [n * 3, 3 * n, n // 2, n + w, n - 1, 10 - n, n - w, 2 + n, (n + w) * 2 // 3, c * n, n * 1, n + 0, c]
        return shape_tensor(x.net, [*sizes, n % 4, (n + w) % 3, n % w, -n, 20 // n, w - 0, n // 1, -w + 12])

    def twin(x: torch.Tensor) -> torch.Tensor:
        n, c, w = x.shape
        sizes = [n * 3, 3 * n, n // 2, n + w, n - 1, 10 - n, n - w, 2 + n, (n + w) * 2 // 3, c * n, n, n, c]
        return torch.tensor([*sizes, n % 4, (n + w) % 3, n % w, -n, 20 // n, w, n, -w + 12])

    check_sizes(op, twin, ((1, 4, 9), 5, (1, 3, 9)), (9, 5, 2), (1, 5, 9), (4, 5, 4))


def test_a_size_is_lazy() -> None:
    one = OneOp(lambda x: ops.relu(x) if isinstance(x.dims[0] * 2, Dim) else x, (((1, 2, 3), 4), "float32"))
    assert kinds(one.net) == ["ACTIVATION"]


def test_one_size_alone() -> None:
    one = OneOp(lambda x: shape_tensor(x.net, (x.dims[0],)), (((1, 2, 3), 4), "float32"), named=None)
    assert one(values(3, 4))[0].tolist() == [3]
    assert OneOp(lambda s: shape_tensor(s.net, (4, 5)))()[0].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.arange(s, 1, 5, 0), "arange: step: found 0, expected another number"),
        (lambda s, x: ops.arange(s, 5, 1), "arange: found 5 to 1 by 1, expected at least one value"),
        (lambda s, x: ops.arange(s, x.dims[0], 9.5), "arange: found a Dim beside 9.5, 1, expected integers"),
        (lambda s, x: ops.linspace(s, 0, 1, 0), "linspace: steps: found 0, expected at least 1"),
        (lambda s, x: ops.meshgrid(x), "meshgrid: found shape (-1, -1), expected one dimension each"),
        (
            lambda s, x: ops.meshgrid(x, indexing="yx"),
            "meshgrid: indexing: found 'yx', expected 'ij' or 'xy'",
        ),
        (lambda s, x: ops.tensor(s, "two"), "tensor: data: found 'two', expected numbers"),
        (lambda s, x: ops.tensor(s, [[1], [2, 3]]), "tensor: data: found [[1], [2, 3]], expected numbers"),
        (lambda s, x: ops.tensor(s, None), "tensor: data: found None, expected numbers"),
        (lambda s, x: ops.eye(s, -1), "eye: n, m: found -1 and None, expected at least 1"),
        (lambda s, x: ops.zeros(s, (2, -1)), "zeros: size: found (2, -1), expected sizes of at least 1"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, ANY)
    assert str(caught.value) == f"a.b: {text}"
