"""wtsnet/pictures/reading.py and placement.py: reading pictures, fitting them to a size, and where they lie in it."""

from __future__ import annotations

import importlib
import io
import random
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wtsnet.errors import ImageError, ModelError
from wtsnet.pictures.placement import Letterbox, Stretch
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.reading import (
    Picture,
    center_crop_resize,
    grayscale,
    letterbox,
    normalize,
    read_image,
    resize_bilinear,
    stretch,
    to_input,
)

sides = st.integers(1, 300)


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def transforms() -> Any:
    """torchvision's transforms."""
    importlib.import_module("tests.upstream.torchvision")  # declares the operators that torchvision's import asks for
    from torchvision import transforms

    return transforms


class TestReadImage:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "1", "P", "CMYK"])
    def test_every_mode_becomes_rgb(self, tmp_path: Path, mode: str) -> None:
        source = Image.fromarray(picture(5, 7)).convert(mode)
        source.save(tmp_path / "x.tif")
        image = read_image(tmp_path / "x.tif")
        assert image.shape == (5, 7, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.asarray(source.convert("RGB")))

    def test_channels_are_red_green_blue(self, tmp_path: Path) -> None:
        Image.new("RGB", (1, 1), (200, 100, 50)).save(tmp_path / "x.png")
        assert read_image(tmp_path / "x.png").tolist() == [[[200, 100, 50]]]

    def test_transparency_is_dropped(self, tmp_path: Path) -> None:
        Image.new("RGBA", (1, 1), (200, 100, 50, 0)).save(tmp_path / "x.png")
        assert read_image(tmp_path / "x.png").tolist() == [[[200, 100, 50]]]

    @pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
    def test_sixteen_bits_are_scaled(self, tmp_path: Path, suffix: str) -> None:
        gray = np.array([[0, 257, 256, 32768, 65534, 65535]], np.uint16)
        Image.fromarray(gray).save(tmp_path / f"x.{suffix}")
        image = read_image(tmp_path / f"x.{suffix}")
        assert image[0, :, 0].tolist() == [0, 1, 1, 128, 255, 255]
        assert (image == image[..., :1]).all()

    @pytest.mark.parametrize("pixels", [np.full((2, 2), 70000, np.int32), np.full((2, 2), 0.5, np.float32)])
    def test_pixels_of_unknown_range_are_refused(self, tmp_path: Path, pixels: Any) -> None:
        Image.fromarray(pixels).save(tmp_path / "x.tif")
        with pytest.raises(ImageError, match=r"its grey values do not fit 16 bits|floating-point numbers"):
            read_image(tmp_path / "x.tif")

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, tmp_path: Path, orientation: int) -> None:
        upright = np.zeros((4, 6, 3), np.uint8)
        upright[0, 0] = 255  # top left
        upright[0, -1] = 128  # top right
        # How each orientation has the upright picture stored.
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright, 1),
            7: upright[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
        np.testing.assert_array_equal(read_image(tmp_path / "x.png"), upright)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / "none.png")
        assert str(caught.value) == f"{tmp_path / 'none.png'}: no such file"

    def test_damaged_files_and_other_files_are_named(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        Image.fromarray(picture(60, 60)).save(buffer, "JPEG")
        for content in (buffer.getvalue()[:1500], b"weights", b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 50):
            (tmp_path / "x.jpg").write_bytes(content)
            with pytest.raises(ImageError) as caught:
                read_image(tmp_path / "x.jpg")
            assert str(caught.value).startswith(f"{tmp_path / 'x.jpg'}: not a readable picture (")
            assert "\n" not in str(caught.value)

    def test_a_folder_is_no_picture(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="not a readable picture"):
            read_image(tmp_path)


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
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))],
)
@pytest.mark.parametrize(
    "use", [lambda x: letterbox(x, 4), center_crop_resize, lambda x: grayscale(x, 4), lambda x: to_input([x])]
)
def test_what_is_no_picture_is_refused(use: Any, image: Any) -> None:
    with pytest.raises(ImageError, match=r"must be a \(height, width, 3\) array of uint8, got \("):
        use(image)


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


class TestToInput:
    def test_is_what_yolov5_does(self) -> None:
        images = [picture(4, 6, seed) for seed in range(3)]
        batch = to_input(images)
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        wanted = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        np.testing.assert_array_equal(batch, wanted.numpy())

    def test_one_picture_makes_a_batch_of_one(self) -> None:
        np.testing.assert_array_equal(to_input(picture(4, 6)), to_input([picture(4, 6)]))
        assert to_input(picture(4, 6)).shape == (1, 3, 4, 6)

    def test_a_stack_is_several_pictures(self) -> None:
        assert to_input(np.stack([picture(4, 6)] * 2)).shape == (2, 3, 4, 6)

    def test_pictures_of_several_sizes_are_refused(self) -> None:
        with pytest.raises(ImageError, match=r"must have one size, got 4x6, 6x4$"):
            to_input([picture(4, 6), picture(6, 4)])

    def test_no_picture_is_refused(self) -> None:
        with pytest.raises(ImageError, match="no picture given"):
            to_input([])


class TestNormalize:
    def test_by_channel(self, transforms: Any) -> None:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        x = to_input([picture(4, 6), picture(4, 6, 1)])
        wanted = transforms.Normalize(mean, std)(torch.from_numpy(x)).numpy()
        normalized = normalize(x, mean, std)
        assert normalized.dtype == np.float32
        np.testing.assert_array_equal(normalized, wanted)
        np.testing.assert_array_equal(normalize(x[0], mean, std), wanted[0])

    @pytest.mark.parametrize(
        ("mean", "std", "message"),
        [
            ((0.5,), (1, 1, 1), "mean is (0.5,), expected 3 finite numbers"),
            ((0, 0, 0), (1, 0, 1), "std is (1, 0, 1), expected 3 finite numbers above 0"),
            ((0, 0, float("nan")), (1, 1, 1), "mean is (0, 0, nan), expected 3 finite numbers"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, mean: Any, std: Any, message: str) -> None:
        with pytest.raises(ModelError) as caught:
            normalize(to_input(picture(2, 2)), mean, std)
        assert str(caught.value) == message


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

    def test_an_unknown_interpolation_is_refused(self) -> None:
        with pytest.raises(ModelError, match="interpolation is 'cubic', expected bilinear or bicubic; did you mean"):
            stretch(picture(4, 4), 2, interpolation="cubic")

    def test_boxes_go_there_and_back(self) -> None:
        preprocess = Preprocess.from_dict({"kind": "stretch", "size": [50, 300], "interpolation": "bicubic"})
        batch, (place,) = preprocess(picture(100, 200))
        assert batch.shape == (1, 3, 50, 300)
        assert place == Stretch((100, 200), (50, 300))
        boxes = np.array([[20, 10, 60, 40]], np.float32)
        np.testing.assert_array_equal(place.from_source(boxes), [[30, 5, 90, 20]])
        np.testing.assert_array_equal(place.to_source(place.from_source(boxes)), boxes)
        np.testing.assert_array_equal(place.to_source([[-9, -9, 900, 900]]), [[0, 0, 200, 100]])


def test_grayscale_is_torchvisions(transforms: Any) -> None:
    image = picture(50, 70)
    pipeline = transforms.Compose([transforms.Grayscale(), transforms.Resize((28, 32)), transforms.ToTensor()])
    gray = grayscale(image, (28, 32))
    assert gray.shape == (1, 28, 32)
    assert gray.dtype == np.float32
    np.testing.assert_array_equal(gray, pipeline(Image.fromarray(image)).numpy())
