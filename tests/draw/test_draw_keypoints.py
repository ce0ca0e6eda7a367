"""wtsnet/draw/keypoints.py: points and the limbs between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wtsnet.decode.keypoints import Poses
from wtsnet.draw.boxes import class_color, draw
from wtsnet.draw.keypoints import draw_keypoints

IMAGE = np.full((200, 300, 3), 128, np.uint8)


def found(points: Any) -> Poses:
    array = np.array(points, np.float32)[None]
    return Poses(np.array([[20, 30, 60, 90]], np.float32), np.array([0.5], np.float32), np.array([0]), array)


def is_color(image: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (image == np.array(class_color(index), np.uint8)).all(axis=2)
    return same


def test_a_point_is_a_dot_of_its_colour() -> None:
    drawn = draw_keypoints(IMAGE, found([[150, 100, 0.9], [200, 100, 0.9], [250, 100, 0.2]]))
    assert is_color(drawn, 0)[98:103, 148:153].sum() > 9
    assert is_color(drawn, 1)[98:103, 198:203].sum() > 9
    assert (drawn[90:110, 205:] == 128).all()  # one that is hardly seen
    assert (drawn[100, 156:194] == 128).all()  # nothing joins them
    np.testing.assert_array_equal(drawn[:, :120], draw(IMAGE, found([[150, 100]]))[:, :120])


def test_points_without_scores_are_all_drawn() -> None:
    assert is_color(draw_keypoints(IMAGE, found([[150, 100], [250, 100]])), 1)[100, 250]


def test_limbs_join_the_seventeen_points_of_a_person() -> None:
    points = [[150.0, 180.0, 0.0]] * 17
    points[5], points[6] = [100, 100, 0.9], [200, 100, 0.9]  # the shoulders
    drawn = draw_keypoints(IMAGE, found(points))
    assert is_color(drawn, 6)[99:102, 110:190].any(axis=0).all()
    points[6] = [200, 100, 0.1]
    assert not is_color(draw_keypoints(IMAGE, found(points)), 6).any()
