"""tools/digits_data.py: the split, the boxes, and the same pictures every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from tools import digits_data
from tools.digits_data import Digits, composite, digits, held_out, main, photographs, training

T = TypeVar("T")

GREY = (Image.new("RGB", (200, 150), (128, 128, 128)),)


def overlaps(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """The intersection of every pair, as a part of the smaller box."""
    sides = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    parts: NDArray[np.float64] = sides.clip(0).prod(2) / np.minimum(areas[:, None], areas) - np.eye(len(boxes))
    return parts


class TestSplit:
    def test_a_fifth_of_each_class_is_held_out(self) -> None:
        counts = [np.bincount(digits(part).labels) for part in (True, False)]
        whole = counts[0] + counts[1]
        assert whole.sum() == 1797
        assert counts[0].tolist() == [round(n / 5) for n in whole]

    def test_every_digit_is_in_one_part(self) -> None:
        parts = np.concatenate([digits(True).ink, digits(False).ink]).reshape(1797, 64)
        wanted = load_digits().data / 16
        assert sorted(parts.tolist()) == sorted(wanted.astype(np.float32).tolist())

    def test_labels_stay_with_their_digits(self) -> None:
        data = load_digits()
        known = {tuple(ink): label for ink, label in zip(data.data.tolist(), data.target.tolist(), strict=True)}
        for part in (True, False):
            inks = (digits(part).ink * 16).reshape(-1, 64).tolist()
            assert [known[tuple(ink)] for ink in inks] == digits(part).labels.tolist()

    def test_two_photographs_are_held_out(self) -> None:
        assert len(photographs(True)) == 2
        assert not set(digits_data.HELD_OUT_PHOTOGRAPHS) & set(digits_data.TRAINING_PHOTOGRAPHS)
        kept = {photograph.tobytes() for photograph in photographs(True)}
        assert not kept & {photograph.tobytes() for photograph in photographs(False)}
        assert max(max(photograph.size) for photograph in photographs(False)) == 640

    def test_a_package_that_is_not_there_is_named(self) -> None:
        with pytest.raises(ModuleNotFoundError, match=r"^nowhere: not installed; .* need nowhere/a\.png$"):
            digits_data._packaged("nowhere/a.png")


class TestComposite:
    def test_shapes_and_dtypes(self) -> None:
        image, boxes, labels = training(0, 1, 200)
        assert image.shape == (200, 200, 3)
        assert image.dtype == np.uint8
        assert boxes.shape == (len(labels), 4)
        assert boxes.dtype == np.float32
        assert labels.dtype == np.int64

    def test_the_same_seed_gives_the_same_picture(self) -> None:
        for first, again in zip(training(3, 7), training(3, 7), strict=True):
            np.testing.assert_array_equal(first, again)
        assert not np.array_equal(training(3, 7).image, training(3, 8).image)
        assert not np.array_equal(training(3, 7).image, training(4, 7).image)

    @pytest.mark.parametrize("index", range(30))
    def test_boxes_lie_inside_and_overlap_little(self, index: int) -> None:
        image, boxes, labels = training(1, index)
        assert 1 <= len(labels) <= digits_data.MOST_DIGITS
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= image.shape[0]).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 3).all()
        assert (overlaps(boxes) <= digits_data.MOST_OVERLAP).all()

    @pytest.mark.parametrize("seed", range(20))
    def test_a_box_is_the_extent_of_the_ink(self, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        # Apart from each other on a plain photograph: every changed pixel is ink, and the box's sides touch it.
        monkeypatch.setattr(digits_data, "MOST_OVERLAP", 0.0)
        one = Digits(digits(False).ink[seed : seed + 1], digits(False).labels[seed : seed + 1])
        rng = np.random.default_rng(seed)
        image, boxes, labels = composite(rng, GREY, one, 160)
        paper = np.median(image.reshape(-1, 3), axis=0)
        inked = (image != paper).any(2)
        for x1, y1, x2, y2 in boxes.astype(int):
            part = inked[y1:y2, x1:x2]
            assert part[0].any()
            assert part[-1].any()
            assert part[:, 0].any()
            assert part[:, -1].any()
            inked[y1:y2, x1:x2] = False
        assert not inked.any()
        assert set(labels.tolist()) == set(one.labels.tolist())

    def test_ink_stands_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(digits_data, "MOST_OVERLAP", 0.0)
        for seed in range(20):
            image, boxes, _ = composite(np.random.default_rng(seed), GREY, digits(False), 300)
            luma = image @ digits_data.LUMA
            for x1, y1, x2, y2 in boxes.astype(int):
                most = np.abs(luma[y1:y2, x1:x2] - np.median(luma)).max()
                assert most >= 0.8 * digits_data.CONTRAST - 1  # at the least opacity, rounded

    def test_a_digit_that_finds_no_room_is_left_out(self) -> None:
        assert composite(np.random.default_rng(0), GREY, digits(False), 4).labels.size == 0

    def test_ink_is_cropped_to_where_it_covers_half(self) -> None:
        rng = np.random.default_rng(0)
        inks = [digits_data._ink(rng, ink) for ink in digits(True).ink]
        sides = np.array([[ink[0].max(), ink[-1].max(), ink[:, 0].max(), ink[:, -1].max()] for ink in inks])
        assert ((sides.min(0) >= 0.5) & (sides.min(0) < 0.53)).all()
        assert min(min(ink.shape) for ink in inks) >= 3
        assert max(max(ink.shape) for ink in inks) <= 14 / 8 * digits_data.DIGIT_SIDE[1]


class TestHeldOut:
    def test_always_the_same_and_a_longer_set_starts_alike(self) -> None:
        for a, b in zip(held_out(3), list(held_out(5))[:3], strict=True):
            np.testing.assert_array_equal(a.image, b.image)
            np.testing.assert_array_equal(a.boxes, b.boxes)
        assert len(list(held_out(3))) == 3

    def test_uses_what_is_held_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[bool] = []

        def noting(source: Callable[[bool], T]) -> Callable[[bool], T]:
            def ask(part: bool) -> T:
                asked.append(part)
                return source(part)

            return ask

        monkeypatch.setattr(digits_data, "digits", noting(digits))
        monkeypatch.setattr(digits_data, "photographs", noting(photographs))
        list(held_out(2))
        assert asked == [True] * 4
        asked.clear()
        training(0, 0)
        assert asked == [False] * 2

    def test_main_writes_one(self, tmp_path: Path) -> None:
        main([str(tmp_path / "x.png"), "--index", "2"])
        *_, last = held_out(3)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), last.image)
