"""wtsnet/draw/scores.py and legend.py: the classes of a picture, named on it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from wtsnet.decode.classes import ClassScore
from wtsnet.draw.boxes import class_color
from wtsnet.draw.legend import write_legend
from wtsnet.draw.scores import draw_scores
from wtsnet.errors import ImageError

FOUND = [ClassScore(4, "tabby cat", 0.71), ClassScore(7, "lynx", 0.2)]


def test_names_and_scores_are_written() -> None:
    image = np.full((120, 160, 3), 100, np.uint8)
    drawn = draw_scores(image, FOUND)
    assert (image == 100).all()
    assert (drawn[31:] == 100).all()  # two lines of 15 pixels
    for line, one in enumerate(FOUND):
        rows = drawn[15 * line : 15 * line + 15]
        assert rows[8, 6].tolist() == list(class_color(one.index))
        assert (rows == 255).all(-1).any()
    longer = draw_scores(image, [ClassScore(4, "tabby cats", 0.71)])
    assert (longer[:15] != drawn[:15]).any()
    assert (draw_scores(image, [ClassScore(4, "tabby cat", 0.72)])[:15] != drawn[:15]).any()


def test_only_what_there_is_place_for() -> None:
    drawn = draw_scores(np.full((32, 200, 3), 100, np.uint8), FOUND * 5)
    two = draw_scores(np.full((32, 200, 3), 100, np.uint8), FOUND)
    np.testing.assert_array_equal(drawn, two)
    assert (drawn[31] == 100).all()
    small = np.full((10, 200, 3), 100, np.uint8)
    np.testing.assert_array_equal(draw_scores(small, FOUND), small)


def test_nothing_found() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    np.testing.assert_array_equal(draw_scores(image, []), image)


def test_letters_fit_the_width() -> None:
    heights = []
    for width in (300, 90, 60):
        ground = (draw_scores(np.full((120, width, 3), 100, np.uint8), FOUND) == 0).all(-1)
        assert ground.any(0).nonzero()[0].max() < width - 1  # the end of the longest text is seen
        heights.append(ground.any(1).sum())
    assert heights[0] > heights[1] > heights[2]


def test_letters_grow_with_the_picture() -> None:
    canvas = Image.new("RGB", (1280, 1280), (100, 100, 100))
    write_legend(canvas, [("one", (200, 0, 0))])
    assert (np.array(canvas) == 0).all(-1).any(1).sum() == 51  # letters of 40 pixels, a margin of 10


def test_what_is_no_picture() -> None:
    with pytest.raises(ImageError, match=r"^expected a \(height, width, 3\) uint8 picture, got \(4, 4\) of uint8$"):
        draw_scores(np.zeros((4, 4), np.uint8), FOUND)
