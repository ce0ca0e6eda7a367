"""Shapes against torch's, fixed and dynamic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, Size, bools, build, check, check_sizes, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError

X = values(2, 6, 5, 4)
IMAGE: tuple[Size, ...] = ((1, 2, 4), 6, (2, 4, 8), (2, 4, 8))
SMALL, LARGE = (1, 6, 2, 3), (4, 6, 8, 7)


@pytest.mark.parametrize("shape", [(2, 120), (240,), (-1, 5), (6, -1, 4), (1, 2, 1, 120, 1), (2, 6, 5, 4)], ids=str)
def test_reshape(shape: tuple[int, ...]) -> None:
    check(lambda x: ops.reshape(x, shape), lambda x: x.reshape(shape), X)
    for name in ("reshape", "view"):
        check(lambda x, n=name: getattr(x, n)(*shape), lambda x, n=name: getattr(x, n)(*shape), X)
        check(lambda x, n=name: getattr(x, n)(list(shape)), lambda x, n=name: getattr(x, n)(shape), X)


def test_reshape_to_and_from_a_scalar() -> None:
    check(lambda x: ops.reshape(x, ()), lambda x: x.reshape(()), values(1, 1))
    check(lambda x: x.reshape(()).reshape(1, 1), lambda x: x, values(1, 1))
    check(lambda x: x.flatten(), lambda x: x.flatten(), values())


# What is called in the same way here and in torch.
SAME: list[Any] = [
    lambda x: x.reshape(x.size(0), 3, -1),
    lambda x: x.reshape(-1, 3, 2),
    lambda x: x.reshape(x.size(0), 3, 2, x.size(2), x.size(3)),
    lambda x: x.reshape(x.size(2) * x.size(3), x.size(0), 6),
    lambda x: x.view(x.size(0), 6, x.size(2) * x.size(3)),
    lambda x: (lambda y: (x.view_as(y), x.reshape_as(y), y))(x.permute(0, 2, 3, 1)),
    lambda x: x.flatten(),
    lambda x: x.flatten(1),
    lambda x: x.flatten(2),
    lambda x: x.flatten(-2, -1),
    lambda x: x.flatten(0, 1),
    lambda x: x.flatten(1, 1),
    lambda x: x.unflatten(1, (3, 2)),
    lambda x: x.unflatten(-3, (2, -1)),
    lambda x: x.flatten(2).unflatten(2, (x.size(2), x.size(3))),
    lambda x: x.unflatten(1, [1, 6, 1]),
    lambda x: x.unsqueeze(0),
    lambda x: x.unsqueeze(-1),
    lambda x: x.unsqueeze(2).squeeze(2),
    lambda x: x.unsqueeze(2).unsqueeze(2).squeeze((2, 3)),
    lambda x: x[:, None].squeeze((1, 2)),  # the second is no 1
    lambda x: x.permute(3, -3, 0, 2),
    lambda x: x.permute((0, 2, 3, 1)),
    lambda x: x.transpose(1, -1),
    lambda x: x.transpose(0, 0),
    lambda x: x.movedim(1, -1),
    lambda x: x.movedim((0, 1), (2, -1)),
    lambda x: x.movedim([3, 1], [0, 2]),
    lambda x: x.mT,
    lambda x: x.flip(1),
    lambda x: x.flip(-1),
    lambda x: x.flip(0, 2),
    lambda x: x.flip((1, 3)),
    lambda x: x.roll(1, 2),
    lambda x: x.roll((-1, 4), (-1, 1)),
    lambda x: x.roll((1, 1), (2, 3)),
    lambda x: x.roll(-3),
    lambda x: x.roll(2, 1),
    lambda x: x.narrow(1, 2, 3),
    lambda x: x.narrow(2, 1, x.size(2) - 1),
    lambda x: x.narrow(3, 1, 1),
    lambda x: x.narrow(-2, -2, 2),
    lambda x: x.select(1, 2),
    lambda x: x.select(-1, -1),
    lambda x: x.select(0, x.size(0) - 1),
    lambda x: x.unbind(1),
    lambda x: x.expand(3, -1, -1, -1, -1),
    lambda x: x[:, :1].expand(-1, 5, -1, -1),
    lambda x: x[:, :1].expand(x.size(0), 5, x.size(2), x.size(3)),
    lambda x: x[:, :1].expand((-1, 5, -1, -1)),
    lambda x: x[:, :1].expand_as(x),
    lambda x: x.repeat(2, 1, 3, 1),
    lambda x: x.repeat(3, 1, 1, 1, 2),
    lambda x: x.repeat((1, 2, 1, 1)),
    lambda x: x.tile(2),
    lambda x: x.tile(3, 1, 1, 2, 1),
    lambda x: x.tile((2, 1)),
    lambda x: x.repeat_interleave(3, 1),
    lambda x: x.repeat_interleave(2, -1),
    lambda x: x.repeat_interleave(2, 0),
    lambda x: x.repeat_interleave(2),
    lambda x: x.contiguous().clone().detach()[..., 1:],
]


@pytest.mark.parametrize("op", SAME)
def test_methods(op: Any) -> None:
    check(op, op, X, tol=0)
    check_sizes(op, op, IMAGE, SMALL, LARGE, tol=0)


@pytest.mark.parametrize(
    ("op", "twin"),
    [
        (lambda x: ops.cat([x, x, x], 1), lambda x: torch.cat([x, x, x], 1)),
        (lambda x: ops.cat((x, x), -1), lambda x: torch.cat([x, x], -1)),
        (lambda x: ops.cat([x, x]), lambda x: torch.cat([x, x])),
        (lambda x: ops.cat([x], 0), lambda x: x),
        (lambda x: ops.cat(list(x.chunk(2, 1)), 1), lambda x: x),
        (lambda x: ops.stack([x, x]), lambda x: torch.stack([x, x])),
        (lambda x: ops.stack([x, x], -1), lambda x: torch.stack([x, x], -1)),
        (lambda x: ops.stack((x, x), 2), lambda x: torch.stack([x, x], 2)),
        (lambda x: ops.channel_shuffle(x, 2), nn.ChannelShuffle(2)),
        (lambda x: ops.channel_shuffle(x, 1), nn.ChannelShuffle(1)),
        (lambda x: ops.broadcast_to(x[:, :1], (-1, 5, -1, -1)), lambda x: x[:, :1].expand(-1, 5, -1, -1)),
        (lambda x: ops.permute(x, [3, 2, 1, 0]), lambda x: x.permute(3, 2, 1, 0)),
        (lambda x: ops.flip(x, 1), lambda x: x.flip(1)),
        (lambda x: ops.tile(x, (2,)), lambda x: torch.tile(x, (2,))),
        (lambda x: x.T, lambda x: x.permute(3, 2, 1, 0)),
        (lambda x: x.flatten(1).t(), lambda x: x.flatten(1).t()),
        (lambda x: x.size(0) * ops.ones_like(x), lambda x: x.shape[0] * torch.ones_like(x)),
        (lambda x: x.flatten() / x.numel(), lambda x: x.flatten() / x.numel()),
    ],
)
def test_fixed_and_dynamic(op: Any, twin: Any) -> None:
    check(op, twin, X, tol=0)
    check_sizes(op, twin, IMAGE, SMALL, LARGE, tol=0)


def test_what_gives_the_tensor_itself() -> None:
    """No layer is added where nothing changes."""
    for op in (
        lambda x: x.squeeze(1),
        lambda x: x.squeeze(),
        lambda x: x.expand(-1, -1, -1, -1),
        lambda x: x.repeat(1, 1, 1, 1),
        lambda x: x.roll(0, 1),
        lambda x: x.roll(6, 1),
        lambda x: x.narrow(2, 0, 5),
        lambda x: x.contiguous(),
        lambda x: x.float(),
        lambda x: x[...],
    ):
        assert kinds(OneOp(op, X, named=None).net) == ["IDENTITY"]  # which the network's output is


def test_several_dynamic_sizes_build() -> None:
    for op in (
        lambda x: x.reshape(x.size(0), 3, 2, x.size(2) * x.size(3)),
        lambda x: x.flatten(2),
        lambda x: x.flip(-1),
        lambda x: x[:, :, 1:-1:2],
        lambda x: ops.stack([x, x], -1),
        lambda x: ops.channel_shuffle(x, 3),
        lambda x: x.roll((1, 1), (2, 3)),
        lambda x: x.repeat_interleave(2, 2),
        lambda x: x.repeat(2, 1, 3, 1),
        lambda x: x.select(0, x.size(0) - 1),
    ):
        build(OneOp(op, (IMAGE, "float32")).net)


@pytest.mark.parametrize("shifts", [-7, 13, 5, 1], ids=str)
def test_rolling_around(shifts: int) -> None:
    check(lambda x: ops.roll(x, shifts, 1), lambda x: x.roll(shifts, 1), X, tol=0)


def test_flattening_a_dynamic_batch_takes_one_layer() -> None:
    one = OneOp(lambda x: x.flatten(1), (((1, 2, 4), 6, 5, 4), "float32"))
    assert one.outputs[0].shape == (-1, 120)
    assert kinds(one.net) == ["SHUFFLE"]


@pytest.mark.parametrize("sizes", [2, 4, 6, 9, (1, 5), (3, 2, 1), [6]], ids=str)
def test_split(sizes: Any) -> None:
    named = None if sizes in (6, 9, [6]) else "a.b[0]"
    for dim in (1, -3):
        check(lambda x, d=dim: ops.split(x, sizes, d), lambda x, d=dim: x.split(sizes, d), X, tol=0, named=named)
        check(lambda x, d=dim: x.split(sizes, d), lambda x, d=dim: x.split(sizes, d), X, tol=0, named=named)


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5, 6, 9])
def test_chunk(chunks: int) -> None:
    named = None if chunks == 1 else "a.b[0]"
    check(lambda x: ops.chunk(x, chunks, 1), lambda x: x.chunk(chunks, 1), X, tol=0, named=named)
    check(lambda x: x.chunk(chunks), lambda x: x.chunk(chunks), X, tol=0, named=named)


def test_split_beside_dynamic_sizes() -> None:
    for op in (lambda x: x.chunk(3, 1), lambda x: x.split(2, 1), lambda x: x.split((2, 2, 2), 1)):
        one = check_sizes(op, op, IMAGE, SMALL, LARGE, tol=0)
        assert [y.shape for y in one.outputs] == [(-1, 2, -1, -1)] * 3
        build(one.net)


def test_a_tensor_is_taken_apart_by_its_first_dimension() -> None:
    def op(x: Any) -> Any:
        a, b = x
        return a + b

    check(op, op, X, tol=0)
    check(lambda x: list(x), lambda x: list(x), X, tol=0)
    check(lambda x: x * len(x), lambda x: x * len(x), X)


@pytest.mark.parametrize("shape", [(3, 6, 4), (-1, 6, 4), (3, -1, -1), (1, 6, 1), (2, 1, 6, 5)], ids=str)
def test_expand(shape: tuple[int, ...]) -> None:
    named = None if shape == (1, 6, 1) else "a.b"
    for op in (lambda x: ops.expand(x, shape), lambda x: ops.broadcast_to(x, shape), lambda x: x.broadcast_to(shape)):
        check(op, lambda x: x.expand(shape), values(1, 6, 1), tol=0, named=named)


def test_expand_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda x: ops.expand(x, (-1, 6, 4)), lambda x: x.expand(-1, 6, 4), ((1, 2, 4), 6, 1), (4, 6, 1), (1, 6, 1)
    )
    assert one.outputs[0].shape == (-1, 6, 4)
    build(one.net)


def test_expand_to_the_size_of_another_tensor() -> None:
    """A class token for each picture of the batch."""
    one = check_sizes(
        lambda x, y: x.expand(y.dims[0], -1, y.dims[1] * 2),
        lambda x, y: x.expand(len(y), -1, y.shape[1] * 2),
        [(1, 3, 1), ((1, 2, 4), (2, 3, 5))],
        [(1, 3, 1), (4, 2)],
        [(1, 3, 1), (1, 5)],
    )
    build(one.net)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle(factor: int) -> None:
    twin = nn.PixelShuffle(factor)
    check(lambda x: ops.pixel_shuffle(x, factor), twin, values(2, 36, 3, 4), tol=0)
    one = check_sizes(
        lambda x: ops.pixel_shuffle(x, factor),
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
    check(lambda x: ops.pixel_unshuffle(x, factor), twin, values(2, 3, 6, 12), tol=0)
    one = check_sizes(
        lambda x: ops.pixel_unshuffle(x, factor),
        twin,
        ((1, 2, 4), 3, (6, 12, 18), (6, 12, 18)),
        (4, 3, 6, 18),
        (1, 3, 12, 6),
        tol=0,
    )
    assert one.outputs[0].shape == (-1, 3 * factor**2, -1, -1)
    build(one.net)


def test_integers_and_bools_move_too() -> None:
    for x in (integers(2, 6, below=9), integers(2, 6, below=9).long(), bools(2, 6)):
        for op in (
            lambda x: x.reshape(3, 4),
            lambda x: x.transpose(0, 1),
            lambda x: x[:, 1::2],
            lambda x: x.flip(1),
            lambda x: x.repeat(2, 2),
            lambda x: x[:1].expand(3, 6),
        ):
            check(op, op, x)
        check(lambda x: ops.cat([x, x], 0), lambda x: torch.cat([x, x]), x)


DTYPES = ["float32", "float16", "bfloat16", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_casts(dtype: str) -> None:
    kind = getattr(torch, dtype)
    for x in (values(2, 6) * 3, integers(2, 6, below=3), bools(2, 6)):
        one = check(lambda x: x.to(dtype), lambda x: x.to(kind), x, named=None)
        assert one.outputs[0].dtype == dtype
        for given in (kind, np.dtype(dtype)) if dtype != "bfloat16" else (kind,):
            check(lambda x, d=given: x.to(d), lambda x: x.to(kind), x, named=None)


def test_casts_by_name() -> None:
    x = values(2, 6) * 3
    for name in ("float", "half", "bfloat16", "int", "long", "bool"):
        check(lambda x, n=name: getattr(x, n)(), lambda x, n=name: getattr(x, n)(), x, named=None)
    i = integers(2, 6, below=9)
    check(lambda x, y: x.to(y) + y, lambda x, y: x.to(y) + y, x, i)
    check(lambda x, y: x.type_as(y) + y, lambda x, y: x.type_as(y) + y, x, i)
    for wrong in ("float33", 3, None, int):
        with pytest.raises(NetworkError, match=r'^a\.b: to: found .*, expected a dtype such as "float32"$'):
            OneOp(lambda x, d=wrong: x.to(d), x)


def test_sizes_and_dimensions() -> None:
    one = OneOp(lambda x: x + 1.0, (((1, 2, 4), 6, 5), "float32"))
    x = one.outputs[0]
    assert x.shape == (-1, 6, 5)
    assert (x.ndim, x.rank, x.dim()) == (3, 3, 3)
    assert x.size(1) == x.size(-2) == 6
    assert x.size()[1:] == (6, 5)
    assert OneOp(lambda x: x + 1.0, X).outputs[0].numel() == 240
    with pytest.raises(NetworkError, match=r"dim: found 3, expected -3 to 2 for shape \(-1, 6, 5\)"):
        x.size(3)
    with pytest.raises(NetworkError, match=r"found a dynamic size at dim 0 of \(-1, 6, 5\), expected a fixed one"):
        len(x)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: ops.reshape(x, (7, -1)), "reshape: found shape (2, 6, 5, 4), expected one that fits (7, -1)"),
        (lambda x: ops.reshape(x, (2, 6)), "reshape: found shape (2, 6, 5, 4), expected one that fits (2, 6)"),
        (lambda x: x.view(-1, -1), "reshape: shape: found (-1, -1), expected sizes and at most one -1"),
        (lambda x: ops.reshape(x, (-2, 4)), "reshape: shape: found (-2, 4), expected sizes and at most one -1"),
        (
            lambda x: ops.unflatten(x, 1, (4, 2)),
            "unflatten: sizes: found (4, 2), expected a product of 6, the size at dim 1",
        ),
        (
            lambda x: ops.unflatten(x, 1, (4, -1)),
            "unflatten: sizes: found (4, -1), expected a product of 6, the size at dim 1",
        ),
        (
            lambda x: ops.permute(x, (0, 1, 2)),
            "permute: dims: found (0, 1, 2), expected each of 4 dimensions once",
        ),
        (
            lambda x: ops.permute(x, (0, 1, 1, 2)),
            "permute: dims: found (0, 1, 1, 2), expected no dimension twice",
        ),
        (lambda x: ops.transpose(x, 0, 4), "transpose: dim1: found 4, expected -4 to 3 for shape (2, 6, 5, 4)"),
        (lambda x: x.movedim((0, 1), 2), "movedim: destination: found 2, expected as many as source, (0, 1)"),
        (lambda x: x.movedim((0, 0), (1, 2)), "movedim: source: found (0, 0), expected no dimension twice"),
        (lambda x: x.t(), "t: found shape (2, 6, 5, 4), expected at most two dimensions"),
        (lambda x: ops.flatten(x, 3, 1), "flatten: start_dim: found 3 to 1, expected start before end"),
        (lambda x: ops.squeeze(x, 4), "squeeze: dim: found 4, expected -4 to 3 for shape (2, 6, 5, 4)"),
        (lambda x: ops.unsqueeze(x, 5), "unsqueeze: dim: found 5, expected -5 to 4 for shape (2, 6, 5, 4)"),
        (
            lambda x: ops.cat([x, x.flatten(1)]),
            "cat: found (2, 6, 5, 4) float32 and (2, 120) float32, expected equal dtypes, and equal sizes but for "
            "dim 0",
        ),
        (
            lambda x: ops.cat([x, x.half()], 1),
            "cat: found (2, 6, 5, 4) float32 and (2, 6, 5, 4) float16, expected equal dtypes, and equal sizes but for "
            "dim 1",
        ),
        (
            lambda x: ops.cat([x, x[:, :, 1:]]),
            "cat: found (2, 6, 5, 4) float32 and (2, 6, 4, 4) float32, expected equal dtypes, and equal sizes but for "
            "dim 0",
        ),
        (lambda x: ops.cat([x, x], 4), "cat: dim: found 4, expected -4 to 3 for shape (2, 6, 5, 4)"),
        (
            lambda x: ops.stack([x, x[:1]]),
            "stack: found (1, 6, 5, 4) and (2, 6, 5, 4), expected equal shapes",
        ),
        (
            lambda x: x.narrow(2, 3, 0),
            "narrow: length: found 0 from 3 on, expected it within (2, 6, 5, 4) at dim 2",
        ),
        (
            lambda x: x.narrow(2, 3, 4),
            "narrow: length: found 4 from 3 on, expected it within (2, 6, 5, 4) at dim 2",
        ),
        (
            lambda x: x.narrow(2, -6, 2),
            "narrow: length: found 2 from -6 on, expected it within (2, 6, 5, 4) at dim 2",
        ),
        (lambda x: x.select(2, 5), "select: index: found 5, expected it within 5 at dim 2"),
        (
            lambda x: ops.split(x, (1, 2), 1),
            "split: split_size_or_sections: found (1, 2), expected positive sizes with a sum of 6",
        ),
        (
            lambda x: ops.split(x, (7, -1), 1),
            "split: split_size_or_sections: found (7, -1), expected positive sizes with a sum of 6",
        ),
        (lambda x: ops.split(x, 0, 1), "split: split_size_or_sections: found 0, expected at least 1"),
        (lambda x: ops.chunk(x, 0, 1), "chunk: chunks: found 0, expected at least 1"),
        (
            lambda x: ops.expand(x, (2, 6, 5)),
            "expand: size: found (2, 6, 5), expected 4 or more for shape (2, 6, 5, 4)",
        ),
        (
            lambda x: ops.expand(x, (4, 6, 5, 4)),
            "expand: size: found (4, 6, 5, 4), expected (2, 6, 5, 4)'s own sizes where these are not 1",
        ),
        (
            lambda x: x.repeat(2, 1),
            "repeat: repeats: found (2, 1), expected 4 or more, each at least 1, for (2, 6, 5, 4)",
        ),
        (
            lambda x: x.repeat(2, 1, 1, 0),
            "repeat: repeats: found (2, 1, 1, 0), expected 4 or more, each at least 1, for (2, 6, 5, 4)",
        ),
        (lambda x: x.repeat_interleave(0, 1), "repeat_interleave: repeats: found 0, expected at least 1"),
        (
            lambda x: ops.pixel_shuffle(x, 2),
            "pixel_shuffle: upscale_factor: found 2 for 6 channels, expected them a multiple of r²",
        ),
        (
            lambda x: ops.pixel_unshuffle(x, 2),
            "pixel_unshuffle: downscale_factor: found 2 for sizes (5, 4), expected a divisor of both",
        ),
        (lambda x: ops.channel_shuffle(x, 4), "channel_shuffle: groups: found 4, expected a divisor of 6 channels"),
        (
            lambda x: ops.channel_shuffle(x[0, 0, 0], 2),
            "channel_shuffle: input: found shape (4,), expected (N, C, …)",
        ),
        (
            lambda x: ops.roll(x, (1, 2), 3),
            "roll: shifts: found 2 and 1 dims, expected as many of each, at least one",
        ),
        (
            lambda x: ops.pixel_shuffle(x.flatten(1), 2),
            "pixel_shuffle: found shape (2, 120), expected (N, C, H, W)",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, X)
    assert str(caught.value) == f"a.b: {text}"


def test_no_tensors() -> None:
    for op in (ops.cat, ops.stack):
        with pytest.raises(NetworkError) as caught:
            op([])
        assert str(caught.value) == (
            f"{op.__name__}: found no tensor, expected at least one: a tensor knows its network"
        )


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: ops.split(x, 2, 0), "split: found a dynamic size at dim 0 of (-1, 6, 1), expected a fixed one"),
        (lambda x: ops.chunk(x, 2, 0), "chunk: found a dynamic size at dim 0 of (-1, 6, 1), expected a fixed one"),
        (lambda x: ops.unbind(x), "unbind: found a dynamic size at dim 0 of (-1, 6, 1), expected a fixed one"),
        (
            lambda x: ops.expand(x, (3, 6, 4)),
            "expand: size: found (3, 6, 4), expected (-1, 6, 1)'s own sizes where these are not 1",
        ),
        (
            lambda x: ops.squeeze(x, 0),
            "squeeze: dim: found a dynamic size in (-1, 6, 1) at 0, expected a fixed one",
        ),
        (
            lambda x: ops.squeeze(x),
            "squeeze: dim: found a dynamic size in (-1, 6, 1) at None, expected a fixed one",
        ),
        (
            lambda x: x.reshape(x.shape[0], -1),
            "reshape: shape: found (-1, -1), expected sizes and at most one -1; x.dims has the sizes that are -1 in "
            "x.shape",
        ),
    ],
)
def test_errors_about_dynamic_sizes(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, (((1, 2, 4), 6, 1), "float32"))
    assert str(caught.value) == f"a.b: {text}"


@pytest.mark.parametrize(
    "use",
    [
        lambda n: n == 1,
        lambda n: n != 1,
        lambda n: n % 2 == 0,
        lambda n: n > 1,
        lambda n: n >= 1,
        lambda n: bool(n),
        lambda n: range(n),
        lambda n: [0] * n,
        lambda n: n in (1, 2),
        lambda n: n == n + 1,
    ],
)
def test_python_can_not_count_with_a_size_that_is_not_known(use: Any) -> None:
    """It would go wrong in silence: no size is equal to a number, and each is true."""
    with pytest.raises(
        NetworkError, match=r"^a\.b: found a size of Tensor\('x0'.* known only at run time, expected a fix"
    ):
        OneOp(lambda x: x * 2.0 if use(x.size(0)) else x, (((1, 2, 4), 6), "float32"))
