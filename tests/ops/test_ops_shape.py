"""Shapes against torch's, fixed and dynamic."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, Size, build, check, check_sizes, integers, layers, values
from wtsnet import ops
from wtsnet.errors import NetworkError

X = values(2, 6, 5, 4)
IMAGE: tuple[Size, ...] = ((1, 2, 4), 6, (2, 4, 8), (2, 4, 8))
SMALL, LARGE = (1, 6, 2, 3), (4, 6, 8, 7)


@pytest.mark.parametrize("shape", [(2, 120), (240,), (-1, 5), (6, -1, 4), (1, 2, 1, 120, 1), (2, 6, 5, 4)], ids=str)
def test_reshape(shape: tuple[int, ...]) -> None:
    check(lambda s, x: ops.reshape(s, x, shape), lambda x: x.reshape(shape), X)


def test_reshape_to_and_from_a_scalar() -> None:
    check(lambda s, x: ops.reshape(s, x, ()), lambda x: x.reshape(()), values(1, 1))
    check(lambda s, x: ops.reshape(s, ops.reshape(s, x, (), suffix="scalar"), (1, 1)), lambda x: x, values(1, 1))


@pytest.mark.parametrize(
    ("op", "twin"),
    [
        (lambda s, x: ops.reshape(s, x, (x.dims[0], 3, -1)), lambda x: x.reshape(len(x), 3, -1)),
        (lambda s, x: ops.reshape(s, x, (-1, 3, 2)), lambda x: x.reshape(-1, 3, 2)),
        (
            lambda s, x: ops.reshape(s, x, (x.dims[0], 3, 2, x.dims[2], x.dims[3])),
            lambda x: x.reshape(len(x), 3, 2, *x.shape[2:]),
        ),
        (
            lambda s, x: ops.reshape(s, x, (x.dims[2] * x.dims[3], x.dims[0], 6)),
            lambda x: x.reshape(-1, len(x), 6),
        ),
        (ops.flatten, lambda x: x.flatten(1)),
        (lambda s, x: ops.flatten(s, x, 0), lambda x: x.flatten()),
        (lambda s, x: ops.flatten(s, x, 2), lambda x: x.flatten(2)),
        (lambda s, x: ops.flatten(s, x, -2, -1), lambda x: x.flatten(-2)),
        (lambda s, x: ops.flatten(s, x, 0, 1), lambda x: x.flatten(0, 1)),
        (lambda s, x: ops.flatten(s, x, 1, 1), lambda x: x),
        (lambda s, x: ops.unflatten(s, x, 1, (3, 2)), lambda x: x.unflatten(1, (3, 2))),
        (lambda s, x: ops.unflatten(s, x, -3, (2, -1)), lambda x: x.unflatten(1, (2, -1))),
        (lambda s, x: ops.unsqueeze(s, x, 0), lambda x: x.unsqueeze(0)),
        (lambda s, x: ops.unsqueeze(s, x, -1), lambda x: x.unsqueeze(-1)),
        (lambda s, x: ops.squeeze(s, ops.unsqueeze(s, x, 2, "one"), 2), lambda x: x),
        (lambda s, x: ops.permute(s, x, (3, -3, 0, 2)), lambda x: x.permute(3, 1, 0, 2)),
        (lambda s, x: ops.transpose(s, x, 1, -1), lambda x: x.transpose(1, -1)),
        (lambda s, x: ops.transpose(s, x, 0, 0), lambda x: x),
        (lambda s, x: ops.flip(s, x, 1), lambda x: x.flip(1)),
        (lambda s, x: ops.flip(s, x, -1), lambda x: x.flip(-1)),
        (lambda s, x: ops.flip(s, x, 0), lambda x: x.flip(0)),
        (lambda s, x: ops.roll(s, x, 1, 2), lambda x: x.roll(1, 2)),
        (lambda s, x: ops.roll(s, x, (-1, 4), (-1, 1)), lambda x: x.roll((-1, 4), (-1, 1))),
        (lambda s, x: ops.concat(s, [x, x, x], 1), lambda x: torch.cat([x, x, x], 1)),
        (lambda s, x: ops.concat(s, [x, x], -1), lambda x: torch.cat([x, x], -1)),
        (lambda s, x: ops.concat(s, [x], 0), lambda x: x),
        (lambda s, x: ops.stack(s, [x, x]), lambda x: torch.stack([x, x])),
        (lambda s, x: ops.stack(s, [x, x], -1), lambda x: torch.stack([x, x], -1)),
        (lambda s, x: ops.stack(s, [x, x], 2), lambda x: torch.stack([x, x], 2)),
        (lambda s, x: ops.channel_shuffle(s, x, 2), nn.ChannelShuffle(2)),
        (lambda s, x: ops.channel_shuffle(s, x, 1), nn.ChannelShuffle(1)),
    ],
)
def test_fixed_and_dynamic(op: Any, twin: Any) -> None:
    check(op, twin, X, tol=0)
    check_sizes(op, twin, IMAGE, SMALL, LARGE, tol=0)


def test_several_dynamic_sizes_build() -> None:
    for op in (
        lambda s, x: ops.reshape(s, x, (x.dims[0], 3, 2, x.dims[2] * x.dims[3])),
        lambda s, x: ops.flatten(s, x, 2),
        lambda s, x: ops.flip(s, x, -1),
        lambda s, x: ops.cut(s, x, 2, 1, -1, 2),
        lambda s, x: ops.stack(s, [x, x], -1),
        lambda s, x: ops.channel_shuffle(s, x, 3),
    ):
        build(OneOp(op, (IMAGE, "float32")).net)


@pytest.mark.parametrize("shifts", [0, 6, -7, 13], ids=str)
def test_rolling_by_nothing_and_around(shifts: int) -> None:
    check(lambda s, x: ops.roll(s, x, shifts, 1), lambda x: x.roll(shifts, 1), X, tol=0)


def test_flattening_a_dynamic_batch_takes_one_layer() -> None:
    one = OneOp(ops.flatten, (((1, 2, 4), 6, 5, 4), "float32"))
    assert one.outputs[0].shape == (-1, 120)
    assert len(layers(one.net)) == 1


SLICES = [(None, None, 1), (1, None, 1), (None, -1, 1), (-3, None, 1), (-3, -1, 1), (1, -1, 2), (0, None, 3), (1, 2, 5)]


@pytest.mark.parametrize("cut", [*SLICES, (0, 99, 1), (-99, 3, 2), (4, 99, 4)], ids=str)
def test_cut(cut: tuple[int | None, int | None, int]) -> None:
    for axis in (1, -2):
        check(
            lambda s, x, axis=axis: ops.cut(s, x, axis, *cut),
            lambda x, axis=axis: x.movedim(axis, 0)[slice(*cut)].movedim(0, axis),
            X,
            tol=0,
        )


@pytest.mark.parametrize("cut", SLICES, ids=str)
@pytest.mark.parametrize("axis", [0, 2])
def test_cut_of_dynamic_sizes(cut: tuple[int | None, int | None, int], axis: int) -> None:
    check_sizes(
        lambda s, x: ops.cut(s, x, axis, *cut),
        lambda x: x.movedim(axis, 0)[slice(*cut)].movedim(0, axis),
        ((3, 5, 8), 2, (3, 5, 8)),
        (3, 2, 8),
        (8, 2, 3),
        (6, 2, 5),
        tol=0,
    )


@pytest.mark.parametrize("sizes", [2, 4, 6, 9, (1, 5), (3, 2, 1)], ids=str)
def test_split(sizes: Any) -> None:
    check(lambda s, x: ops.split(s, x, sizes, 1), lambda x: x.split(sizes, 1), X, tol=0, named="a.b:split0")
    check(lambda s, x: ops.split(s, x, sizes, -3), lambda x: x.split(sizes, -3), X, tol=0, named="a.b:split0")


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5, 6, 9])
def test_chunk(chunks: int) -> None:
    check(lambda s, x: ops.chunk(s, x, chunks, 1), lambda x: x.chunk(chunks, 1), X, tol=0, named="a.b:split0")
    check(lambda s, x: ops.chunk(s, x, chunks), lambda x: x.chunk(chunks), X, tol=0, named="a.b:split0")


def test_split_beside_dynamic_sizes() -> None:
    one = check_sizes(
        lambda s, x: ops.chunk(s, x, 3, 1), lambda x: x.chunk(3, 1), IMAGE, SMALL, LARGE, tol=0, named="a.b:split0"
    )
    assert [y.shape for y in one.outputs] == [(-1, 2, -1, -1)] * 3
    build(one.net)


@pytest.mark.parametrize("shape", [(3, 6, 4), (-1, 6, 4), (3, -1, -1), (1, 6, 1)], ids=str)
def test_expand(shape: tuple[int, ...]) -> None:
    check(lambda s, x: ops.expand(s, x, shape), lambda x: x.expand(shape), values(1, 6, 1), tol=0)


def test_expand_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda s, x: ops.expand(s, x, (-1, 6, 4)), lambda x: x.expand(-1, 6, 4), ((1, 2, 4), 6, 1), (4, 6, 1), (1, 6, 1)
    )
    assert one.outputs[0].shape == (-1, 6, 4)
    build(one.net)


def test_expand_to_the_size_of_another_tensor() -> None:
    """A class token for each picture of the batch."""
    one = check_sizes(
        lambda s, x, y: ops.expand(s, x, (y.dims[0], -1, y.dims[1] * 2)),
        lambda x, y: x.expand(len(y), -1, y.shape[1] * 2),
        [(1, 3, 1), ((1, 2, 4), (2, 3, 5))],
        [(1, 3, 1), (4, 2)],
        [(1, 3, 1), (1, 5)],
    )
    build(one.net)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle(factor: int) -> None:
    twin = nn.PixelShuffle(factor)
    check(lambda s, x: ops.pixel_shuffle(s, x, factor), twin, values(2, 36, 3, 4), tol=0)
    one = check_sizes(
        lambda s, x: ops.pixel_shuffle(s, x, factor),
        twin,
        ((1, 2, 4), 36, (1, 2, 5), (1, 2, 5)),
        (4, 36, 1, 5),
        (1, 36, 5, 2),
        tol=0,
    )
    assert one.outputs[0].shape == (-1, 36 // factor**2, -1, -1)
    build(one.net)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_unshuffle(factor: int) -> None:
    twin = nn.PixelUnshuffle(factor)
    check(lambda s, x: ops.pixel_unshuffle(s, x, factor), twin, values(2, 3, 6, 12), tol=0)
    one = check_sizes(
        lambda s, x: ops.pixel_unshuffle(s, x, factor),
        twin,
        ((1, 2, 4), 3, (6, 12, 18), (6, 12, 18)),
        (4, 3, 6, 18),
        (1, 3, 12, 6),
        tol=0,
    )
    assert one.outputs[0].shape == (-1, 3 * factor**2, -1, -1)
    build(one.net)


def test_integers_and_bools_move_too() -> None:
    for x in (integers(2, 6, below=9), integers(2, 6, below=9).long(), integers(2, 6, below=2).bool()):
        check(lambda s, x: ops.reshape(s, x, (3, 4)), lambda x: x.reshape(3, 4), x)
        check(lambda s, x: ops.transpose(s, x, 0, 1), lambda x: x.T, x)
        check(lambda s, x: ops.concat(s, [x, x], 0), lambda x: torch.cat([x, x]), x)
        check(lambda s, x: ops.cut(s, x, 1, 1, None, 2), lambda x: x[:, 1::2], x)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.reshape(s, x, (7, -1)), "reshape: found shape (2, 6, 5, 4), expected one that fits (7, -1)"),
        (lambda s, x: ops.reshape(s, x, (2, 6)), "reshape: found shape (2, 6, 5, 4), expected one that fits (2, 6)"),
        (lambda s, x: ops.reshape(s, x, (-1, -1)), "reshape: found (-1, -1), expected sizes and at most one -1"),
        (lambda s, x: ops.reshape(s, x, (-2, 4)), "reshape: found (-2, 4), expected sizes and at most one -1"),
        (
            lambda s, x: ops.unflatten(s, x, 1, (4, 2)),
            "reshape: found shape (2, 6, 5, 4), expected one that fits (2, 4, 2, 5, 4)",
        ),
        (lambda s, x: ops.permute(s, x, (0, 1, 2)), "permute: found (0, 1, 2), expected each of 4 dimensions once"),
        (
            lambda s, x: ops.permute(s, x, (0, 1, 1, 2)),
            "permute: found (0, 1, 1, 2), expected each of 4 dimensions once",
        ),
        (lambda s, x: ops.transpose(s, x, 0, 4), "dim: found 4, expected -4 to 3 for shape (2, 6, 5, 4)"),
        (lambda s, x: ops.flatten(s, x, 3, 1), "flatten: found 3 to 1, expected start before end"),
        (lambda s, x: ops.squeeze(s, x, 1), "squeeze: found size 6 at dim 1 of (2, 6, 5, 4), expected 1"),
        (lambda s, x: ops.unsqueeze(s, x, 5), "unsqueeze: found dim 5, expected -5 to 4 for shape (2, 6, 5, 4)"),
        (lambda s, x: ops.concat(s, []), "concat: found no tensors, expected at least one"),
        (
            lambda s, x: ops.concat(s, [x, ops.flatten(s, x)]),
            "concat: found (2, 6, 5, 4) float32 and (2, 120) float32, expected equal ranks and dtypes",
        ),
        (lambda s, x: ops.concat(s, [x, x], 4), "dim: found 4, expected -4 to 3 for shape (2, 6, 5, 4)"),
        (lambda s, x: ops.cut(s, x, 2, 3, 2), "slice: found 3:2 of 5, expected at least one value"),
        (lambda s, x: ops.cut(s, x, 2, 5), "slice: found 5:None of 5, expected at least one value"),
        (lambda s, x: ops.cut(s, x, 2, step=-1), "slice: found step -1, expected at least 1"),
        (lambda s, x: ops.split(s, x, (1, 2), 1), "split: found sizes (1, 2), expected positive ones with a sum of 6"),
        (
            lambda s, x: ops.split(s, x, (7, -1), 1),
            "split: found sizes (7, -1), expected positive ones with a sum of 6",
        ),
        (lambda s, x: ops.split(s, x, 0, 1), "split: found size 0, expected at least 1"),
        (lambda s, x: ops.chunk(s, x, 0, 1), "chunk: found 0 chunks, expected at least 1"),
        (lambda s, x: ops.expand(s, x, (2, 6, 5)), "expand: found (2, 6, 5, 4), expected rank 3"),
        (
            lambda s, x: ops.expand(s, x, (4, 6, 5, 4)),
            "expand: found (2, 6, 5, 4), expected sizes of 1 where (4, 6, 5, 4) differs",
        ),
        (lambda s, x: ops.pixel_shuffle(s, x, 2), "pixel shuffle: found 6 channels, expected a multiple of 4"),
        (lambda s, x: ops.pixel_unshuffle(s, x, 2), "pixel unshuffle: found (5, 4), expected multiples of 2"),
        (lambda s, x: ops.channel_shuffle(s, x, 4), "channel shuffle: found 6 channels, expected a multiple of 4"),
        (
            lambda s, x: ops.roll(s, x, (1, 2), 3),
            "roll: found 2 shifts and 1 dims, expected as many of each, at least one",
        ),
        (
            lambda s, x: ops.pixel_shuffle(s, ops.flatten(s, x), 2),
            "input: found shape (2, 120), expected (N, C, H, W)",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, X)
    assert str(caught.value) == f"a.b: {text}"


def test_concat_of_sizes_that_differ() -> None:
    with pytest.raises(NetworkError, match=r"^a\.b.*\(1\).*mismatched at index 2.*\[2,6,5,4\].*\[2,6,4,4\]"):
        OneOp(lambda s, x: ops.concat(s, [x, ops.cut(s, x, 2, 1, suffix="cut")]), X)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda s, x: ops.split(s, x, 2, 0),
            "split: found a dynamic size at dim 0 of (-1, 6, 1), expected a fixed one",
        ),
        (
            lambda s, x: ops.chunk(s, x, 2, 0),
            "split: found a dynamic size at dim 0 of (-1, 6, 1), expected a fixed one",
        ),
        (
            lambda s, x: ops.expand(s, x, (3, 6, 4)),
            "expand: found (-1, 6, 1), expected sizes of 1 where (3, 6, 4) differs",
        ),
        (lambda s, x: ops.squeeze(s, x, 0), "squeeze: found size -1 at dim 0 of (-1, 6, 1), expected 1"),
    ],
)
def test_errors_about_dynamic_sizes(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, (((1, 2, 4), 6, 1), "float32"))
    assert str(caught.value) == f"a.b: {text}"
