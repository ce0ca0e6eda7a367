"""Deformable convolution and RoIAlign against plain PyTorch, which is checked itself on small cases and against what
torchvision has in Python."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, build, check, compare, kinds, values, weights_of
from tests.ops.twins_vision import DeformConv2d, roi_align
from tools import torchvision_models
from wtsnet import ops
from wtsnet.errors import MissingWeightError, NetworkError

Pair = tuple[int, int]
# kernel, stride, padding, dilation, groups, groups of offsets, and whether with mask and bias
CONVOLUTIONS: list[tuple[Pair, Pair, Pair, Pair, int, int, bool]] = [
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1, False),
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1, True),
    ((3, 3), (2, 1), (1, 0), (1, 2), 2, 1, True),
    ((2, 3), (1, 1), (0, 1), (2, 1), 1, 2, True),
    ((1, 1), (1, 1), (0, 0), (1, 1), 2, 4, False),
    ((3, 2), (2, 2), (2, 1), (1, 1), 2, 2, False),
]
# bins, scale, samples, aligned, pictures
POOLINGS: list[tuple[Pair, float, int, bool, int]] = [
    ((7, 7), 1.0, 2, False, 1),
    ((2, 3), 1.0, 2, False, 2),
    ((7, 5), 0.5, 2, True, 1),
    ((3, 3), 0.25, 1, True, 3),
    ((4, 2), 1.0, 3, True, 2),
]


def convolution(case: tuple[Any, ...], height: int = 7, width: int = 6, batch: int = 2) -> tuple[Any, ...]:
    """A twin, the op like it, and inputs; the offsets reach beyond the picture."""
    kernel, stride, padding, dilation, groups, parts, masked = case
    torch.manual_seed(0)
    twin = DeformConv2d(4, 6, kernel, stride, padding, dilation, groups, bias=masked)
    sizes = F.conv2d(values(1, 1, height, width), values(1, 1, *kernel), None, stride, padding, dilation).shape[2:]
    points = kernel[0] * kernel[1] * parts
    inputs = [values(batch, 4, height, width), values(batch, 2 * points, *sizes, seed=1) * 1.5]
    if masked:
        inputs.append(values(batch, points, *sizes, seed=2).sigmoid())
    given: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    given |= {"out_channels": 6, "kernel_size": kernel, "bias": masked}
    return twin, lambda s, *xs: ops.deform_conv2d(s, *xs, **given), inputs


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_deform_conv2d(case: tuple[Any, ...]) -> None:
    twin, op, inputs = convolution(case)
    made = check(op, twin, *inputs, tol=3e-6)
    assert len(kinds(made.net)) <= 16
    assert kinds(made.net).count("GRID_SAMPLE") == kinds(made.net).count("CONVOLUTION") == 1


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_deform_conv2d_of_dynamic_sizes(case: tuple[Any, ...]) -> None:
    twin, op, inputs = convolution(case)
    specs: list[Any] = [(((1, 2, 3), x.shape[1], (1, 5, 12), (1, 5, 12)), "float32") for x in inputs]
    made = OneOp(op, *specs, weights=weights_of(twin, None))
    for sizes in ((7, 6, 2), (5, 12, 1), (9, 8, 3)):
        compare(made, twin, convolution(case, *sizes)[2], 3e-6)
    build(made.net)


@pytest.mark.parametrize("case", CONVOLUTIONS[:4], ids=str)
def test_deform_conv2d_of_dynamic_batch(case: tuple[Any, ...]) -> None:
    twin, op, inputs = convolution(case)
    made = OneOp(op, *((((1, 2, 3), *x.shape[1:]), "float32") for x in inputs), weights=weights_of(twin, None))
    for batch in (1, 3):
        compare(made, twin, convolution(case, batch=batch)[2], 3e-6)
    build(made.net)


def test_no_offset_is_a_convolution() -> None:
    """The twin, and so the op, is nn.Conv2d where all offsets are 0 and all masks 1."""
    for case in CONVOLUTIONS:
        twin, _, (x, offset, *mask) = convolution(case)
        conv = nn.Conv2d(4, 6, *case[:4], case[4], bias=case[6])
        conv.load_state_dict(twin.state_dict())
        found = twin(x, offset * 0, *(torch.ones_like(m) for m in mask))
        torch.testing.assert_close(found, conv(x), rtol=0, atol=2e-6)


def test_places_between_pixels() -> None:
    """By hand: a kernel that keeps what it takes, at these places of a picture."""
    x = torch.tensor([[[[0.0, 1.0, 4.0], [2.0, 3.0, 8.0]]]])
    places = [[(0.5, 0.5), (0.25, 0), (0, 0.75)], [(-0.5, 1), (1.5, 2), (0, 3)]]
    expected = torch.tensor([[1.5, 0.5, 0.75], [0.5, 4.0, 0.0]])  # beyond the border lies 0
    own = torch.stack(torch.meshgrid(torch.arange(2.0), torch.arange(3.0), indexing="ij"))
    offset = (torch.tensor(places).permute(2, 0, 1) - own)[None]
    twin = DeformConv2d(1, 1, (1, 1), bias=False)
    nn.init.ones_(twin.weight)
    assert torch.equal(twin(x, offset)[0, 0], expected)
    check(lambda s, *xs: ops.deform_conv2d(s, *xs, out_channels=1, kernel_size=1, bias=False), twin, x, offset)


def boxes(case: tuple[Any, ...], number: int = 6) -> torch.Tensor:
    """Also such as reach beyond the picture, and small ones."""
    _, scale, _, _, pictures = case
    generator = torch.Generator().manual_seed(3)
    corner, side = torch.rand(2, number, 2, generator=generator) * 10 - torch.tensor([4.0, 0.0]).reshape(2, 1, 1)
    side[0] = 0.3
    picture = torch.randint(0, pictures, (number, 1), generator=generator)
    return torch.cat((picture, torch.cat((corner, corner + side), 1) / scale), 1)


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_roi_align(case: tuple[Any, ...]) -> None:
    *given, pictures = case
    made = check(
        lambda x, b: ops.roi_align(x, b, *given),
        lambda x, b: roi_align(x, b, *given),
        *(values(pictures, 3, 9, 8), boxes(case)),
        tol=3e-6,
    )
    assert kinds(made.net).count("GRID_SAMPLE") == 1


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_roi_align_of_dynamic_sizes(case: tuple[Any, ...]) -> None:
    *given, pictures = case
    specs: list[Any] = [(((1, 2, 3), 3, (3, 9, 12), (3, 8, 12)), "float32"), (((1, 5, 9), 5), "float32")]
    made = OneOp(lambda x, b: ops.roi_align(x, b, *given), *specs)
    for number, height, width in ((6, 9, 8), (1, 3, 12), (9, 11, 5)):
        inputs = values(pictures, 3, height, width), boxes(case, number)
        compare(made, lambda x, b: roi_align(x, b, *given), inputs, 3e-6)
    assert made.outputs[0].shape == (-1, 3, *given[0])
    build(made.net)


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_torchvisions_own_roi_align(case: tuple[Any, ...]) -> None:
    """What torchvision has in Python for a run that must repeat itself. It takes the border for all that lies beyond,
    so the boxes are within."""
    (bins, scale, samples, aligned, pictures) = case
    torchvision_models.models()
    own = importlib.import_module("torchvision.ops.roi_align")._roi_align.__wrapped__  # before it is compiled
    x, inside = values(pictures, 3, 9, 8), boxes(case)
    inside[:, 1:] = inside[:, 1:].clamp(0, 7 / scale)
    expected = own(x, inside, scale, *bins, samples, aligned)
    torch.testing.assert_close(roi_align(x, inside, bins, scale, samples, aligned), expected, rtol=0, atol=3e-6)
    made = OneOp(lambda x, b: ops.roi_align(x, b, bins, scale, samples, aligned), x, inside)
    torch.testing.assert_close(made(x, inside)[0], expected, rtol=0, atol=1e-5)


def test_samples_of_a_slope() -> None:
    """By hand: on a plane the mean of a bin's samples is the value at its middle."""
    x = (4.0 * torch.arange(4.0).reshape(-1, 1) + torch.arange(4.0)).reshape(1, 1, 4, 4)
    wanted: list[tuple[list[float], dict[str, Any], list[float]]] = [
        ([0, 0, 2, 2], {"output_size": (1, 1), "sampling_ratio": 1}, [5.0]),
        ([0, 0, 2, 2], {"output_size": (1, 1), "sampling_ratio": 2}, [5.0]),
        ([0, 0, 2, 2], {"output_size": (1, 1), "sampling_ratio": 1, "aligned": True}, [2.5]),
        ([0, 0, 4, 4], {"output_size": (2, 2), "spatial_scale": 0.5, "sampling_ratio": 2}, [2.5, 3.5, 6.5, 7.5]),
        ([1, 1, 1, 1], {"output_size": (1, 1), "sampling_ratio": 1}, [7.5]),  # no smaller than a pixel
        ([1, 1, 1, 1], {"output_size": (1, 1), "sampling_ratio": 1, "aligned": True}, [2.5]),
        ([-1, 0, 0, 1], {"output_size": (1, 1), "sampling_ratio": 1}, [2.0]),  # beyond the border, the border
        (
            [3, 3, 7, 3],
            {"output_size": (1, 2), "sampling_ratio": 1},
            [15.0, 0.0],
        ),  # at 4 the border still, at 6 nothing
    ]
    for corners, given, expected in wanted:
        box = torch.tensor([[0.0, *corners]])
        for found in (
            roi_align(x, box, **given),
            OneOp(lambda x, b, g=given: ops.roi_align(x, b, **g), x, box)(x, box)[0],
        ):
            torch.testing.assert_close(found.reshape(-1), torch.tensor(expected), rtol=0, atol=3e-6)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)], ids=str)
