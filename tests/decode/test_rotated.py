"""wtsnet/decode/rotated.py: turned boxes and their corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.rotated import RotatedDetection, RotatedDetections
from wtsnet.errors import RunnerError
from wtsnet.pictures.placement import Letterbox, Stretch


def found(*boxes: tuple[float, ...], classes: Any = None) -> RotatedDetections:
    count = len(boxes)
    return RotatedDetections(
        np.array(boxes, np.float32).reshape(-1, 5),
        np.linspace(0.5, 0.9, count, dtype=np.float32),
        np.zeros(count, np.int64) if classes is None else np.array(classes),
    )


def test_iterates_best_first() -> None:
    assert list(found((1, 2, 3, 4, 0.5), (5, 6, 7, 8, 0.25), classes=[3, 4])) == [
        RotatedDetection((5, 6, 7, 8, 0.25), float(np.float32(0.9)), 4),
        RotatedDetection((1, 2, 3, 4, 0.5), 0.5, 3),
    ]


def test_corners_turn_from_x_to_y() -> None:
    corners = found((10, 20, 6, 2, 0), (10, 20, 6, 2, np.pi / 2)).corners()
    assert corners[0].tolist() == [[13, 21], [13, 19], [7, 19], [7, 21]]
    np.testing.assert_allclose(corners[1], [[9, 23], [11, 23], [11, 17], [9, 17]], atol=1e-5)
    assert found().corners().shape == (0, 4, 2)


def test_to_source_may_leave_the_picture() -> None:
    moved = found((9, 12, 6, 2, 0.5)).to_source(Letterbox(0.5, 10, 0, (40, 20), (20, 30)))
    np.testing.assert_allclose(moved.boxes, [[-2, 24, 12, 4, 0.5]])
    with pytest.raises(RunnerError, match=r"^turned boxes can't be taken back to a picture that was stretched$"):
        found((9, 12, 6, 2, 0.5)).to_source(Stretch((40, 20), (20, 30)))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(RunnerError, match=r"^boxes of 2 turned detections have shape \(2, 4\), expected \(2, 5\)$"):
        RotatedDetections(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), np.zeros(2, np.int64))
