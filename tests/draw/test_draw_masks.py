"""wtsnet/draw/masks.py: pixels of objects, tinted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.classes import Names
from wtsnet.decode.masks import Instances
from wtsnet.draw.boxes import class_color, draw
from wtsnet.draw.masks import draw_masks
from wtsnet.errors import ImageError, ManifestError, ModelError


class TestDrawing:
    image = np.full((180, 270, 3), 100, np.uint8)

    def instances(self) -> Instances:
        masks = np.zeros((2, 180, 270), bool)
        masks[0, 60:120, 60:180] = True
        masks[1, 90:165, 60:240] = True
        boxes = np.array([[60, 60, 180, 120], [60, 90, 240, 165]], np.float32)
        return Instances(boxes, np.array([0.9, 0.5], np.float32), np.array([0, 1]), masks)

    def test_an_objects_pixels_are_tinted_and_the_better_is_on_top(self) -> None:
        drawn = draw_masks(self.image, self.instances())
        half = [[(100 + channel) / 2 for channel in class_color(index)] for index in (0, 1)]
        assert np.abs(drawn[72, 165] - half[0]).max() <= 1
        assert np.abs(drawn[112, 165] - half[0]).max() <= 1
        assert np.abs(drawn[150, 210] - half[1]).max() <= 1
        assert (drawn[171:] == 100).all()
        assert (self.image == 100).all()

    def test_without_opacity_it_is_the_boxes(self) -> None:
        found = self.instances()
        np.testing.assert_array_equal(draw_masks(self.image, found, opacity=0), draw(self.image, found))

    @pytest.mark.parametrize(
        ("image", "names", "opacity", "error", "message"),
        [
            ((180, 271, 3), None, 0.5, ImageError, r"of the masks' size \(180, 270\), got \(180, 271\)$"),
            ((180, 270), None, 0.5, ImageError, r"uint8 picture, got \(180, 270\)"),
            ((180, 270, 3), None, 1.5, ModelError, r"^opacity is 1.5, expected a number from 0 to 1$"),
            ((180, 270, 3), ["a"], 0.5, ManifestError, "^class 1 has no name"),
        ],
    )
    def test_what_it_does_not_take(
        self, image: Any, names: Names | None, opacity: float, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            draw_masks(np.zeros(image, np.uint8), self.instances(), names, opacity=opacity)
