"""wtsnet/draw/rotated.py: frames of turned boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.rotated import RotatedDetections
from wtsnet.draw.boxes import class_color
from wtsnet.draw.rotated import draw_rotated
from wtsnet.errors import ImageError, ManifestError


def found(*boxes: tuple[float, ...], classes: Any = None) -> RotatedDetections:
    count = len(boxes)
    return RotatedDetections(
        np.array(boxes, np.float32).reshape(-1, 5),
        np.linspace(0.5, 0.9, count, dtype=np.float32),
        np.zeros(count, np.int64) if classes is None else np.array(classes),
    )


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
