"""wtsnet/pictures/preprocess.py: what one network wants done to a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from wtsnet.errors import ImageError, ManifestError
from wtsnet.pictures.frames import Picture, as_picture
from wtsnet.pictures.placement import Letterbox, Stretch
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.resizing import center_crop_resize, letterbox, middle_resize, stretch
from wtsnet.pictures.values import normalize, to_input

CUBIC = {"kind": "stretch", "size": 1, "interpolation": "bicubic"}
GRAY = {"kind": "gray", "size": 1}


def picture(height: int, width: int, seed: int = 0, channels: int = 3) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


class TestPreprocess:
    def test_pixels(self) -> None:
        images = [picture(50, 100), picture(30, 20)]
        batch, _ = Preprocess("letterbox", (64, 96), dtype="uint8")(images)
        wanted = np.stack([letterbox(image, (64, 96))[0] for image in images])
        assert batch.dtype == np.uint8
        np.testing.assert_array_equal(batch, wanted)
        other, _ = Preprocess("letterbox", (64, 96), dtype="uint8", order="BGR")(images)
        np.testing.assert_array_equal(other, wanted[..., ::-1])
        assert other.flags.c_contiguous

    def test_blue_first(self) -> None:
        rgb, _ = Preprocess("crop", (24, 24), resize=32)(picture(50, 60))
        bgr, _ = Preprocess("crop", (24, 24), resize=32, order="BGR")(picture(50, 60))
        np.testing.assert_array_equal(bgr, rgb[:, ::-1])

    @pytest.mark.parametrize(
        ("key", "value"), [("scale", 1.0), ("mean", [0, 0, 0]), ("std", [1, 1, 1]), ("layout", "NHWC")]
    )
    def test_what_the_network_does_is_refused(self, key: str, value: Any) -> None:
        data = {"kind": "letterbox", "size": 64, "dtype": "uint8", key: value}
        with pytest.raises(ManifestError, match=f"preprocess: {key} has no meaning for dtype 'uint8'"):
            Preprocess.from_dict(data)

    def test_letterbox(self) -> None:
        images = [picture(50, 100), picture(30, 20)]
        batch, geometry = Preprocess("letterbox", (64, 96), fill=0)(images)
        padded, wanted = zip(*(letterbox(image, (64, 96), fill=0) for image in images), strict=True)
        assert geometry == list(wanted)
        np.testing.assert_array_equal(batch, to_input(padded))

    def test_crop_with_mean_and_std(self) -> None:
        mean, std = (0.5, 0.4, 0.3), (0.1, 0.2, 0.3)
        batch, geometry = Preprocess("crop", (24, 24), resize=32, mean=mean, std=std)(picture(50, 100))
        assert geometry == [None]
        wanted = normalize(to_input(center_crop_resize(picture(50, 100), 32, 24)), mean, std)
        np.testing.assert_array_equal(batch, wanted)

    def test_mean_and_std_each_alone(self) -> None:
        plain, _ = Preprocess("gray", (8, 8))(picture(9, 9))
        only_mean, _ = Preprocess("gray", (8, 8), mean=(0.5,))(picture(9, 9))
        only_std, _ = Preprocess("gray", (8, 8), std=(0.5,))(picture(9, 9))
        np.testing.assert_array_equal(only_mean, plain - np.float32(0.5))
        np.testing.assert_array_equal(only_std, plain / np.float32(0.5))

    def test_gray_and_scale(self) -> None:
        batch, geometry = Preprocess("gray", (8, 9), scale=1)([picture(20, 20), picture(10, 30)])
        assert geometry == [Stretch((20, 20), (8, 9)), Stretch((10, 30), (8, 9))]
        assert batch.shape == (2, 1, 8, 9)
        np.testing.assert_array_equal(batch[1], stretch(as_picture(picture(10, 30), 1), (8, 9)).transpose(2, 0, 1))

    def test_gray_is_torchvisions(self, transforms: Any) -> None:
        image = picture(50, 70)
        pipeline = transforms.Compose([transforms.Grayscale(), transforms.Resize((28, 32)), transforms.ToTensor()])
        batch, _ = Preprocess("gray", (28, 32))(image)
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch[0], pipeline(Image.fromarray(image)).numpy())
        stretched, _ = Preprocess("stretch", (28, 32), channels=1)(image)
        np.testing.assert_array_equal(stretched, batch)

    def test_colours_become_gray_before_they_are_scaled(self) -> None:
        image = picture(50, 70)
        batch, _ = Preprocess("letterbox", (32, 32), channels=1, dtype="uint8")(image)
        padded, _ = letterbox(as_picture(image, 1), 32)
        np.testing.assert_array_equal(batch[0], padded)
        assert (batch[0, 0] == 114).all()
        assert (as_picture(letterbox(image, 32)[0], 1) != padded).any()

    @pytest.mark.parametrize("data", [
        {"kind": "letterbox", "size": 16}, {"kind": "crop", "size": 16, "resize": 20}, {"kind": "middle", "size": 16},
        {"kind": "stretch", "size": 16, "antialias": False}, {"kind": "keep"},
    ])  # fmt: skip
    @pytest.mark.parametrize("channels", [1, 2, 4, 10])
    def test_channels(self, data: Any, channels: int) -> None:
        images = [picture(30, 40, seed, channels) for seed in range(2)]
        pixels, _ = Preprocess.from_dict({**data, "channels": channels, "dtype": "uint8"})(images)
        size = (30, 40) if data["kind"] == "keep" else (16, 16)
        assert pixels.shape == (2, *size, channels)
        assert pixels.dtype == np.uint8
        mean, std = [0.1 * i for i in range(channels)], [1.0 + i for i in range(channels)]
        values, _ = Preprocess.from_dict({**data, "channels": channels, "mean": mean, "std": std})(images)
        np.testing.assert_array_equal(values, normalize(to_input(list(pixels)), mean, std))
        with pytest.raises(ImageError, match=f"^frame: found 7 channels, expected {channels}$"):
            Preprocess.from_dict({**data, "channels": channels})(picture(30, 40, 0, 7))

    @pytest.mark.parametrize("channels", [1, 4])
    def test_three_channels_of_others(self, channels: int) -> None:
        image = picture(30, 40, 0, channels)
        batch, _ = Preprocess("letterbox", (16, 16))([image, image[:, :, 0]])
        first, second = (image[:, :, :3], image[:, :, [0] * 3]) if channels == 4 else (image.repeat(3, axis=2),) * 2
        np.testing.assert_array_equal(batch, to_input([letterbox(first, 16)[0], letterbox(second, 16)[0]]))

    def test_blue_first_of_four(self) -> None:
        image = picture(30, 40, 0, 4)
        rgb, _ = Preprocess("letterbox", (16, 16), channels=4)(image)
        bgr, _ = Preprocess("letterbox", (16, 16), channels=4, order="BGR")(image)
        np.testing.assert_array_equal(bgr, rgb[:, [2, 1, 0, 3]])

    def test_pictures_of_pil(self) -> None:
        batch, _ = Preprocess("letterbox", (16, 16))(Image.fromarray(picture(30, 40)))
        np.testing.assert_array_equal(batch, Preprocess("letterbox", (16, 16))(picture(30, 40))[0])

    @pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
    def test_kept_as_they_are(self, layout: str) -> None:
        preprocess = Preprocess("keep", layout=layout)
        images = [picture(30, 41), picture(30, 41, 1)]
        batch, places = preprocess(images)
        assert places == [Letterbox(1.0, 0, 0, (30, 41), (30, 41))] * 2
        axes = (0, 3, 1, 2) if layout == "NCHW" else (0, 1, 2, 3)
        np.testing.assert_array_equal(batch, np.stack(images).transpose(axes) / np.float32(255))
        assert preprocess.size_of(batch) == (30, 41)
        assert (preprocess.size, preprocess) == (None, Preprocess("keep", (8, 8), layout=layout))

    @pytest.mark.parametrize("dtype", ["float32", "uint8"])
    def test_kept_pictures_have_one_size(self, dtype: str) -> None:
        with pytest.raises(ImageError, match=r"^the pictures of one batch must have one size, got 4×5×3, 5×4×3$"):
            Preprocess("keep", dtype=dtype)([picture(4, 5), picture(5, 4)])

    def test_middle(self) -> None:
        batch, places = Preprocess("middle", (24, 24), antialias=False)(picture(50, 100))
        assert places == [None]
        np.testing.assert_array_equal(batch, to_input(middle_resize(picture(50, 100), 24, antialias=False)))
        assert (batch != Preprocess("middle", (24, 24))(picture(50, 100))[0]).any()

    def test_crop_without_antialiasing(self) -> None:
        batch, _ = Preprocess("crop", (24, 24), resize=32, antialias=False)(picture(50, 100))
        np.testing.assert_array_equal(batch, to_input(center_crop_resize(picture(50, 100), 32, 24, antialias=False)))

    def test_stretched_without_antialiasing(self) -> None:
        batch, places = Preprocess("stretch", (24, 32), antialias=False)(picture(50, 100))
        np.testing.assert_array_equal(batch, to_input(stretch(picture(50, 100), (24, 32), antialias=False)))
        assert places == [Stretch((50, 100), (24, 32))]

    @pytest.mark.parametrize("dtype", ["float32", "uint8"])
    def test_size_of_an_input(self, dtype: str) -> None:
        preprocess = Preprocess("letterbox", (16, 32), dtype=dtype)
        batch, places = preprocess(picture(16, 16))
        assert preprocess.size_of(batch) == (16, 32)
        assert isinstance(places[0], Letterbox)

    def test_nhwc(self) -> None:
        first, _ = Preprocess("letterbox", (8, 8))(picture(4, 4))
        last, _ = Preprocess("letterbox", (8, 8), layout="NHWC")(picture(4, 4))
        assert last.flags.c_contiguous
        np.testing.assert_array_equal(last, first.transpose(0, 2, 3, 1))

    @pytest.mark.parametrize(
        "data",
        [
            {"kind": "letterbox", "size": [640, 480], "fill": 0, "scale": 255.0, "layout": "NHWC"},
            {"kind": "letterbox", "size": 640},
            {"kind": "crop", "size": 224, "resize": 232, "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]},
            {"kind": "stretch", "size": [288, 800], "interpolation": "bicubic"},
            {"kind": "letterbox", "size": 640, "dtype": "uint8", "order": "BGR"},
            {"kind": "gray", "size": [28, 28], "mean": [0.13], "std": [0.3], "scale": 1},
            {"kind": "letterbox", "size": 640, "channels": 1, "mean": [0.1]},
            {"kind": "letterbox", "size": 640, "channels": 4, "order": "BGR", "dtype": "uint8"},
            {"kind": "stretch", "size": 640, "antialias": False, "channels": 10},
            {"kind": "crop", "size": 224, "resize": 224, "antialias": False},
            {"kind": "middle", "size": 224, "interpolation": "bicubic"},
            {"kind": "keep", "channels": 1},
        ],
    )
    def test_goes_through_yaml_and_back(self, data: Any) -> None:
        preprocess = Preprocess.from_dict(data)
        written = preprocess.to_dict()
        assert Preprocess.from_dict(yaml.safe_load(yaml.safe_dump(written))) == preprocess
        for key, value in data.items():
            assert written[key] == ([value, value] if key == "size" and value in (640, 224) else value)

    def test_a_dict_holds_only_what_its_kind_takes(self) -> None:
        assert Preprocess("letterbox", (640, 640)).to_dict() == {
            "kind": "letterbox",
            "size": [640, 640],
            "fill": 114,
            "dtype": "float32",
            "order": "RGB",
            "scale": 255.0,
            "layout": "NCHW",
        }
        assert "size" not in Preprocess("keep").to_dict()
        assert Preprocess("gray", (8, 8)).to_dict() == {
            "kind": "gray",
            "size": [8, 8],
            "dtype": "float32",
            "order": "RGB",
            "scale": 255.0,
            "layout": "NCHW",
        }
        assert "fill" not in Preprocess("crop", (224, 224)).to_dict()
        assert Preprocess("crop", (224, 224)).to_dict()["resize"] == 256

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"size": 640}, "kind is missing"),
            ({"kind": "letterbox"}, "size is missing"),
            (
                {"kind": "grey", "size": 1},
                "kind is 'grey', expected KINDS; did you mean 'gray'?",
            ),
            ({"kind": [1], "size": 1}, "kind is [1], expected KINDS"),
            ({"kind": "gray", "size": 1, "sclae": 1}, "unknown key 'sclae' for kind 'gray'; did you mean 'scale'?"),
            ({"kind": "gray", "size": 1, "fill": 114}, "unknown key 'fill' for kind 'gray'"),
            ({"kind": "letterbox", "size": 1, 3: 1}, "unknown key 3 for kind 'letterbox'"),
            ({"kind": "gray", "size": 0}, "size is 0, expected a whole number of 1 or more, or height and width"),
            ({"kind": "gray", "size": []}, "size is [], expected a whole number of 1 or more, or height and width"),
            ({"kind": "letterbox", "size": 1, "fill": 300}, "fill is 300, expected a whole number from 0 to 255"),
            ({"kind": "gray", "size": 1, "scale": 0}, "scale is 0, expected 1 finite number above 0"),
            ({"kind": "gray", "size": 1, "mean": "0.5"}, "mean is '0.5', expected 1 finite number"),
            ({"kind": "crop", "size": 1, "mean": [0.5]}, "mean is [0.5], expected 3 finite numbers"),
            ({"kind": "crop", "size": 1, "std": [1, 1, -1]}, "std is [1, 1, -1], expected 3 finite numbers above 0"),
            ({"kind": "crop", "size": 300}, "resize is 256, smaller than size 300x300"),
            ({**GRAY, "channels": 4}, "channels is 4, expected 1 for kind 'gray'"),
            ({"kind": "keep", "channels": 0}, "channels is 0, expected a whole number of 1 or more"),
            ({"kind": "keep", "channels": 1, "order": "BGR"}, "order has no meaning for 1 channel"),
            ({"kind": "keep", "channels": 5, "order": "BGR"}, "order has no meaning for 5 channels"),
            ({**GRAY, "order": "BGR"}, "order has no meaning for kind 'gray'"),
            ({"kind": "keep", "channels": 4, "std": [1, 1, 1]}, "std is [1, 1, 1], expected 4 finite numbers above 0"),
            ({"kind": "keep", "channel": 1}, "unknown key 'channel' for kind 'keep'; did you mean 'channels'?"),
            ({"kind": "stretch", "size": 1, "antialias": "no"}, "antialias is 'no', expected true or false"),
            ({"kind": "letterbox", "size": 1, "antialias": False}, "unknown key 'antialias' for kind 'letterbox'"),
            ({**CUBIC, "antialias": False}, "interpolation is 'bicubic', expected bilinear where antialias is false"),
            ({**GRAY, "layout": "CHW"}, "layout is 'CHW', expected NCHW or NHWC; did you mean 'NCHW'?"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, data: Any, message: str) -> None:
        with pytest.raises(ManifestError) as caught:
            Preprocess.from_dict(data)
        kinds = "letterbox or crop or middle or stretch or gray or keep"
        assert str(caught.value) == f"preprocess: {message.replace('KINDS', kinds)}"

    def test_other_than_a_mapping_is_refused(self) -> None:
        data: Any = ["letterbox"]
        with pytest.raises(ManifestError, match=r"^preprocess: expected keys with values, got \['letterbox'\]$"):
            Preprocess.from_dict(data)

    @pytest.mark.parametrize(
        ("kind", "key"), [("crop", "fill"), ("gray", "fill"), ("letterbox", "resize"), ("keep", "fill")]
    )
    def test_a_value_that_would_be_ignored_is_refused(self, kind: str, key: str) -> None:
        options: dict[str, Any] = {"kind": kind, "size": 20, key: 99}
        with pytest.raises(ManifestError, match=f"{key} has no meaning for kind '{kind}'"):
            Preprocess(**options)

    def test_letterbox_never_antialiases(self) -> None:
        with pytest.raises(ManifestError, match="antialias has no meaning for kind 'letterbox'"):
            Preprocess("letterbox", (8, 8), antialias=False)
