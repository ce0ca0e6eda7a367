"""wtsnet/decode/nms.py: which boxes a better one suppresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wtsnet.decode.nms import batched_nms, nms
from wtsnet.errors import ModelError, RunnerError

Array = npt.NDArray[Any]


def naive(boxes: Array, scores: Array, iou: float) -> list[int]:
    """One pair at a time, in exact comparison with `iou`, as torchvision's kernel goes about it."""
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept: list[int] = []
    with np.errstate(all="ignore"):
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        for i in order:
            for k in kept:
                width = max(np.float32(0), min(boxes[k, 2], boxes[i, 2]) - max(boxes[k, 0], boxes[i, 0]))
                height = max(np.float32(0), min(boxes[k, 3], boxes[i, 3]) - max(boxes[k, 1], boxes[i, 1]))
                shared = width * height
                if float(shared / (area[k] + area[i] - shared)) > iou:
                    break
            else:
                kept.append(i)
    return kept


def crowd(count: int, seed: int = 0, spots: int = 40) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    spot = rng.integers(0, spots, count)
    centre = rng.uniform(0, 640, (spots, 2))[spot] + rng.normal(0, 8, (count, 2))
    size = rng.uniform(10, 200, (spots, 2))[spot] * rng.uniform(0.8, 1.25, (count, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    return boxes, rng.random(count).astype(np.float32)


def grid_boxes(count: int) -> st.SearchStrategy[Array]:
    # Small whole numbers: many equal boxes, boxes without area, inverted ones, overlaps of exactly 1/2 or 1/3.
    return hnp.arrays(np.float32, (count, 4), elements=st.integers(0, 6))


@given(st.data(), st.integers(0, 40), st.sampled_from([0.0, 0.25, 1 / 3, 0.45, 0.5, 0.6, 2 / 3, 1.0]))
def test_is_the_naive_algorithm(data: st.DataObject, count: int, iou: float) -> None:
    boxes = data.draw(grid_boxes(count))
    scores = data.draw(hnp.arrays(np.float32, count, elements=st.integers(0, 5)))
    assert nms(boxes, scores, iou).tolist() == naive(boxes, scores, iou)


@pytest.mark.parametrize("iou", [0.1, 0.45, 0.7])
@pytest.mark.parametrize("count", [255, 256, 257, 1500])
def test_is_the_naive_algorithm_over_several_blocks(count: int, iou: float) -> None:
    boxes, scores = crowd(count)
    kept = naive(boxes, scores, iou)
    assert 1 < len(kept) < count
    assert nms(boxes, scores, iou).tolist() == kept


@pytest.mark.parametrize("spots", [5, 300])
def test_max_det_takes_the_first(spots: int) -> None:
    boxes, scores = crowd(1500, spots=spots)
    kept = nms(boxes, scores, 0.45)
    for limit in (1, len(kept) - 1, len(kept), len(kept) + 1, 5000):
        np.testing.assert_array_equal(nms(boxes, scores, 0.45, max_det=limit), kept[:limit])


def test_equal_scores_go_by_index() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3 + [[50, 50, 60, 60]] * 2, np.float32)
    assert nms(boxes, np.ones(5), 0.5).tolist() == [0, 3]
    assert nms(boxes, np.array([1, 2, 2, 1, 1]), 0.5).tolist() == [1, 3]


def test_an_overlap_equal_to_the_threshold_stays() -> None:
    boxes = np.array([[0, 0, 3, 1], [1, 0, 4, 1]])  # 2 of 4
    assert nms(boxes, [1, 0.5], 0.5).tolist() == [0, 1]
    assert nms(boxes, [1, 0.5], 0.4999).tolist() == [0]


@pytest.mark.parametrize("iou", [0.45, 0.6, 0.7])  # in float32 below, above, below the number itself
def test_the_threshold_is_not_rounded(iou: float) -> None:
    # Widths whose float32 overlap is the float32 next to the threshold, seen from both sides.
    share = np.float32(iou)
    boxes = np.array([[0, 0, 1, 1], [0, 0, share, 1]], np.float32)
    assert nms(boxes, [1, 0.5], iou).tolist() == ([0] if float(share) > iou else [0, 1])


def test_boxes_without_area_stay() -> None:
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10], [3, 4, 3, 9]], np.float32)
    assert nms(boxes, [4, 3, 2, 1], 0.0).tolist() == [0, 1, 2, 3]


