"""wtsnet/pictures/preprocess.py: what one network wants done to a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from wtsnet.errors import ManifestError
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.reading import Picture, center_crop_resize, grayscale, letterbox, normalize, to_input

GRAY = {"kind": "gray", "size": 1}


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


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
        assert geometry == [None, None]
        assert batch.shape == (2, 1, 8, 9)
        np.testing.assert_array_equal(batch[1] / np.float32(255), grayscale(picture(10, 30), (8, 9)))

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
        assert "fill" not in Preprocess("crop", (224, 224)).to_dict()
        assert Preprocess("crop", (224, 224)).to_dict()["resize"] == 256

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"size": 640}, "kind is missing"),
            ({"kind": "letterbox"}, "size is missing"),
            (
                {"kind": "grey", "size": 1},
                "kind is 'grey', expected letterbox or crop or stretch or gray; did you mean 'gray'?",
            ),
            ({"kind": [1], "size": 1}, "kind is [1], expected letterbox or crop or stretch or gray"),
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
            ({**GRAY, "layout": "CHW"}, "layout is 'CHW', expected NCHW or NHWC; did you mean 'NCHW'?"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, data: Any, message: str) -> None:
        with pytest.raises(ManifestError) as caught:
            Preprocess.from_dict(data)
        assert str(caught.value) == f"preprocess: {message}"

    def test_other_than_a_mapping_is_refused(self) -> None:
        data: Any = ["letterbox"]
        with pytest.raises(ManifestError, match=r"^preprocess: expected keys with values, got \['letterbox'\]$"):
            Preprocess.from_dict(data)

    @pytest.mark.parametrize(("kind", "key"), [("crop", "fill"), ("gray", "fill"), ("letterbox", "resize")])
    def test_a_value_that_would_be_ignored_is_refused(self, kind: str, key: str) -> None:
        options: dict[str, Any] = {"kind": kind, "size": 20, key: 99}
        with pytest.raises(ManifestError, match=f"{key} has no meaning for kind '{kind}'"):
            Preprocess(**options)
