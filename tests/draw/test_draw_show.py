"""wtsnet/draw/show.py: every result is drawn as its own kind is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.registry import TASKS
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap
from wtsnet.draw.boxes import draw
from wtsnet.draw.classes import draw_classes
from wtsnet.draw.keypoints import draw_keypoints
from wtsnet.draw.lanes import draw_lanes
from wtsnet.draw.masks import draw_masks
from wtsnet.draw.rotated import draw_rotated
from wtsnet.draw.scores import draw_scores
from wtsnet.draw.show import SHOWN, show
from wtsnet.errors import ImageError, ManifestError
from wtsnet.pictures.frames import displayable

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
    scores = [ClassScore(0, "cat", 0.5)]
    drawn = [
        (show(PICTURE, found), draw(PICTURE, found)),
        (show(PICTURE, masks), draw_masks(PICTURE, masks)),
        (show(PICTURE, points), draw_keypoints(PICTURE, points)),
        (show(PICTURE, turned), draw_rotated(PICTURE, turned)),
        (show(PICTURE, classes), draw_classes(PICTURE, classes)),
        (show(PICTURE, lanes), draw_lanes(PICTURE, lanes)),
        (show(PICTURE, scores), draw_scores(PICTURE, scores)),
    ]
    for ours, wanted in drawn:
        assert (wanted != PICTURE).any()
        np.testing.assert_array_equal(ours, wanted)
    assert len(drawn) == len(SHOWN)


def test_names_are_passed_on() -> None:
    with pytest.raises(ManifestError, match=r"^class 0 has no name"):
        show(PICTURE, Detections(*BOXES), [])


@pytest.mark.parametrize("channels", [1, 2, 4, 10])
def test_pictures_of_other_channels(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SOURCE, channels), dtype=np.uint8)
    before = image.copy()
    drawn = show(image, Detections(*BOXES))
    np.testing.assert_array_equal(drawn, draw(displayable(image), Detections(*BOXES)))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("result", ["cat", ("cat",), ["cat"], None])
def test_what_is_no_result(result: Any) -> None:
    found = type(result).__name__
    with pytest.raises(ImageError, match=f"^result: found {found}, expected one of wtsnet's own, which it can draw$"):
        show(PICTURE, result)


def test_nothing_found_leaves_the_picture() -> None:
    np.testing.assert_array_equal(show(PICTURE, ()), PICTURE)
    np.testing.assert_array_equal(show(PICTURE, []), PICTURE)


def test_every_task_is_drawn() -> None:
    assert sorted(SHOWN) == sorted(TASKS)
