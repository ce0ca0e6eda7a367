"""wtsnet/draw/lanes.py: lines in the colours of their lanes."""

from __future__ import annotations

import numpy as np
import pytest

from wtsnet.decode.classes import ClassScore
from wtsnet.decode.lanes import Lane
from wtsnet.draw.boxes import class_color
from wtsnet.draw.lanes import draw_lanes
from wtsnet.errors import ImageError


def lane(index: int, *points: tuple[float, float], names: tuple[str, ...] = ()) -> Lane:
    scores = np.ones(len(points), np.float32)
    told = tuple(ClassScore(i, name, 0.5) for i, name in enumerate(names))
    return Lane(index, np.array(points, np.float32).reshape(-1, 2), scores, told)


def test_drawing() -> None:
    image = np.full((200, 300, 3), 128, np.uint8)
    drawn = draw_lanes(image, [lane(0, (60, 40), (100, 190)), lane(3, (250, 40), (200, 190), names=("solid",))])
    assert (image == 128).all()
    for index, (x, y) in ((0, (60, 40)), (0, (80, 115)), (3, (250, 40)), (3, (225, 115))):
        np.testing.assert_array_equal(drawn[y, x], class_color(index))
    assert (drawn[:30] == 128).all()
    assert (drawn[115, 120:180] == 128).all()
    black = (drawn == 0).all(2)
    assert black[150:, 80:120].any()
    assert np.count_nonzero(black[:, 150:]) > 2 * np.count_nonzero(black[:, :150])  # a longer text


@pytest.mark.parametrize("points", [[], [(20.0, 20.0)], [(-40.0, -9.0), (500.0, 400.0)]], ids=len)
def test_drawing_what_hardly_is_a_lane(points: list[tuple[float, float]]) -> None:
    image = np.full((40, 50, 3), 128, np.uint8)
    drawn = draw_lanes(image, [lane(1, *points, names=("a name that is longer than the picture",))])
    assert drawn.shape == image.shape
    assert (drawn == image).all() == (not points)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^expected a \(height, width, 3\) uint8 pic"):
        draw_lanes(np.zeros((4, 4), np.uint8), [])
