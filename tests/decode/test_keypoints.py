"""wtsnet/decode/keypoints.py: points beside boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.boxes import Detection
from wtsnet.decode.candidates import Candidates
from wtsnet.decode.keypoints import Poses, poses
from wtsnet.errors import RunnerError
from wtsnet.pictures.placement import Letterbox


def found(points: Any) -> Poses:
    array = np.array(points, np.float32)[None]
    return Poses(np.array([[20, 30, 60, 90]], np.float32), np.array([0.5], np.float32), np.array([0]), array)


def test_points_are_taken_point_by_point() -> None:
    extra = np.arange(12, dtype=np.float32)[None]
    made = poses(Candidates(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), extra), (4, 3))
    assert made.keypoints[0, :2].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert list(made) == [Detection((0, 0, 0, 0), 1, 0)]
    with pytest.raises(RunnerError, match=r"^found 12 values a candidate, expected 5×3 of key points$"):
        poses(Candidates(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), extra), (5, 3))


def test_to_source_moves_points_and_keeps_their_scores() -> None:
    place = Letterbox(0.5, 10, 0, (40, 20), (20, 30))
    moved = found([[15, 10, 0.75], [5, 25, 0.25]]).to_source(place)
    assert moved.keypoints.tolist() == [[[10, 20, 0.75], [0, 40, 0.25]]]
    assert moved.boxes.tolist() == [[20, 40, 20, 40]]
    assert found([[15, 10]]).to_source(place).keypoints.tolist() == [[[10, 20]]]


@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 5, 4), (1, 5)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunnerError, match=r"^keypoints of 1 detections have shape \(.*\), expected \(n, K, 2 or 3\)$"):
        Poses(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), np.zeros(shape, np.float32))
