"""wtsnet/definition/axes.py: which axis gets which size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wtsnet.definition.axes import Axes, image_ranges, size_range
from wtsnet.errors import ModelError

PICTURE = {"x": (-1, 3, -1, -1)}


def profile(
    inputs: Mapping[str, tuple[int, ...]], batch: Any = None, imgsz: Any = None, shapes: dict[str, Any] | None = None
) -> Any:
    axes = Axes("m.onnx", inputs)
    axes.set_shapes(shapes or {})
    if batch is not None:
        axes.set_batch(batch)
    if imgsz is not None:
        axes.set_imgsz(imgsz)
    return axes.profile()


def fixed(*shape: int) -> Any:
    return (shape,) * 3


def test_ranges() -> None:
    assert (size_range("a", 3), size_range("a", (1, 2, 4)), size_range("a", [2, 2, 2])) == (3, (1, 2, 4), 2)
    assert image_ranges(64) == (64, 64)
    assert image_ranges((64, (32, 64, 96))) == (64, (32, 64, 96))
    assert image_ranges((32, 64, 96)) == ((32, 64, 96), (32, 64, 96))


def test_a_file_without_dynamic_axes() -> None:
    assert profile({"x": (2, 3), "scalar": (), "none": (0, 4)}) == {
        "x": fixed(2, 3),
        "scalar": fixed(),
        "none": fixed(0, 4),
    }
    assert profile({"x": (2, 3, 8, 6)}, 2, (8, 6)) == {"x": fixed(2, 3, 8, 6)}  # what it has anyway


def test_batch_and_imgsz() -> None:
    assert profile(PICTURE, 2, 8) == {"x": fixed(2, 3, 8, 8)}
    assert profile(PICTURE, (1, 2, 4), (8, (6, 8, 9))) == {"x": ((1, 3, 8, 6), (2, 3, 8, 8), (4, 3, 8, 9))}
    assert profile({"x": (-1, 3, 8, -1)}, 1, (8, 6)) == {"x": fixed(1, 3, 8, 6)}


def test_channels_may_be_last() -> None:
    assert profile({"x": (-1, -1, -1, 3)}, 2, (8, 6)) == {"x": fixed(2, 8, 6, 3)}
    assert profile({"x": (1, 3, -1, 3)}, None, (8, 3)) == {"x": fixed(1, 3, 8, 3)}


def test_several_inputs() -> None:
    """Each dynamic first axis is the batch; an input that is fixed is left alone."""
    inputs = {"x": (-1, 3, -1, -1), "ids": (-1, 7), "anchors": (100, 4), "mask": (1, 1, 28, 28), "scalar": ()}
    assert profile(inputs, 2, 8) == {
        "x": fixed(2, 3, 8, 8),
        "ids": fixed(2, 7),
        "anchors": fixed(100, 4),
        "mask": fixed(1, 1, 28, 28),
        "scalar": fixed(),
    }


def test_shapes() -> None:
    inputs = {"x": (-1, 3, -1, -1), "ids": (-1, -1)}
    given = {"ids": [(1, 4), (2, 8), (2, 16)]}
    assert profile(inputs, 2, 8, given) == {"x": fixed(2, 3, 8, 8), "ids": ((1, 4), (2, 8), (2, 16))}
    assert profile({"x": (-1, 2)}, shapes={"x": [5, 2]}) == {"x": fixed(5, 2)}
    assert profile({"x": (0, -1), "scalar": ()}, shapes={"x": (0, 2), "scalar": ()}) == {
        "x": fixed(0, 2),
        "scalar": fixed(),
    }
    assert profile({"x": (-1, -1)}, 4, shapes={"x": (4, 2)}) == {"x": fixed(4, 2)}  # both say the same


@pytest.mark.parametrize(
    ("inputs", "given", "message"),
    [
        (PICTURE, {}, "input x -1×3×-1×-1: axis 0 is dynamic and was given no size; give --batch and --imgsz, or "),
        (PICTURE, {"batch": 1}, "axis 2 is dynamic and was given no size; give --imgsz, or --shape x=Nx3xNxN"),
        (PICTURE, {"imgsz": 8}, "axis 0 is dynamic and was given no size; give --batch, or --shape x=Nx3xNxN"),
        ({"a": (-1, -1)}, {"batch": 1}, "input a -1×-1: axis 1 is dynamic and was given no size; give --shape a=NxN"),
        ({"a": (-1, 2, -1)}, {}, "axis 0 is dynamic and was given no size; give --shape a=Nx2xN"),
        ({"a": (2, -1, 8, 8)}, {}, "axis 1 is dynamic and was given no size; give --shape a=2xNx8x8"),
        ({"a": (4, 3)}, {"batch": 2}, "batch: found 2, but the inputs are a 4×3"),
        ({"a": (4, 3)}, {"batch": (1, 2, 4)}, "batch: found 1:2:4, but the inputs are a 4×3"),
        ({"a": ()}, {"batch": 2}, "batch: found 2, but the inputs are a ()"),
        ({"a": (-1, 3)}, {"batch": 1, "imgsz": 8}, "imgsz: found 8×8, but the inputs are a 1×3"),
        ({"a": (1, 3, 8, 8)}, {"imgsz": (8, 6)}, "imgsz: found 8×6, but the inputs are a 1×3×8×8"),
        ({"a": (1, 3, -1, 6)}, {"imgsz": 8}, "input a 1×3×-1×6: axis 3 is 6; imgsz says 8"),
        ({"a": (-1, -1)}, {"shapes": {"b": (1, 2)}}, "shape: unknown input 'b' (it has a)"),
        ({"images": (-1,)}, {"shapes": {"image": (1,)}}, "shape: unknown input 'image'; did you mean 'images'?"),
        ({"a": (-1, 3)}, {"shapes": {"a": (1, 4)}}, "input a -1×3: axis 1 is 3; shape says 4"),
        ({"a": (-1, 3)}, {"shapes": {"a": ((1, 3), (1, 3), (1, 4))}}, "axis 1 is 3; shape says 3:3:4"),
        ({"a": (-1, 3)}, {"shapes": {"a": (1, 3, 5)}}, "shape of a: found (1, 3, 5), expected 2 sizes, or three times"),
        ({"a": (-1, 3)}, {"shapes": {"a": ((1, 3), (1, 3))}}, "shape of a: found ((1, 3), (1, 3)), expected 2 sizes"),
        ({"a": (-1, 3)}, {"batch": 2, "shapes": {"a": (4, 3)}}, "batch: found 2, but the inputs are a 4×3"),
    ],
)
def test_what_contradicts_the_file(inputs: dict[str, tuple[int, ...]], given: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        profile(inputs, **given)
    assert str(caught.value).startswith("m.onnx: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 3), ((4, 3), (2, 3), (8, 3)), ((0, 3), (1, 3), (2, 3)), (-1, 3)])
def test_sizes_that_are_none(shape: Any) -> None:
    with pytest.raises(ModelError, match=r"^shape of a: found .*, expected a number or \(min, opt, max\)"):
        profile({"a": (-1, 3)}, shapes={"a": shape})
