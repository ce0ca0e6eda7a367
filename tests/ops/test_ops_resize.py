"""Interpolation against torch's, over modes, scales, sizes and corners."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, values
from wtsnet import ops
from wtsnet.errors import NetworkError

SIZES = (7, 5, 6)
MODES = [
    (rank, mode, aligned)
    for rank, modes in ((1, ("linear",)), (2, ("bilinear", "bicubic")), (3, ("trilinear",)))
    for mode in ("nearest", "nearest-exact", *modes)
    for aligned in ((False,) if mode.startswith("nearest") else (False, True))
]


def torch_aligned(mode: str, aligned: bool) -> bool | None:
    return None if mode.startswith("nearest") else aligned


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("scale", [2, 3, 5, 0.5, 1.5, 2.5, 0.75, 1.25, 0.3125, 1])
def test_scale(rank: int, mode: str, aligned: bool, scale: float) -> None:
    check(
        lambda s, x: ops.upsample(s, x, scale, mode=mode, align_corners=aligned),
        nn.Upsample(scale_factor=scale, mode=mode, align_corners=torch_aligned(mode, aligned)),
        values(1, 2, *SIZES[:rank]),
        tol=2e-6,
    )


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("size", [1, 3, 7, 10, 13])
def test_size(rank: int, mode: str, aligned: bool, size: int) -> None:
    for wanted in (size, (size, size + 4, 5)[:rank]):
        check(
            lambda s, x, wanted=wanted: ops.upsample(s, x, size=wanted, mode=mode, align_corners=aligned),
            nn.Upsample(wanted, mode=mode, align_corners=torch_aligned(mode, aligned)),
            values(1, 2, *SIZES[:rank]),
            tol=2e-6,
        )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_every_whole_scale_and_length(mode: str) -> None:
    for scale in (*range(1, 12), 13, 1.5, 0.25):
        for length in (4, 9, 23):
            x = values(1, 1, length, 4)
            twin = nn.Upsample(scale_factor=(scale, 1.5), mode=mode)
            check(lambda s, x, f=scale: ops.upsample(s, x, (f, 1.5), mode=mode), twin, x, tol=2e-6)


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("scale", [2, 1.5])
def test_scale_of_dynamic_sizes(rank: int, mode: str, aligned: bool, scale: float) -> None:
    one = check_sizes(
        lambda s, x: ops.upsample(s, x, scale, mode=mode, align_corners=aligned),
        nn.Upsample(scale_factor=scale, mode=mode, align_corners=torch_aligned(mode, aligned)),
        ((1, 2, 4), 3, *[(4, 6, 12)] * rank),
        (4, 3, *(4, 5, 6)[:rank]),
        (1, 3, *(12, 7, 4)[:rank]),
        tol=2e-6,
    )
    if scale == 2 and mode in ("linear", "nearest", "bilinear"):  # the others take TensorRT seconds
        build(one.net)


def test_cubic_and_trilinear_build() -> None:
    for rank, mode in ((2, "bicubic"), (3, "trilinear")):
        build(OneOp(lambda s, x, m=mode: ops.upsample(s, x, 2, mode=m), (((1, 2, 4), 2, *[3] * rank), "float32")).net)


@pytest.mark.parametrize(("mode", "aligned"), [("nearest", False), ("bilinear", False), ("bilinear", True)])
def test_size_of_another_tensor(mode: str, aligned: bool) -> None:
    """The sizes of a feature map that is known only at run time: a feature pyramid's way down."""
    one = check_sizes(
        lambda s, x, y: ops.upsample(s, x, size=y.dims[2:], mode=mode, align_corners=aligned),
        lambda x, y: F.interpolate(x, y.shape[2:], mode=mode, align_corners=torch_aligned(mode, aligned)),
        [((1, 2, 4), 3, (2, 4, 8), (2, 4, 8)), ((1, 2, 4), 2, (2, 8, 16), (2, 8, 16))],
        [(4, 3, 4, 6), (4, 2, 8, 11)],
        [(1, 3, 8, 2), (1, 2, 5, 16)],
        tol=2e-6,
    )
    assert one.outputs[0].shape == (-1, 3, -1, -1)
    build(one.net)


def test_fixed_size_of_dynamic_sizes() -> None:
    one = check_sizes(
        lambda s, x: ops.upsample(s, x, size=(6, 5), mode="bilinear"),
        nn.Upsample((6, 5), mode="bilinear"),
        ((1, 2, 4), 3, (2, 4, 8), (2, 4, 8)),
        (4, 3, 4, 6),
        (1, 3, 8, 2),
    )
    assert one.outputs[0].shape == (-1, 3, 6, 5)
    build(one.net)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    x = values(1, 2, 5, 4).to(dtype)
    for mode in ("nearest", "bilinear", "bicubic"):
        found = OneOp(lambda s, x, mode=mode: ops.upsample(s, x, 2, mode=mode), x)(x)[0].float()
        expected = F.interpolate(x.float(), scale_factor=2, mode=mode)
        assert (found - expected).abs().max() <= (2e-3 if dtype == torch.float16 else 2e-2)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"scale": 2, "mode": "area"},
            "found mode 'area', expected one of nearest, nearest-exact, linear, bilinear, trilinear, bicubic",
        ),
        ({}, "found scale=None and size=None, expected one of the two"),
        ({"scale": 2, "size": 4}, "found scale=2 and size=4, expected one of the two"),
        (
            {"scale": 2, "align_corners": True},
            "found align_corners with mode 'nearest', expected it with the linear modes",
        ),
        ({"scale": -2}, "found scale -2, expected a positive number or 2 of them"),
        ({"scale": (1, 2, 3)}, "found scale (1, 2, 3), expected a positive number or 2 of them"),
        ({"scale": 1.1}, "found scale 1.1, expected one that float32 holds exactly, or a size"),
        ({"size": (4, 4, 4)}, "found size (4, 4, 4), expected a positive number or 2 of them"),
        ({"size": 0}, "found size 0, expected a positive number or 2 of them"),
        ({"size": (4, 0)}, "found size (4, 0), expected a positive number or 2 of them"),
        (
            {"scale": 2, "mode": "linear"},
            "found mode 'linear' for shape (1, 2, 5, 4), expected 1 spatial dimensions",
        ),
    ],
    ids=str,
)
def test_errors(given: dict[str, Any], text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda s, x: ops.upsample(s, x, **given), values(1, 2, 5, 4))
    assert str(caught.value) == f"a.b: upsample: {text}"
