"""wtsnet/pictures/frames.py: frames of any source as pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from wtsnet.errors import ImageError, ModelError
from wtsnet.pictures.frames import Picture, as_picture, displayable, several


def pixels(height: int, width: int, channels: int) -> Picture:
    return np.random.default_rng(channels).integers(0, 256, (height, width, channels), dtype=np.uint8)


RGB, RGBA, GRAY = (pixels(5, 7, channels) for channels in (3, 4, 1))
MULTIPLY = "values from 0 to 1 multiply by 255 and cast to uint8"
TRANSPOSE = "with the channels first it needs transpose(1, 2, 0)"
LUMA = np.asarray(Image.fromarray(RGB).convert("L"))[:, :, None]


class TestAsPicture:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4, 10])
    def test_what_is_one_is_not_copied(self, channels: int) -> None:
        frame = pixels(5, 7, channels)
        for wanted in (channels, None):
            assert as_picture(frame, wanted) is frame

    @pytest.mark.parametrize(
        ("frame", "channels", "wanted"),
        [
            (GRAY[:, :, 0], 1, GRAY),
            (GRAY[:, :, 0], None, GRAY),
            (GRAY[:, :, 0], 3, np.concatenate([GRAY] * 3, axis=2)),
            (GRAY, 3, np.concatenate([GRAY] * 3, axis=2)),
            (RGBA, 3, RGBA[:, :, :3]),
            (RGB, 1, LUMA),
            (np.dstack([RGB, GRAY]), 1, LUMA),
            (RGB[::-1, ::2], 3, RGB[::-1, ::2]),
        ],
    )
    def test_channels(self, frame: Any, channels: int | None, wanted: Picture) -> None:
        picture = as_picture(frame, channels)
        assert picture.flags.c_contiguous
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, wanted)

    @pytest.mark.parametrize("channels", [3, 4])
    def test_blue_first(self, channels: int) -> None:
        frame = pixels(5, 7, channels)
        before = frame.copy()
        np.testing.assert_array_equal(as_picture(frame, channels, order="bgr"), frame[:, :, (2, 1, 0, 3)[:channels]])
        np.testing.assert_array_equal(frame, before)

    @pytest.mark.parametrize("channels", [1, 2, 5])
    def test_others_have_no_order(self, channels: int) -> None:
        frame = pixels(5, 7, channels)
        np.testing.assert_array_equal(as_picture(frame, channels, order="bgr"), frame)

    def test_gray_is_opencvs(self) -> None:
        frame = pixels(90, 80, 3)
        wanted = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        gray = as_picture(frame, 1, order="bgr")[:, :, 0]
        assert np.abs(gray.astype(int) - wanted).max() <= 1
        assert np.abs(as_picture(frame, 1)[:, :, 0].astype(int) - wanted).max() > 9

    @pytest.mark.parametrize(
        ("mode", "channels", "found"),
        [
            ("RGB", 3, 3), ("RGB", 1, 1), ("RGB", None, 3), ("CMYK", 3, 3), ("CMYK", None, 3), ("P", 3, 3),
            ("L", 1, 1), ("L", 3, 3), ("L", None, 1), ("1", 1, 1), ("1", None, 1), ("LA", 1, 1), ("LA", 4, 4),
            ("RGBA", 4, 4), ("RGBA", 3, 3), ("RGBA", 1, 1), ("RGBA", None, 4),
        ],
    )  # fmt: skip
    def test_pil_images(self, mode: str, channels: int | None, found: int) -> None:
        image = Image.fromarray(RGB).convert(mode)
        picture = as_picture(image, channels, order="bgr")  # which is of arrays
        assert picture.shape == (5, 7, found)
        wanted = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[found]))
        np.testing.assert_array_equal(picture, wanted.reshape(picture.shape))
        picture[:] = 0  # is one's own

    def test_pil_images_become_upright(self) -> None:
        image = Image.fromarray(RGB)
        image.getexif()[0x0112] = 6
        np.testing.assert_array_equal(as_picture(image), np.rot90(RGB, -1))

    @pytest.mark.parametrize(
        ("frame", "channels", "said"),
        [
            (RGB / 255, 3, f"(5, 7, 3) of float64, expected EXPECTED; {MULTIPLY}"),
            (RGB.astype(np.int64), 3, "(5, 7, 3) of int64, expected EXPECTED"),
            (RGB[None], 3, "(1, 5, 7, 3) of uint8, expected EXPECTED; of a batch give a list of frames"),
            (RGB[None] / 255, 3, "(1, 5, 7, 3) of float64, expected EXPECTED; of a batch give a list of frames"),
            (np.zeros((3, 5, 7)), 3, f"(3, 5, 7) of float64, expected EXPECTED; {TRANSPOSE}"),
            (RGB[0, 0], 3, "(3,) of uint8, expected EXPECTED"),
            (np.zeros((0, 7, 3), np.uint8), 3, "(0, 7, 3) of uint8, expected EXPECTED"),
            (None, 3, "NoneType, expected EXPECTED, or a PIL image"),
            ("cat.jpg", 3, "str, expected EXPECTED, or a PIL image"),
            (RGB.transpose(2, 0, 1), 3, f"7 channels, expected 3; {TRANSPOSE}"),
            (np.zeros((10, 5, 7), np.uint8), 10, f"7 channels, expected 10; {TRANSPOSE}"),
            (pixels(5, 7, 2), 3, "2 channels, expected 3"),
            (pixels(5, 7, 2), 1, "2 channels, expected 1"),
            (pixels(5, 7, 5), 1, "5 channels, expected 1"),
            (pixels(5, 7, 5), 3, "5 channels, expected 3"),
            (RGB, 4, "3 channels, expected 4"),
            (GRAY, 4, "1 channel, expected 4"),
            (RGB, 10, "3 channels, expected 10"),
            (Image.fromarray(RGB), 4, "3 channels, expected 4"),
            (Image.fromarray(RGBA), 2, "4 channels, expected 2"),
            (Image.fromarray(GRAY[:, :, 0]), 4, "1 channel, expected 4"),
            (Image.new("F", (2, 2)), 3, "floating-point pixels of unknown range, expected 8 or 16 bits"),
        ],
    )  # fmt: skip
    def test_what_is_none(self, frame: Any, channels: int, said: str) -> None:
        with pytest.raises(ImageError) as caught:
            as_picture(frame, channels)
        expected = "(height, width) or (height, width, channels) of uint8"
        assert str(caught.value) == f"frame: found {said.replace('EXPECTED', expected)}"

    def test_options(self) -> None:
        with pytest.raises(ModelError, match=r"^order is 'BGR', expected rgb or bgr$"):
            as_picture(RGB, order="BGR")
        with pytest.raises(ModelError, match=r"^channels is 0, expected a whole number of 1 or more$"):
            as_picture(RGB, 0)


@pytest.mark.parametrize(
    ("picture", "shown"),
    [
        (RGB, RGB),
        (RGBA, RGBA[:, :, :3]),
        (GRAY, np.concatenate([GRAY] * 3, axis=2)),
        (GRAY[:, :, 0], np.concatenate([GRAY] * 3, axis=2)),
        (pixels(5, 7, 2), np.concatenate([pixels(5, 7, 2)[:, :, :1]] * 3, axis=2)),
        (pixels(5, 7, 10), pixels(5, 7, 10)[:, :, :3]),
    ],
)
def test_displayable(picture: Picture, shown: Picture) -> None:
    found = displayable(picture)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, shown)


def test_several() -> None:
    for one in (RGB, GRAY[:, :, 0], Image.fromarray(RGB)):
        assert several(one)[0] is one
        assert len(several([one, one])) == 2
    assert len(several(np.stack([RGB] * 4))) == 4
    with pytest.raises(ImageError, match=r"^no picture given$"):
        several([])
