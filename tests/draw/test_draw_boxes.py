"""wtsnet/draw/boxes.py: frames, labels and colours, and pictures as files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wtsnet.decode.boxes import Detections
from wtsnet.draw.boxes import class_color, draw, save_image
from wtsnet.errors import ImageError, ManifestError
from wtsnet.pictures.reading import read_image

Picture = npt.NDArray[np.uint8]
NAMES = ["temple", "tree"]


def gray(height: int = 200, width: int = 300) -> Picture:
    return np.full((height, width, 3), 128, np.uint8)


def detections(*boxes: tuple[float, float, float, float], classes: Any = None, scores: Any = None) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32) if scores is None else np.array(scores, np.float32),
        np.zeros(count, np.int64) if classes is None else np.array(classes),
    )


def is_color(image: Picture, index: int) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (image == np.array(class_color(index), np.uint8)).all(axis=2)
    return same


def test_the_box_is_where_the_detection_is() -> None:
    drawn = draw(gray(), detections((50, 60, 150, 160)), NAMES)
    colored = is_color(drawn, 0)
    below_the_label = colored[60:]
    rows, columns = np.nonzero(below_the_label)
    assert (rows.min() + 60, rows.max() + 60) == (60, 159)
    assert (columns.min(), columns.max()) == (50, 149)
    assert colored[159, 50:150].all()
    assert colored[60:160, 50].all()
    assert colored[60:160, 149].all()
    assert (drawn[70:150, 60:140] == 128).all()  # the inside stays visible


def test_the_label_stands_on_the_box() -> None:
    above = draw(gray(), detections((50, 60, 150, 160)), NAMES)[:60]
    rows, columns = np.nonzero((above != 128).any(axis=2))
    assert rows.max() == 59
    assert columns.min() == 50
    dark = (above == 0).all(axis=2)
    assert dark.any()  # the letters


def test_the_label_says_name_and_score() -> None:
    box = (50, 60, 150, 160)
    drawn = draw(gray(), detections(box), NAMES)
    assert (drawn != draw(gray(), detections(box), ["tempel", "tree"])).any()
    assert (drawn != draw(gray(), detections(box, scores=[0.8]), NAMES)).any()
    np.testing.assert_array_equal(drawn, draw(gray(), detections(box, scores=[0.9001]), NAMES))
    np.testing.assert_array_equal(
        draw(gray(), detections(box, classes=[1])), draw(gray(), detections(box, classes=[1]), {1: "1"})
    )


def test_at_the_top_of_the_picture_the_label_is_inside_the_box() -> None:
    drawn = draw(gray(), detections((50, 0, 250, 160)), NAMES)
    assert is_color(drawn, 0)[4:12, 52:58].any()
    assert (drawn[160:] == 128).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120), st.lists(st.tuples(*[st.floats(-200, 300, width=32)] * 4), max_size=5))
def test_every_box_in_every_picture_can_be_drawn(height: int, width: int, boxes: list[Any]) -> None:
    drawn = draw(gray(height, width), detections(*boxes), ["a long name of a class"])
    assert drawn.shape == (height, width, 3)
    assert drawn.dtype == np.uint8


@pytest.mark.parametrize("box", [(260, 150, 299, 199), (-50, -50, 20, 20), (290, 60, 300, 70), (-9, 190, 5, 250)])
def test_the_label_is_inside_the_picture(box: tuple[float, float, float, float]) -> None:
    # A label cut off by the picture's edge would show fewer letters.
    def letters(image: Picture) -> int:
        return int((image < 40).all(axis=2).sum())

    whole = letters(draw(gray(), detections((100, 100, 200, 190)), NAMES))
    assert letters(draw(gray(), detections(box), NAMES)) == pytest.approx(whole, abs=5)


def test_boxes_outside_the_picture_are_left_out() -> None:
    outside = detections((-50, -50, -10, -10), (400, 10, 500, 20), (10, 10, 10, 50))
    np.testing.assert_array_equal(draw(gray(), outside, NAMES), gray())


def test_labels_of_one_place_do_not_cover_each_other() -> None:
    drawn = draw(gray(), detections((50, 60, 150, 160), (50, 60, 150, 160), classes=[0, 1]), NAMES)
    alone = draw(gray(), detections((50, 60, 150, 160)), NAMES)
    np.testing.assert_array_equal(drawn[:60], alone[:60])
    assert is_color(drawn, 1)[60:80].sum() > 200  # the other's label, inside the box


def test_the_better_one_is_on_top() -> None:
    drawn = draw(gray(), detections((50, 60, 150, 160), (50, 60, 150, 160), classes=[1, 0], scores=[0.3, 0.9]), NAMES)
    assert is_color(drawn, 0)[100, 50]


def test_letters_grow_with_the_picture() -> None:
    def label_height(scale: int) -> int:
        box = (50 * scale, 60 * scale, 150 * scale, 160 * scale)
        drawn = draw(gray(200 * scale, 300 * scale), detections(box), NAMES)
        return int((drawn[: 60 * scale] != 128).any(axis=(1, 2)).sum())

    assert label_height(8) > 2.5 * label_height(1)


def test_a_long_name_is_written_smaller() -> None:
    drawn = draw(gray(60, 100), detections((10, 30, 90, 50)), ["a rather long name"])
    (columns,) = np.nonzero((drawn < 80).all(axis=2).any(axis=0))
    assert 2 <= columns.min() < columns.max() < 98


def test_colors_are_fixed_and_distinct() -> None:
    colors = [class_color(i) for i in range(80)]
    assert colors == [class_color(i) for i in range(80)]
    assert len(set(colors)) == 80
    neighbours = [np.abs(np.subtract(a, b)).sum() for a, b in pairwise(colors)]
    assert min(neighbours) > 90
    assert all(0 <= channel <= 255 for color in colors for channel in color)


@pytest.mark.parametrize("index", range(24))
def test_letters_stand_out_from_their_background(index: int) -> None:
    drawn = draw(gray(), detections((50, 60, 250, 160), classes=[index]))
    label = drawn[40:60, 50:100].reshape(-1, 3)
    linear = np.where(label <= 10, label / 255 / 12.92, ((label / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    background = luminance[(label == class_color(index)).all(axis=1)][0]
    ratios = [(max(x, background) + 0.05) / (min(x, background) + 0.05) for x in luminance]
    assert max(ratios) > 4.5  # WCAG 2's bound for readable text


def test_the_picture_given_stays_as_it_was() -> None:
    image = gray()
    draw(image, detections((50, 60, 150, 160)), NAMES)
    assert (image == 128).all()


def test_nothing_found_leaves_the_picture() -> None:
    np.testing.assert_array_equal(draw(gray(), detections(), NAMES), gray())


def test_a_class_without_name_is_named() -> None:
    with pytest.raises(ManifestError, match=r"^class 5 has no name"):
        draw(gray(), detections((50, 60, 150, 160), classes=[5]), NAMES)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(image: Any) -> None:
    with pytest.raises(ImageError, match=r"^expected a \(height, width, 3\) uint8 picture, got \("):
        draw(image, detections(), NAMES)


class TestSaveImage:
    @pytest.mark.parametrize(("suffix", "name"), [("png", "PNG"), ("PNG", "PNG"), ("bmp", "BMP"), ("webp", "WEBP")])
    def test_the_suffix_chooses_the_format(self, tmp_path: Path, suffix: str, name: str) -> None:
        image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        save_image(tmp_path / f"x.{suffix}", image)
        with Image.open(tmp_path / f"x.{suffix}") as file:
            assert file.format == name
        if name != "WEBP":
            np.testing.assert_array_equal(read_image(tmp_path / f"x.{suffix}"), image)

    @pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
    def test_jpeg_is_close(self, tmp_path: Path, suffix: str) -> None:
        drawn = draw(gray(), detections((50, 60, 150, 160)), NAMES)
        save_image(tmp_path / f"x.{suffix}", drawn)
        difference = np.abs(read_image(tmp_path / f"x.{suffix}").astype(int) - drawn)
        assert difference.mean() < 1

    @pytest.mark.parametrize("name", ["x.jpgg", "x", "x.gif"])
    def test_an_unknown_suffix_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ImageError, match=r"x[.a-z]*: unknown suffix '.*', expected one of \.png, \.jpg,"):
            save_image(tmp_path / name, gray())
        assert not list(tmp_path.iterdir())

    def test_the_nearest_suffix_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"did you mean '\.jpg'\?$"):
            save_image(tmp_path / "x.jpgg", gray())

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"none/x\.png: can't write the picture"):
            save_image(tmp_path / "none" / "x.png", gray())

    def test_what_failed_leaves_the_old_file(self, tmp_path: Path) -> None:
        save_image(tmp_path / "x.webp", gray())
        before = (tmp_path / "x.webp").read_bytes()
        too_wide = np.zeros((1, 16384, 3), np.uint8)
        for image in (too_wide, np.zeros((2, 2, 7), np.uint8)):
            with pytest.raises(ImageError, match=r"x\.webp: can't write the picture"):
                save_image(tmp_path / "x.webp", image)
            assert (tmp_path / "x.webp").read_bytes() == before
            assert [path.name for path in tmp_path.iterdir()] == ["x.webp"]
