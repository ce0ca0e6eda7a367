"""wtsnet/decode/masks.py: which pixels are an object's; upstream's agree in test_decode_ultralytics.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.boxes import Detections
from wtsnet.decode.masks import Instances, instances
from wtsnet.errors import RunnerError
from wtsnet.pictures.placement import Letterbox, Stretch
from wtsnet.pictures.resizing import letterbox

SIZE = (16, 24)


def found(*boxes: tuple[float, float, float, float]) -> Detections:
    count = len(boxes)
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(array, np.linspace(0.9, 0.5, count, dtype=np.float32), np.arange(count))


def planes(*values: float) -> Any:
    """A prototype of 4×6 for each of the values, the same everywhere."""
    return np.ones((len(values), 4, 6), np.float32) * np.array(values, np.float32)[:, None, None]


def test_pixels_within_the_box_whose_logit_is_positive() -> None:
    prototypes = planes(1, 0)
    prototypes[1, :, 3:] = -3  # its right half
    made = instances(found((2.5, 1, 20, 9.2), (0, 0, 24, 16)), [[1, 1], [1, 0]], prototypes, SIZE, None)
    assert made.masks.shape == (2, *SIZE)
    # From 1 to −2 between the middles of two pixels of four: 0 a third of the way behind the tenth.
    rows, columns = np.nonzero(made.masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 9, 3, 10)
    assert made.masks[0, 1:10, 3:11].all()
    assert made.masks[1].all()
    np.testing.assert_array_equal(made.boxes, np.array([[2.5, 1, 20, 9.2], [0, 0, 24, 16]], np.float32))


def test_what_has_no_pixel_is_left_out() -> None:
    boxes = found((0, 0, 8, 8), (4, 4, 4, 9), (0.1, 0.1, 0.9, 0.9), (2, 2, 3, 3))
    made = instances(boxes, [[-1], [1], [1], [1]], planes(1), SIZE, None)
    assert made.classes.tolist() == [3]
    assert made.scores.tolist() == boxes.scores[3:].tolist()
    assert made.masks.sum() == 1
    assert instances(boxes, [[-1]] * 4, planes(1), SIZE, None).masks.shape == (0, *SIZE)
    assert instances(found(), np.empty((0, 1)), planes(1), SIZE, None).masks.shape == (0, *SIZE)


@pytest.mark.parametrize("source", [(30, 20), (7, 40), (100, 333), (16, 24)])
def test_masks_lie_in_the_picture_where_they_lie_in_the_input(source: tuple[int, int]) -> None:
    image = np.zeros((*source, 3), np.uint8)
    image[: source[0] // 2 + 1, source[1] // 4 :] = 255
    squeezed, place = letterbox(image, (64, 96), fill=0)
    prototype = squeezed[2::4, 2::4, 0].astype(np.float32)[None] / 127.5 - 1
    whole = np.array(place.from_source([[0, 0, source[1], source[0]]]), np.float32)
    (mask,) = instances(found(*whole.tolist()), [[1]], prototype, (64, 96), place).masks
    assert mask.shape == source
    # A prototype's pixel is four of the input's: so far an edge may be off.
    assert (mask != (image[..., 0] > 127)).sum() <= 4 / place.ratio * sum(source)


def test_a_stretched_picture() -> None:
    prototypes = planes(1)
    prototypes[0, :, 3:] = -1
    made = instances(found((0, 0, 24, 16)), [[1]], prototypes, SIZE, Stretch((5, 12), SIZE))
    assert made.masks[0].tolist() == [[True] * 6 + [False] * 6] * 5
    assert made.boxes.tolist() == [[0, 0, 12, 5]]


def test_to_source_takes_the_nearest_pixels() -> None:
    masks = np.zeros((1, 8, 8), bool)
    masks[0, 2:4, 4:6] = True
    place = Letterbox(2, 2, 0, (4, 2), (8, 8))
    moved = Instances(np.array([[4, 2, 6, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), masks)
    assert moved.to_source(place).masks.tolist() == [[[False] * 2, [False, True], [False] * 2, [False] * 2]]
    assert moved.to_source(place).boxes.tolist() == [[1, 1, 2, 2]]


@pytest.mark.parametrize(
    ("coefficients", "prototypes", "message"),
    [
        ((1, 2), (1, 4, 6), r"shapes \(1, 2\) and \(1, 4, 6\), expected \(1, m\) and \(m, h, w\)$"),
        ((2, 1), (1, 4, 6), r"expected \(1, m\)"),
        ((1, 1), (1, 5, 6), r"^prototypes have shape \(1, 5, 6\), which an input of \(16, 24\) is no multiple of$"),
        ((1, 1), (1, 0, 6), "no multiple of"),
    ],
)
def test_arrays_that_do_not_fit(coefficients: Any, prototypes: Any, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        instances(found((0, 0, 9, 9)), np.zeros(coefficients), np.zeros(prototypes), SIZE, None)


def test_nan_is_not_silently_nothing() -> None:
    with pytest.raises(RunnerError, match=r"^24 of 24 logits are NaN"):
        instances(found((0, 0, 9, 9)), [[np.nan]], planes(1), SIZE, None)


def test_masks_must_be_as_many_as_boxes() -> None:
    boxes = found((0, 0, 9, 9))
    with pytest.raises(RunnerError, match=r"^masks of 1 detections have shape \(2, 4, 4\), expected \(n, H, W\)$"):
        Instances(boxes.boxes, boxes.scores, boxes.classes, np.zeros((2, 4, 4), bool))
