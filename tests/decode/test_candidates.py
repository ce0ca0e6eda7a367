"""wtsnet/decode/candidates.py: which candidates count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.candidates import Candidates, Choice, candidates_from_final, candidates_from_topk, select
from wtsnet.errors import ModelError, RunnerError


def candidates(count: int = 6) -> Candidates:
    """Boxes of 10×10 that lie three pixels apart, the fourth with the best score."""
    low = np.arange(count, dtype=np.float32)[:, None] * [3, 0]
    boxes = np.concatenate([low, low + 10], axis=1).astype(np.float32)
    scores = np.array([0.5, 0.3, 0.5, 0.9, 0.4, 0.8], np.float32)[:count]
    return Candidates(boxes, scores, np.arange(count) % 2, np.arange(count, dtype=np.float32)[:, None])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"iou": None}, [3, 5, 0, 2, 4, 1]),
        ({"iou": None, "max_det": 2}, [3, 5]),
        ({"iou": None, "classes": [0]}, [0, 2, 4]),
        ({"iou": 0.3, "agnostic": True}, [3, 5, 0]),  # neighbours share 7 of 13, the next ones 4 of 16
        ({"iou": 0.2}, [3, 0, 4]),  # of a class are those two apart, which share 4 of 16
        ({"iou": 0.3}, [3, 5, 0, 2, 4, 1]),
        ({"iou": 0.2, "max_det": 2}, [3, 0]),
    ],
)
def test_what_is_selected_has_its_extra_values(options: dict[str, Any], kept: list[int]) -> None:
    found = select(candidates(), Choice(**options))
    assert found.extra[:, 0].tolist() == kept
    whole = candidates().take(np.array(kept))
    np.testing.assert_array_equal(found.boxes, whole.boxes)
    np.testing.assert_array_equal(found.scores, whole.scores)
    np.testing.assert_array_equal(found.classes, whole.classes)


@pytest.mark.parametrize("agnostic", [False, True])
def test_turned_boxes_suppress_each_other_by_class(agnostic: bool) -> None:
    boxes = np.tile(np.array([50, 50, 40, 20, 0.5], np.float32), (3, 1))
    found = Candidates(boxes, np.array([0.5, 0.7, 0.6], np.float32), np.array([0, 1, 0]), np.empty((3, 0), np.float32))
    assert (
        select(found, Choice(agnostic=agnostic)).scores.tolist()
        == np.array([0.7, 0.6][: 2 - agnostic], np.float32).tolist()
    )


def test_topk_keeps_what_belongs_to_each() -> None:
    rng = np.random.default_rng(0)
    boxes, scores = rng.random((2, 5, 4), np.float32), rng.random((2, 5), np.float32)
    labels, points = rng.integers(0, 9, (2, 5)), rng.random((2, 5, 3, 2), np.float32)
    for i, found in enumerate(candidates_from_topk(boxes, scores, labels, 0.4, points)):
        above = scores[i] > 0.4
        assert 0 < above.sum() < 5
        np.testing.assert_array_equal(found.boxes, boxes[i][above])
        np.testing.assert_array_equal(found.classes, labels[i][above])
        np.testing.assert_array_equal(found.extra, points[i][above].reshape(-1, 6))


def test_final_predictions_by_column() -> None:
    row: list[float] = [1, 2, 3, 4, 0.5, 7, 8, 9]
    (found,) = candidates_from_final([[row, [0.0] * 8]], 0.25)
    assert (found.boxes.tolist(), found.scores.tolist(), found.classes.tolist()) == ([[1, 2, 3, 4]], [0.5], [7])
    assert found.extra.tolist() == [[8, 9]]
    (found,) = candidates_from_final([[row[:7]]], 0.25, rotated=True)
    assert (found.boxes.tolist(), found.extra.shape) == ([[1, 2, 3, 4, 8]], (1, 0))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(RunnerError, match=r"^predictions have shape \(1, 9, 5\), expected \(N, K, 6 \+ …\)$"):
        candidates_from_final(np.zeros((1, 9, 5)), 0.5)
    with pytest.raises(RunnerError, match=r"^predictions have shape \(1, 9, 8\), expected \(N, K, 7\)$"):
        candidates_from_final(np.zeros((1, 9, 8)), 0.5, rotated=True)
    with pytest.raises(RunnerError, match=r"added to the boxes has shape \(1, 8, 2\), expected \(1, 9, …\)$"):
        candidates_from_topk(np.zeros((1, 9, 4)), np.zeros((1, 9)), np.zeros((1, 9)), 0.5, np.zeros((1, 8, 2)))
    with pytest.raises(RunnerError, match=r"expected \(N, K, 5\), \(N, K\) and \(N, K\)$"):
        candidates_from_topk(np.zeros((1, 9, 4)), np.zeros((1, 9)), np.zeros((1, 9)), 0.5, rotated=True)


def test_none_suppresses_nothing_and_is_no_wrong_value() -> None:
    assert Choice(iou=None).iou is None
    with pytest.raises(ModelError, match=r"^iou is 2, expected a number from 0 to 1$"):
        Choice(iou=2)