def test_half_precision(dtype: torch.dtype, tol: float) -> None:
    """Places are float32 all the same: a wide picture would show it."""
    x, places = values(1, 2, 3, 500).to(dtype), torch.tensor([[0, 300.25, 0, 303.75, 2]])
    found = OneOp(lambda x, b: ops.roi_align(x, b, 7, 1.0, 2), x, places)(x, places)[0]
    wanted = roi_align(x.float(), places, (7, 7), 1.0, 2)
    assert found.dtype == dtype
    assert (found.float() - wanted).abs().max() <= tol * wanted.abs().max()

    twin, op, inputs = convolution(CONVOLUTIONS[1], 3, 200)
    halves = [x.to(dtype) for x in inputs]
    made = OneOp(op, *halves, weights=weights_of(twin, None))(*halves)[0]
    with torch.inference_mode():
        wanted = twin(*(x.float() for x in halves))
    assert (made.float() - wanted).abs().max() <= tol * wanted.abs().max()


def test_weights() -> None:
    twin, op, inputs = convolution(CONVOLUTIONS[1])
    made = OneOp(op, *inputs, weights=weights_of(twin, None))
    assert list(made.net.modules) == ["a.b"]
    with pytest.raises(MissingWeightError, match=r"a\.b\.bias"):
        OneOp(op, *inputs, weights={"weight": twin.weight.detach()})


