"""wtsnet/decode/rotated_nms.py; that it is upstream's is tested in test_decode_ultralytics.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtsnet.decode.rotated_nms import probiou, rotated_nms
from wtsnet.errors import ModelError, RunnerError

Array = npt.NDArray[Any]


def by_the_paper(first: Array, second: Array) -> float:
    """Equations 4 to 6 of the paper, with matrices, in float64."""

    def normal(box: Array) -> tuple[Array, Array]:
        x, y, w, h, angle = box.astype(np.float64)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.array([x, y]), turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T

    (p, a), (q, b) = normal(first), normal(second)
    middle = (a + b) / 2
    distance = (p - q) @ np.linalg.inv(middle) @ (p - q) / 8
    distance += np.log(np.linalg.det(middle) / np.sqrt(np.linalg.det(a) * np.linalg.det(b))) / 2
    return float(1 - np.sqrt(1 - np.exp(-distance)))


def crowd(count: int, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    spot = rng.integers(0, max(1, count // 8), count)
    boxes = rng.uniform([0, 0, 20, 20, -0.7], [600, 600, 90, 90, 2.3], (count, 5))[spot]
    boxes += rng.normal(0, 1, boxes.shape) * [4, 4, 4, 4, 0.1]
    return boxes.astype(np.float32), rng.permutation(count).astype(np.float32) / count, rng.integers(0, 3, count)


@settings(deadline=None)  # the first call may be slow
@given(st.integers(0, 1000))
def test_is_the_papers(seed: int) -> None:
    boxes, _, _ = crowd(6, seed)
    wanted = [[by_the_paper(one, other) for other in boxes[3:]] for one in boxes[:3]]
    np.testing.assert_allclose((1 - probiou(boxes[:3], boxes[3:])) ** 2, (1 - np.array(wanted)) ** 2, atol=2e-5)


def test_of_the_same_box_it_is_one_and_of_distant_ones_zero() -> None:
    boxes = np.array([[50, 50, 40, 20, 0.5], [50, 50, 20, 40, 0.5 - np.pi / 2], [5000, 50, 40, 20, 0.5]], np.float32)
    np.testing.assert_allclose(probiou(boxes[:1], boxes), [[1, 1, 0]], atol=2e-3)


@pytest.mark.parametrize("count", [0, 1, 255, 257, 900])
@pytest.mark.parametrize("iou", [0.2, 0.6])
def test_a_box_stays_unless_a_better_one_of_its_class_overlaps_it(count: int, iou: float) -> None:
    boxes, scores, classes = crowd(count)
    kept = rotated_nms(boxes, scores, classes, iou)
    covered = (probiou(boxes, boxes) > iou) & (scores[:, None] > scores) & (classes[:, None] == classes)
    wanted = np.flatnonzero(~covered.any(axis=0))
    # Classes are kept apart by distance, where float32 is coarser: an overlap near `iou` may fall on its other side.
    assert len(set(kept) ^ set(wanted)) <= count // 100
    assert (np.diff(scores[kept]) <= 0).all()
    np.testing.assert_array_equal(rotated_nms(boxes, scores, classes, iou, max_det=3), kept[:3])


def test_one_that_goes_takes_others_with_it() -> None:
    """Fast NMS: of a row of boxes each overlapping the next, the greedy way would leave every second."""
    boxes = np.column_stack([np.arange(4) * 12, np.zeros(4), np.full((4, 2), 40), np.zeros(4)])
    overlap = probiou(boxes, boxes)[0]
    iou = float(overlap[1] + overlap[2]) / 2
    assert rotated_nms(boxes, [0.9, 0.8, 0.7, 0.6], np.zeros(4), iou).tolist() == [0]


@pytest.mark.parametrize(
    ("shapes", "options", "error", "message"),
    [
        (((3, 4), (3,), (3,)), {}, RunnerError, r"have shapes \(3, 4\), \(3,\) and \(3,\), expected \(n, 5\)"),
        (((3, 5), (2,), (3,)), {}, RunnerError, r"expected \(n, 5\), \(n,\) and \(n,\)$"),
        (((3, 5), (3,), (3,)), {"iou": 1.5}, ModelError, r"^iou is 1.5, expected a number from 0 to 1$"),
        (((3, 5), (3,), (3,)), {"max_det": 0}, ModelError, r"^max_det is 0, expected"),
    ],
)
def test_what_it_does_not_take(shapes: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rotated_nms(np.zeros(shapes[0]), np.zeros(shapes[1]), np.zeros(shapes[2]), **{"iou": 0.5, **options})


def test_values_that_are_not_finite() -> None:
    boxes = np.ones((3, 5))
    boxes[1, 4] = np.nan
    with pytest.raises(RunnerError, match=r"^1 of 3 boxes or scores are NaN or infinite$"):
        rotated_nms(boxes, np.ones(3), np.zeros(3), 0.5)
