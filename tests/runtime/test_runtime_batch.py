"""wtsnet/runtime/batch.py and the cutting in wtsnet/runtime/inputs.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtsnet.errors import RunnerError
from wtsnet.manifest.manifest import Input
from wtsnet.runtime.batch import joined, piece_sizes
from wtsnet.runtime.inputs import Inputs


def spec(name: str, low: list[int], high: list[int]) -> Input:
    shape = [a if a == b else -1 for a, b in zip(low, high, strict=True)]
    return {"name": name, "dtype": "float32", "shape": shape, "min": low, "opt": low, "max": high}


@pytest.mark.parametrize(
    ("batch", "low", "high", "sizes"),
    [
        (10, 1, 4, [4, 4, 2]),
        (8, 1, 4, [4, 4]),
        (9, 3, 8, [5, 4]),
        (17, 4, 8, [6, 6, 5]),
        (11, 2, 8, [8, 3]),
        (6, 1, 1, [1] * 6),
        (5, 4, 4, []),
        (9, 5, 8, []),
    ],
)
def test_pieces(batch: int, low: int, high: int, sizes: list[int]) -> None:
    assert piece_sizes(batch, low, high) == sizes


@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 20))
def test_pieces_are_within_the_profile(batch: int, low: int, more: int) -> None:
    sizes, high = piece_sizes(batch, low, low + more), low + more
    possible = any(count * low <= batch <= count * high for count in range(1, batch + 1))
    assert bool(sizes) == possible
    if sizes:
        assert sum(sizes) == batch
        assert all(low <= size <= high for size in sizes)
        assert len(sizes) == -(-batch // high)


def cut(inputs: Inputs, **arrays: Any) -> Any:
    return inputs.pieces(inputs.checked(arrays))


DYNAMIC = Inputs([spec("x", [1, 3], [4, 3]), spec("k", [1], [16]), spec("m", [2, 2], [2, 2])], {"y": (-1, 5)})
M = np.zeros((2, 2), np.float32)


def test_what_fits_is_not_cut() -> None:
    pieces, sizes = cut(DYNAMIC, x=np.zeros((4, 3)), k=np.zeros(9), m=M)
    assert (len(pieces), sizes) == (1, [])


def test_inputs_that_are_as_many_are_cut_alike() -> None:
    x, k = np.arange(30, dtype=np.float32).reshape(10, 3), np.arange(10, dtype=np.float32)
    pieces, sizes = cut(DYNAMIC, x=x, k=k, m=M)
    assert sizes == [4, 4, 2]
    for name, whole in (("x", x), ("k", k)):
        np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), whole)
        assert all(piece[name].flags.c_contiguous and np.shares_memory(piece[name], whole) for piece in pieces)
    assert all(piece["m"] is pieces[0]["m"] for piece in pieces)


def test_an_input_for_all_is_given_to_each_piece() -> None:
    pieces, _ = cut(DYNAMIC, x=np.zeros((10, 3)), k=np.zeros(3), m=M)
    assert [piece["k"].shape for piece in pieces] == [(3,)] * 3


def test_a_static_batch_is_cut_too() -> None:
    static = Inputs([spec("x", [2, 3], [2, 3])], {"y": (2, 5)})
    assert cut(static, x=np.zeros((6, 3)))[1] == [2, 2, 2]
    with pytest.raises(RunnerError, match=r"^input 'x': found shape \(5, 3\), expected \(2, 3\); no cut of the batch"):
        cut(static, x=np.zeros((5, 3)))


def test_two_that_are_too_long_but_not_alike() -> None:
    inputs = Inputs([spec("a", [1], [4]), spec("b", [1], [4])], {"y": (-1,)})
    with pytest.raises(RunnerError, match=r"'b' is not as long: it can't be cut alike$"):
        cut(inputs, a=np.zeros(8), b=np.zeros(6))


@pytest.mark.parametrize("shape", [(), (5,), (4, 5)])
def test_an_output_without_a_batch_axis(shape: tuple[int, ...]) -> None:
    inputs = Inputs([spec("x", [1, 3], [4, 3])], {"count": shape})
    with pytest.raises(RunnerError) as caught:
        cut(inputs, x=np.zeros((10, 3)))
    assert str(caught.value) == (
        f"output 'count': found shape {shape}, which has no batch axis: the results of a batch of 10 can't be joined; "
        "give at most 4 at once"
    )


def test_joining() -> None:
    results = [{"y": np.full((size, 2), size)} for size in (4, 4, 2)]
    assert joined(results, [4, 4, 2], np.concatenate)["y"].tolist() == [[4, 4]] * 8 + [[2, 2]] * 2
    with pytest.raises(RunnerError, match=r"^output 'y': found shape \(2, 2\) for 3 of 11: it has no batch axis"):
        joined(results, [4, 4, 3], np.concatenate)
