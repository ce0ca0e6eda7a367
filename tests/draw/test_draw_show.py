"""wtsnet/draw/show.py: every result is drawn as its own kind is."""

from __future__ import annotations

import numpy as np
import pytest

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap
from wtsnet.draw.boxes import draw
from wtsnet.draw.classes import draw_classes
from wtsnet.draw.keypoints import draw_keypoints
from wtsnet.draw.lanes import draw_lanes
from wtsnet.draw.masks import draw_masks
from wtsnet.draw.rotated import draw_rotated
from wtsnet.draw.show import SHOWN, show
from wtsnet.errors import ImageError, ManifestError

SOURCE = (50, 30)
PICTURE = np.full((*SOURCE, 3), 90, np.uint8)
BOXES = np.array([[2, 3, 20, 30]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64)


def test_each_result_as_its_own_kind_draws_it() -> None:
    found = Detections(*BOXES)
    masks = Instances(*BOXES, np.ones((1, *SOURCE), bool))
    points = Poses(*BOXES, np.full((1, 3, 2), 9, np.float32))
    turned = RotatedDetections(np.array([[15, 25, 9, 20, 0.5]], np.float32), *BOXES[1:])
    classes = ClassMap(np.ones(SOURCE, np.int32))
    lanes = (Lane(0, np.array([[2, 3], [20, 30], [25, 40]], np.float32), np.ones(3, np.float32)),)
    drawn = [
        (show(PICTURE, found), draw(PICTURE, found)),
        (show(PICTURE, masks), draw_masks(PICTURE, masks)),
        (show(PICTURE, points), draw_keypoints(PICTURE, points)),
        (show(PICTURE, turned), draw_rotated(PICTURE, turned)),
        (show(PICTURE, classes), draw_classes(PICTURE, classes)),
        (show(PICTURE, lanes), draw_lanes(PICTURE, lanes)),
    ]
    for ours, wanted in drawn:
        assert (wanted != PICTURE).any()
        np.testing.assert_array_equal(ours, wanted)
    assert len(drawn) == len(SHOWN)


def test_names_are_passed_on() -> None:
    with pytest.raises(ManifestError, match=r"^class 0 has no name"):
        show(PICTURE, Detections(*BOXES), [])


def test_classes_of_a_picture_lie_nowhere() -> None:
    with pytest.raises(ImageError, match=r"^classes of a whole picture can't be drawn on it$"):
        show(PICTURE, [ClassScore(0, "cat", 0.5)])


def test_no_lanes_leave_the_picture() -> None:
    np.testing.assert_array_equal(show(PICTURE, ()), PICTURE)
