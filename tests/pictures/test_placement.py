"""wtsnet/pictures/placement.py: where a picture lies in a network's input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtsnet.pictures.placement import Letterbox, Placement, Stretch
from wtsnet.pictures.resizing import letterbox

SIDES = st.integers(1, 700)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    source, size = (draw(SIDES), draw(SIDES)), (draw(SIDES), draw(SIDES))
    if draw(st.booleans()):
        return Stretch(source, size)
    return letterbox(np.zeros((*source, 3), np.uint8), size)[1]


@settings(deadline=None)
@given(placements())
def test_the_pictures_corners_are_those_of_its_area(place: Placement) -> None:
    top, left, height, width = place.area
    corners = [[left, top], [left + width, top + height]]
    np.testing.assert_allclose(
        place.points_from_source([[0, 0], [place.source[1], place.source[0]]]), corners, rtol=1e-5
    )
    np.testing.assert_allclose(
        place.points_to_source(corners, clip=False), [[0, 0], place.source[::-1]], rtol=1e-5, atol=1e-3
    )
    assert 0 <= top <= top + height <= place.size[0]
    assert 0 <= left <= left + width <= place.size[1]


@settings(deadline=None)
@given(placements(), st.integers(0, 9))
def test_boxes_are_their_corners(place: Placement, seed: int) -> None:
    boxes = np.random.default_rng(seed).uniform(-50, 800, (2, 3, 4)).astype(np.float32)
    for moved, points in (
        (place.to_source(boxes), place.points_to_source(boxes.reshape(2, 3, 2, 2))),
        (place.from_source(boxes), place.points_from_source(boxes.reshape(2, 3, 2, 2))),
    ):
        assert moved.dtype == np.float32
        np.testing.assert_array_equal(moved, points.reshape(2, 3, 4))


def test_points_are_moved_into_the_picture_unless_asked_not_to() -> None:
    place = Letterbox(0.5, 10, 0, (40, 20), (20, 30))
    assert place.points_to_source([[9, 21], [15, 10]]).tolist() == [[0, 40], [10, 20]]
    assert place.points_to_source([[9, 21]], clip=False).tolist() == [[-2, 42]]


def test_a_rounded_side_has_a_ratio_of_its_own() -> None:
    _, place = letterbox(np.zeros((333, 500, 3), np.uint8), 320)
    assert place.area == (53, 0, 213, 320)  # 213.12
    np.testing.assert_allclose(place.ratios(), [320 / 500, 213 / 333])
    assert place.to_source([[0, 53, 320, 266]]).tolist() == [[0, 0, 500, 333]]


@pytest.mark.parametrize("place", [Letterbox(0.5, 1, 2, (8, 6), (8, 8)), Stretch((8, 6), (4, 4))])
def test_none_stay_none(place: Placement) -> None:
    assert place.to_source(np.empty((0, 4))).shape == (0, 4)
    assert place.points_to_source(np.empty((0, 17, 2))).shape == (0, 17, 2)
