"""wtsnet/draw/classes.py: maps of classes, tinted and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.semantic import ClassMap
from wtsnet.draw.boxes import class_color
from wtsnet.draw.classes import draw_classes
from wtsnet.errors import ImageError, ManifestError, ModelError


def test_drawing_tints_and_names() -> None:
    classes = np.zeros((120, 160), np.int32)
    classes[:, 100:] = 4
    image = np.full((120, 160, 3), 100, np.uint8)
    drawn = draw_classes(image, ClassMap(classes), ["road"] * 4 + ["sky"])
    assert (image == 100).all()
    for column, index in ((99, 0), (100, 4)):
        expected = np.round(50 + np.array(class_color(index)) / 2)
        assert np.abs(drawn[119, column] - expected).max() <= 1
    assert (drawn[:16, :20] == 0).all(-1).any()  # the first line's ground
    plain = draw_classes(image, ClassMap(classes), opacity=0.0)
    assert (plain[60:] == 100).all()
    assert not (plain[:30] == 100).all()


def test_small_regions_are_not_named() -> None:
    classes = np.zeros((100, 100), np.int32)
    classes[99, :9] = 1
    image = np.full((100, 100, 3), 100, np.uint8)
    alone = draw_classes(image, ClassMap(classes * 0), opacity=0.0)
    np.testing.assert_array_equal(draw_classes(image, ClassMap(classes), opacity=0.0)[:90], alone[:90])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: drawn((3, 4)), ImageError, r"expected a picture of shape \(2, 2, 3\) of uint8, got \(3, 4, 3\)"),
        (lambda: drawn((2, 2), opacity=1.5), ModelError, "opacity is 1.5, expected a number from 0 to 1"),
        (lambda: drawn((40, 40), [], size=(40, 40)), ManifestError, "class 0 has no name: 0 names are given"),
    ],
)
def test_wrong_input_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}"):
        call()


def drawn(shape: tuple[int, int], *arguments: Any, size: tuple[int, int] = (2, 2), **options: Any) -> Any:
    return draw_classes(np.zeros((*shape, 3), np.uint8), ClassMap(np.zeros(size, np.int32)), *arguments, **options)
