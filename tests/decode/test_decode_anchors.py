"""wtsnet/decode/anchors.py: YOLOv5's raw maps; the choice of candidates is tested through `decode.boxes`."""

from typing import Any

import numpy as np
import pytest

from wtsnet.decode.anchors import candidates_from_anchors, yolov5_raw
from wtsnet.decode.candidates import Choice
from wtsnet.errors import RunnerError


class TestYolov5Raw:
    def test_follows_the_formula_in_the_order_level_anchor_row_column(self) -> None:
        rng = np.random.default_rng(0)
        anchors = [[[10, 13], [16, 30]], [[116, 90], [156, 198]]]
        levels = [rng.normal(0, 3, (2, 2 * 8, 3, 4)), rng.normal(0, 3, (2, 2 * 8, 2, 1))]
        wanted: list[list[list[float]]] = [[], []]
        for image in range(2):
            for level, stride, boxes in zip(levels, (8, 16), anchors, strict=True):
                for a, (width, height) in enumerate(boxes):
                    for row in range(level.shape[2]):
                        for column in range(level.shape[3]):
                            s = 1 / (1 + np.exp(-level[image, a * 8 : a * 8 + 8, row, column]))
                            x = (2 * s[0] - 0.5 + column) * stride
                            y = (2 * s[1] - 0.5 + row) * stride
                            size = (2 * s[2]) ** 2 * width, (2 * s[3]) ** 2 * height
                            wanted[image].append([x, y, *size, *s[4:]])
        predictions = yolov5_raw(levels, anchors, (8, 16))
        assert predictions.dtype == np.float32
        assert predictions.shape == (2, 2 * 12 + 2 * 2, 8)
        np.testing.assert_allclose(predictions, wanted, rtol=1e-5, atol=1e-5)

    def test_extreme_logits_neither_warn_nor_break(self) -> None:
        level = np.full((1, 6, 1, 2), -1e4, np.float32)
        level[..., 1] = 1e4
        predictions = yolov5_raw([level], [[[10, 20]]], [8])
        assert predictions.tolist() == [[[-4, -4, 0, 0, 0, 0], [20, 12, 40, 80, 1, 1]]]

    def test_leaves_its_input_as_it_was(self) -> None:
        level = np.ones((1, 6, 1, 1), np.float32)
        yolov5_raw([level], [[[10, 20]]], [8])
        assert (level == 1).all()

    @pytest.mark.parametrize(
        ("levels", "anchors", "strides", "message"),
        [
            ([(1, 18, 2, 2)], np.ones((2, 3, 2)), [8], r"got 1 levels, anchors of shape \(2, 3, 2\) and 1 strides"),
            ([(1, 18, 2, 2)], np.ones((1, 3, 2)), [8, 16], r"got 1 levels, .* and 2 strides"),
            ([(1, 18, 2, 2)], np.ones((1, 6)), [8], r"anchors of shape \(1, 6\)"),
            ([], np.ones((0, 3, 2)), [], "got 0 levels"),
            ([(1, 19, 2, 2)], np.ones((1, 3, 2)), [8], r"shape \(1, 19, 2, 2\), expected .* with A = 3"),
            ([(1, 15, 2, 2)], np.ones((1, 3, 2)), [8], r"shape \(1, 15, 2, 2\), expected .* with A = 3"),
            ([(1, 18, 4)], np.ones((1, 3, 2)), [8], r"shape \(1, 18, 4\), expected \(N, A"),
            ([(1, 18, 2, 2), (1, 21, 1, 1)], np.ones((2, 3, 2)), [8, 16], "expected one N and one A"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, levels: Any, anchors: Any, strides: Any, message: str) -> None:
        with pytest.raises(RunnerError, match=message):
            yolov5_raw([np.zeros(shape) for shape in levels], anchors, strides)

    def test_coefficients_of_masks_stay_as_they_are(self) -> None:
        level = np.random.default_rng(0).normal(0, 3, (2, 2 * 10, 3, 4)).astype(np.float32)
        anchors = [[[10, 13], [16, 30]]]
        predictions = yolov5_raw([level], anchors, [8], masks=3)
        cells = level.reshape(2, 2, 10, 3, 4)
        np.testing.assert_array_equal(predictions[..., 7:], np.moveaxis(cells[:, :, 7:], 2, -1).reshape(2, -1, 3))
        boxes = np.ascontiguousarray(cells[:, :, :7]).reshape(2, 14, 3, 4)
        np.testing.assert_array_equal(predictions[..., :7], yolov5_raw([boxes], anchors, [8]))


def test_coefficients_of_masks_are_no_scores() -> None:
    rows = np.array([[[50, 60, 20, 40, 0.8, 0.5, 0.25, 9, 8]]], np.float32)
    (found,) = candidates_from_anchors(rows, Choice(), masks=2)
    assert found.scores.tolist() == [np.float32(0.8) * np.float32(0.5)]
    assert (found.classes.tolist(), found.extra.tolist()) == ([0], [[9, 8]])
    with pytest.raises(RunnerError, match=r"expected \(N, candidates, 5 \+ classes \+ 4 masks\)$"):
        candidates_from_anchors(rows, Choice(), masks=4)
