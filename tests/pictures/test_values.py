"""wtsnet/pictures/values.py: what the pixels of pictures are as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wtsnet.errors import ImageError, ModelError
from wtsnet.pictures.frames import Picture
from wtsnet.pictures.values import normalize, to_input


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


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

    @pytest.mark.parametrize("channels", [1, 4])
    def test_other_channels(self, channels: int) -> None:
        image = picture(4, 6).repeat(2, axis=2)[:, :, :channels]
        wanted = image.transpose(2, 0, 1)[None] / np.float32(255)
        np.testing.assert_array_equal(to_input(image), wanted)

    def test_pictures_of_several_sizes_are_refused(self) -> None:
        with pytest.raises(ImageError, match=r"must have one size, got 4×6×3, 6×4×3$"):
            to_input([picture(6, 4), picture(4, 6)])

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