def test_nothing_gives_nothing() -> None:
    for kept in (
        nms(np.empty((0, 4)), np.empty(0), 0.5),
        batched_nms(np.empty((0, 4)), np.empty(0), np.empty(0), 0.5),
    ):
        assert kept.shape == (0,)
        assert kept.dtype == np.intp


@given(st.data(), st.integers(0, 40), st.sampled_from([0.0, 0.45, 0.5, 1.0]))
def test_batched_is_nms_class_by_class(data: st.DataObject, count: int, iou: float) -> None:
    boxes = data.draw(grid_boxes(count))
    scores = data.draw(hnp.arrays(np.float32, count, elements=st.integers(0, 5)))
    classes = data.draw(hnp.arrays(np.int64, count, elements=st.integers(0, 79)))
    kept: list[int] = []
    for label in set(classes.tolist()):
        (members,) = np.nonzero(classes == label)
        kept += members[naive(boxes[members], scores[members], iou)].tolist()
    kept.sort(key=lambda i: (-scores[i], i))
    assert batched_nms(boxes, scores, classes, iou).tolist() == kept
    assert batched_nms(boxes, scores, classes, iou, max_det=3).tolist() == kept[:3]


def test_classes_do_not_meet_in_a_very_large_picture() -> None:
    # Class 0's second box lies exactly where class 1's plane would put its box at a step of 7680.
    boxes = np.array([[0, 0, 100, 100], [7680, 7680, 7780, 7780]], np.float32)
    assert batched_nms(boxes, [1, 0.5], [1, 0], 0.5).tolist() == [0, 1]


def test_float64_is_not_rounded() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5 + 1e-12, 1]])
    assert nms(boxes, [1, 0.5], 0.5).tolist() == [0]
    assert nms(boxes.astype(np.float32), [1, 0.5], 0.5).tolist() == [0, 1]


def test_float16_areas_do_not_overflow() -> None:
    boxes = np.array([[0, 0, 600, 600], [0, 0, 600, 599]], np.float16)
    assert nms(boxes, np.array([1, 0.5], np.float16), 0.5).tolist() == [0]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(broken: float) -> None:
    boxes, scores = crowd(5)
    with pytest.raises(RunnerError, match=r"^1 of 5 boxes or scores are NaN or infinite$"):
        nms(boxes, np.where(np.arange(5) == 2, broken, scores), 0.5)
    boxes[3, 1] = broken
    with pytest.raises(RunnerError, match=r"^1 of 5 boxes or scores are NaN or infinite$"):
        batched_nms(boxes, scores, np.zeros(5), 0.5)


@pytest.mark.parametrize("iou", [-0.1, 1.1, float("nan")])
def test_a_wrong_threshold_is_refused(iou: float) -> None:
    with pytest.raises(ModelError, match=r"^iou is .*, expected a number from 0 to 1$"):
        nms(*crowd(5), iou)


def test_a_wrong_limit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^max_det is 0, expected a whole number of 1 or more$"):
        nms(*crowd(5), 0.5, max_det=0)


def test_wrong_shapes_are_refused() -> None:
    boxes, scores = crowd(5)
    with pytest.raises(RunnerError, match=r"boxes have shape \(5, 3\), expected \(n, 4\)"):
        nms(boxes[:, :3], scores, 0.5)
    with pytest.raises(RunnerError, match=r"scores have shape \(4,\), expected \(5,\)"):
        nms(boxes, scores[1:], 0.5)
    with pytest.raises(RunnerError, match=r"classes have shape \(5, 1\), expected \(5,\)"):
        batched_nms(boxes, scores, np.zeros((5, 1)), 0.5)
