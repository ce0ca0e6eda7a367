"""wtsnet/pictures/resizing.py: fitting pictures to a size, as OpenCV, Pillow and torchvision do."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wtsnet.errors import ImageError, ModelError
from wtsnet.pictures.frames import Picture
from wtsnet.pictures.placement import Letterbox, Stretch
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.resizing import center_crop_resize, letterbox, middle_resize, resize_bilinear, stretch

sides = st.integers(1, 300)


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class TestLetterbox:
    def test_geometry_and_pixels_are_those_of_opencv(self) -> None:
        rng = random.Random(0)
        differing = pixels = 0
        for seed in range(300):
            image = picture(rng.randint(1, 400), rng.randint(1, 400), seed)
            size = rng.randint(100, 320), rng.randint(100, 320)
            height, width = image.shape[:2]
            ratio = min(size[0] / height, size[1] / width)
            inner = max(1, round(width * ratio)), max(1, round(height * ratio))
            dw, dh = (size[1] - inner[0]) / 2, (size[0] - inner[1]) / 2
            top, bottom, left, right = round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1)
            scaled = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
            wanted = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114,) * 3)

            padded, geometry = letterbox(image, size)
            assert geometry == Letterbox(ratio, left, top, (height, width), size)
            assert padded.shape == wanted.shape == (*size, 3)
            difference = np.abs(padded.astype(int) - wanted)
            assert difference.max() <= 1
            differing += np.count_nonzero(difference)
            pixels += difference.size
        assert differing / pixels < 0.15  # OpenCV's fixed-point weights round down

    def test_one_number_makes_a_square(self) -> None:
        padded, geometry = letterbox(picture(50, 100), 64)
        assert padded.shape == (64, 64, 3)
        assert geometry == Letterbox(0.64, 0, 16, (50, 100), (64, 64))

    def test_an_odd_padding_is_larger_below_and_on_the_right(self) -> None:
        padded, geometry = letterbox(picture(10, 10), (10, 13), fill=7)
        assert (geometry.left, geometry.top) == (1, 0)
        np.testing.assert_array_equal(padded[:, 1:11], picture(10, 10))
        assert (padded[:, [0, 11, 12]] == 7).all()

    def test_scale_up_false_only_pads(self) -> None:
        padded, geometry = letterbox(picture(10, 10), 20, scale_up=False)
        assert geometry == Letterbox(1.0, 5, 5, (10, 10), (20, 20))
        np.testing.assert_array_equal(padded[5:15, 5:15], picture(10, 10))
        assert letterbox(picture(40, 40), 20, scale_up=False)[1].ratio == 0.5

    def test_a_sliver_keeps_one_pixel(self) -> None:
        padded, _ = letterbox(np.full((1, 5000, 3), 9, np.uint8), 640)
        assert (padded == 9).all(axis=2).sum() == 640

    @given(sides, sides, sides, sides, st.booleans())
    def test_boxes_go_there_and_back(self, height: int, width: int, size_h: int, size_w: int, scale_up: bool) -> None:
        _, geometry = letterbox(np.zeros((height, width, 3), np.uint8), (size_h, size_w), scale_up=scale_up)
        boxes = np.random.default_rng(height).uniform(0, [width, height] * 2, (2, 20, 4)).astype(np.float32)
        there = geometry.from_source(boxes)
        assert there.dtype == np.float32
        back = geometry.to_source(there)
        assert back.dtype == np.float32
        # float32 holds the input's pixels to 2⁻²³ of their size; going back divides that by the ratio.
        np.testing.assert_allclose(back, boxes, rtol=0, atol=2**-22 * max(size_h, size_w) / geometry.ratio)

    def test_boxes_are_in_the_padded_picture_where_they_were_in_the_source(self) -> None:
        image = np.zeros((100, 200, 3), np.uint8)
        image[20:40, 60:100] = 255
        padded, geometry = letterbox(image, 64, fill=0)
        x1, y1, x2, y2 = geometry.from_source([[60, 20, 100, 40]])[0]
        rows, columns = np.nonzero(padded[..., 0] > 127)
        assert abs(rows.min() - y1) < 1
        assert abs(rows.max() + 1 - y2) < 1
        assert abs(columns.min() - x1) < 1
        assert abs(columns.max() + 1 - x2) < 1

    def test_boxes_are_clipped_to_the_picture(self) -> None:
        _, geometry = letterbox(picture(50, 100), 64)
        assert geometry.to_source([[-10, 0, 70, 64]]).tolist() == [[0, 0, 100, 50]]
        assert geometry.to_source(np.empty((0, 4))).shape == (0, 4)

    def test_is_frozen(self) -> None:
        geometry: Any = letterbox(picture(2, 2), 4)[1]
        with pytest.raises(FrozenInstanceError):
            geometry.ratio = 2

    @pytest.mark.parametrize("size", [0, -1, 6.4, True, (4, 0), (1, 2, 3), "640", None])
    def test_a_wrong_size_is_refused(self, size: Any) -> None:
        with pytest.raises(
            ModelError, match=r"^size is .*, expected a whole number of 1 or more, or height and width$"
        ):
            letterbox(picture(2, 2), size)

    @pytest.mark.parametrize("fill", [-1, 256, 0.5])
    def test_a_wrong_fill_is_refused(self, fill: Any) -> None:
        with pytest.raises(ModelError, match=r"^fill is .*, expected a whole number from 0 to 255$"):
            letterbox(picture(2, 2), 4, fill=fill)


@pytest.mark.parametrize(
    "image", [np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))]
)
@pytest.mark.parametrize(
    "use", [lambda x: letterbox(x, 4), center_crop_resize, lambda x: middle_resize(x, 4), lambda x: stretch(x, 4)]
)
def test_what_is_no_picture_is_refused(use: Any, image: Any) -> None:
    with pytest.raises(ImageError, match=r"expected \(height, width\) or \(height, width, channels\) of uint8"):
        use(image)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("antialias", [True, False])
def test_channels_are_scaled_each_by_itself(channels: int, antialias: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, channels), dtype=np.uint8)
    uses: list[Any] = [
        lambda x: letterbox(x, (32, 64))[0],
        lambda x: stretch(x, (17, 70), antialias=antialias),
        lambda x: center_crop_resize(x, 30, 20, antialias=antialias),
        lambda x: middle_resize(x, (20, 15), antialias=antialias),
    ]
    for use in uses:
        found = use(image)
        assert found.shape[2] == channels
        for channel in range(channels):
            alone = use(image[:, :, [channel] * 3])
            np.testing.assert_array_equal(found[:, :, channel], alone[:, :, 0])


class TestResizeBilinear:
    @pytest.mark.parametrize("size", [(1, 1), (7, 9), (100, 3), (31, 57)])
    def test_is_the_blend_of_the_four_pixels_around(self, size: Any) -> None:
        image = picture(31, 20)
        ys = np.clip((np.arange(size[0]) + 0.5) * 31 / size[0] - 0.5, 0, 30)
        xs = np.clip((np.arange(size[1]) + 0.5) * 20 / size[1] - 0.5, 0, 19)
        exact = np.empty((*size, 3))
        for i, y in enumerate(ys):
            for j, x in enumerate(xs):
                top, left = int(y), int(x)
                bottom, right = min(top + 1, 30), min(left + 1, 19)
                upper = image[top, left] * (left + 1 - x) + image[top, right] * (x - left)
                lower = image[bottom, left] * (left + 1 - x) + image[bottom, right] * (x - left)
                exact[i, j] = upper * (top + 1 - y) + lower * (y - top)
        assert np.abs(resize_bilinear(image, size) - exact).max() <= 0.5001

    def test_the_same_size_changes_nothing(self) -> None:
        np.testing.assert_array_equal(resize_bilinear(picture(5, 6), (5, 6)), picture(5, 6))

    def test_takes_views(self) -> None:
        image = picture(20, 30)[::-1, ::-1]
        np.testing.assert_array_equal(
            resize_bilinear(image, (9, 9)), resize_bilinear(np.ascontiguousarray(image), (9, 9))
        )


class TestCenterCropResize:
    @pytest.mark.parametrize(
        "shape", [(256, 256), (300, 400), (401, 300), (1000, 257), (90, 71), (225, 333), (64, 1000)]
    )
    @pytest.mark.parametrize(("resize", "crop"), [(256, 224), (64, 64), (67, 32), (232, (200, 101))])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_is_torchvisions(self, transforms: Any, shape: Any, resize: int, crop: Any, interpolation: str) -> None:
        image = picture(*shape)
        mode = transforms.InterpolationMode(interpolation)
        pipeline = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])
        wanted = np.asarray(pipeline(Image.fromarray(image)))
        np.testing.assert_array_equal(center_crop_resize(image, resize, crop, interpolation=interpolation), wanted)

    def test_a_crop_larger_than_the_picture_is_refused(self) -> None:
        with pytest.raises(ModelError, match=r"a crop of 224x224 does not fit .* shorter side is 200"):
            center_crop_resize(picture(4, 4), 200)


class TestStretch:
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("size", [(288, 800), (31, 17)])
    def test_is_torchvisions(self, transforms: Any, size: Any, interpolation: str) -> None:
        image = picture(90, 71)
        resize = transforms.Resize(size, transforms.InterpolationMode(interpolation))
        found = stretch(image, size, interpolation=interpolation)
        np.testing.assert_array_equal(found, np.asarray(resize(Image.fromarray(image))))

    def test_without_antialiasing_it_is_opencvs(self) -> None:
        rng, differing, pixels = random.Random(0), 0, 0
        for seed in range(300):
            image = picture(rng.randint(1, 400), rng.randint(1, 400), seed)
            size = rng.randint(1, 400), rng.randint(1, 400)
            wanted = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
            difference = np.abs(stretch(image, size, antialias=False).astype(int) - wanted)
            assert difference.max() <= 1
            differing += np.count_nonzero(difference)
            pixels += difference.size
        assert differing / pixels < 0.15  # OpenCV's fixed-point weights round down

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"interpolation": "cubic"}, "interpolation is 'cubic', expected bilinear or bicubic; did you mean"),
            (
                {"interpolation": "bicubic", "antialias": False},
                "interpolation is 'bicubic', expected bilinear where ant",
            ),
            ({"antialias": 1}, "antialias is 1, expected true or false"),
        ],
    )
    def test_another_way_is_refused(self, options: Any, said: str) -> None:
        for use in (stretch, middle_resize):
            with pytest.raises(ModelError, match=f"^{said}"):
                use(picture(4, 4), 2, **options)
        with pytest.raises(ModelError, match=f"^{said}"):
            center_crop_resize(picture(4, 4), 4, 2, **options)

    def test_boxes_go_there_and_back(self) -> None:
        preprocess = Preprocess.from_dict({"kind": "stretch", "size": [50, 300], "interpolation": "bicubic"})
        batch, (place,) = preprocess(picture(100, 200))
        assert batch.shape == (1, 3, 50, 300)
        assert place == Stretch((100, 200), (50, 300))
        boxes = np.array([[20, 10, 60, 40]], np.float32)
        np.testing.assert_array_equal(place.from_source(boxes), [[30, 5, 90, 20]])
        np.testing.assert_array_equal(place.to_source(place.from_source(boxes)), boxes)
        np.testing.assert_array_equal(place.to_source([[-9, -9, 900, 900]]), [[0, 0, 200, 100]])


class TestMiddleResize:
    @pytest.mark.parametrize("shape", [(720, 1001), (91, 40), (64, 64), (1, 300)])
    def test_a_square_is_cut_and_scaled(self, shape: Any) -> None:
        image = picture(*shape)
        side = min(shape)
        top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
        part = np.ascontiguousarray(image[top : top + side, left : left + side])
        wanted = cv2.resize(part, (64, 64), interpolation=cv2.INTER_LINEAR)
        assert np.abs(middle_resize(image, 64, antialias=False).astype(int) - wanted).max() <= 1
        antialiased = np.asarray(Image.fromarray(part).resize((64, 64), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(middle_resize(image, 64, interpolation="bicubic"), antialiased)

    @pytest.mark.parametrize(
        ("shape", "size", "rows", "columns"),
        [
            ((100, 100), (10, 20), slice(25, 75), slice(0, 100)),
            ((100, 100), (20, 10), slice(0, 100), slice(25, 75)),
            ((101, 300), (50, 100), slice(0, 101), slice(49, 251)),
            ((10, 10), (1, 1000), slice(4, 5), slice(0, 10)),
        ],
    )
    def test_proportions(self, shape: Any, size: Any, rows: slice, columns: slice) -> None:
        image = picture(*shape)
        np.testing.assert_array_equal(middle_resize(image, size), stretch(image[rows, columns], size))