ANY = {"out_channels": 6, "kernel_size": 3, "bias": False}
X = (1, 4, 8, 9)
WRONG: dict[str, tuple[list[tuple[int, ...]], dict[str, Any], str]] = {
    "no picture": ([(1, 4, 8), (1, 18, 6, 7)], {}, r"input: found shape \(1, 4, 8\), expected \(N, C, …\) with 2"),
    "other points": (
        [X, (1, 9, 6, 7)],
        {},
        r"offset: found \(1, 9, 6, 7\), expected \(N, 18·G, 6, 7\), G dividing 4 channels",
    ),
    "other groups": ([X, (1, 54, 6, 7)], {}, r"offset: found \(1, 54, 6, 7\), expected \(N, 18·G, 6, 7\)"),
    "another size": ([X, (1, 18, 8, 9)], {}, r"offset: found \(1, 18, 8, 9\), expected \(N, 18·G, 6, 7\)"),
    "a size with stride": ([X, (1, 18, 6, 7)], {"stride": 2}, r"expected \(N, 18·G, 3, 4\)"),
    "another mask": ([X, (1, 18, 6, 7), (1, 18, 6, 7)], {}, r"mask: found \(1, 18, 6, 7\), expected 9 channels beside"),
    "half a mask": ([X, (1, 18, 6, 7), (1, 5, 6, 7)], {}, r"mask: found \(1, 5, 6, 7\), expected \(N, 9·G, 6, 7\)"),
    "groups": ([X, (1, 18, 6, 7)], {"groups": 4}, "groups: found 4, expected a divisor of 4 and 6 channels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_convolutions(case: str) -> None:
    shapes, given, text = WRONG[case]
    weights = {"weight": values(6, 4, 3, 3)}
    with pytest.raises(NetworkError, match=text):
        OneOp(
            lambda s, *xs: ops.deform_conv2d(s, *xs, **(ANY | given)),
            *(values(*shape) for shape in shapes),
            weights=weights,
        )


@pytest.mark.parametrize(
    ("shape", "given", "text"),
    [
        ((3, 4), {}, r"boxes: found \(3, 4\), expected \(K, 5\): the index of a picture, x1, y1, x2, y2"),
        ((3, 5), {"sampling_ratio": -1}, "sampling_ratio: found -1, expected a number of samples such as 2"),
        ((3, 5), {"output_size": (1, 2, 3)}, r"output_size: found \(1, 2, 3\), expected a number or 2 of them"),
        ((3, 5), {"spatial_scale": 0}, "spatial_scale: found 0, expected a positive number"),
    ],
    ids=str,
)
def test_wrong_boxes(shape: tuple[int, ...], given: dict[str, Any], text: str) -> None:
    with pytest.raises(NetworkError, match=text):
        OneOp(
            lambda x, b: ops.roi_align(x, b, **({"output_size": 7, "sampling_ratio": 2} | given)),
            *(values(*X), values(*shape)),
        )
