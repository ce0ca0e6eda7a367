"""wtsnet/pictures/reading.py: pictures from files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from wtsnet.errors import ImageError
from wtsnet.pictures.frames import Picture
from wtsnet.pictures.reading import read_image


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


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
        with pytest.raises(
            ImageError,
            match=r"found (grey values that do not fit 16 bits|floating-point pixels of unknown range), expected 8",
        ):
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

    def test_gray(self, tmp_path: Path) -> None:
        path = tmp_path / "x.png"
        image = picture(40, 50)
        Image.fromarray(image).save(path)
        gray = read_image(path, 1)
        np.testing.assert_array_equal(gray[:, :, 0], np.asarray(Image.fromarray(image).convert("L")))
        assert np.abs(gray[:, :, 0].astype(int) - cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)).max() <= 1
        Image.fromarray(gray[:, :, 0]).save(path)
        np.testing.assert_array_equal(read_image(path, 1), gray)

    def test_sixteen_bits_of_gray_are_scaled(self, tmp_path: Path) -> None:
        Image.fromarray(np.array([[0, 257, 256, 32768, 65534, 65535]], np.uint16)).save(tmp_path / "x.png")
        assert read_image(tmp_path / "x.png", 1)[0, :, 0].tolist() == [0, 1, 1, 128, 255, 255]

    def test_alpha_is_kept_where_it_is_wanted(self, tmp_path: Path) -> None:
        Image.new("RGBA", (1, 1), (200, 100, 50, 7)).save(tmp_path / "x.png")
        assert read_image(tmp_path / "x.png", 4).tolist() == [[[200, 100, 50, 7]]]

    def test_pages_of_a_tiff_are_channels(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(picture(5, 7, seed)[:, :, 0]) for seed in range(5)]
        for count in (2, 4, 5):
            pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:count])
            wanted = np.stack([np.asarray(page) for page in pages[:count]], axis=2)
            np.testing.assert_array_equal(read_image(tmp_path / "x.tif", count), wanted)
        first = np.asarray(pages[0])[:, :, None]
        np.testing.assert_array_equal(read_image(tmp_path / "x.tif", 1), first)  # as upstream's readers do
        np.testing.assert_array_equal(read_image(tmp_path / "x.tif", 3), first.repeat(3, axis=2))

    def test_sixteen_bit_pages_are_scaled(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(np.full((2, 2), value, np.uint16)) for value in (257, 514)]
        pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
        assert read_image(tmp_path / "x.tif", 2)[0, 0].tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("sizes", "mode", "channels", "said"),
        [
            ([(7, 5)] * 2, "L", 4, "found 2 pages, expected 4 grey ones"),
            ([(7, 5)] * 2, "RGB", 2, "found pages of 5×7×3, expected 2 grey ones of one size"),
            ([(7, 5), (5, 7)], "L", 2, "found pages of 5×7×1 and 7×5×1, expected 2 grey ones of one size"),
            ([(7, 5)], "L", 10, "found 1 channel, expected 10"),
            ([(7, 5)], "RGB", 4, "found 3 channels, expected 4"),
        ],
    )
    def test_other_channels_are_refused(self, tmp_path: Path, sizes: Any, mode: str, channels: int, said: str) -> None:
        pages = [Image.new(mode, size) for size in sizes]
        pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / "x.tif", channels)
        assert str(caught.value) == f"{tmp_path / 'x.tif'}: {said}"

    def test_arrays(self, tmp_path: Path) -> None:
        for channels in (1, 3, 4, 6):
            frame = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
            np.save(tmp_path / "x.npy", frame)
            np.testing.assert_array_equal(read_image(tmp_path / "x.npy", channels), frame)

    @pytest.mark.parametrize(
        ("array", "said"),
        [
            (
                np.zeros((5, 7)),
                "x.npy: found (5, 7) of float64, expected (height, width) or (height, width, channels) ",
            ),
            (np.zeros((5, 7, 2), np.uint8), "x.npy: found 2 channels, expected 3"),
            (np.array([{}]), "x.npy: not a readable picture (Object arrays cannot be loaded"),
            (None, "x.npy: not a readable picture ("),
        ],
    )
    def test_arrays_that_are_none(self, tmp_path: Path, array: Any, said: str) -> None:
        np.save(tmp_path / "x.npy", array)
        if array is None:
            (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01")
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / "x.npy")
        assert str(caught.value).startswith(f"{tmp_path}/{said}")
        (tmp_path / "x.npy").unlink()
        with pytest.raises(ImageError, match=r"x\.npy: no such file"):
            read_image(tmp_path / "x.npy")
