"""wtsnet/decode/rotated.py and draw_rotated.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.rotated import RotatedDetection, RotatedDetections
from wtsnet.draw.boxes import class_color
from wtsnet.draw.rotated import draw_rotated
from wtsnet.errors import ImageError, ManifestError, RunnerError
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


class TestDrawing:
    image = np.full((200, 300, 3), 128, np.uint8)

    def test_the_frame_is_turned(self) -> None:
        drawn = draw_rotated(self.image, found((150, 120, 80, 80, np.pi / 4)))
        colored = (drawn == class_color(0)).all(axis=2)
        reach = 40 * np.sqrt(2)
        for x, y in ((0, reach), (reach, 0), (-reach, 0), (reach / 2, reach / 2), (-reach / 2, reach / 2)):
            assert colored[round(120 + y) - 2 : round(120 + y) + 3, round(150 + x) - 2 : round(150 + x) + 3].any()
        assert not colored[155:165, 185:195].any()  # a corner of the box around it
        assert not colored[100:140, 130:170].any()
        assert (drawn[:64] != 128).any()  # the label stands on top

    def test_outside_there_is_nothing(self) -> None:
        np.testing.assert_array_equal(draw_rotated(self.image, found((900, 50, 40, 20, 1))), self.image)

    def test_what_it_does_not_take(self) -> None:
        with pytest.raises(ImageError, match=r"^expected a \(height, width, 3\) uint8 picture"):
            draw_rotated(np.zeros((4, 4, 3)), found())  # type: ignore[arg-type]  # floats
        with pytest.raises(ManifestError, match=r"^class 7 has no name"):
            draw_rotated(self.image, found((50, 50, 9, 9, 0), classes=[7]), ["a"])
