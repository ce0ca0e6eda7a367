"""wtsnet/decode/boxes.py: detections, and how they are chosen from all predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from wtsnet.decode.boxes import Detection, Detections, detections_from_predictions, detections_from_topk
from wtsnet.decode.candidates import MAX_NMS
from wtsnet.errors import ModelError, RunnerError
from wtsnet.pictures.placement import Letterbox

Array = npt.NDArray[Any]

# Two pictures' worth of hand-made candidates: x y w h, objectness, two classes.
FIRST = [50, 60, 20, 40, 0.8, 0.5, 0.9]
OVERLAPPING = [51, 60, 20, 40, 0.7, 0.2, 0.9]
OTHER_CLASS = [50, 60, 20, 40, 0.6, 0.8, 0.1]
WEAK = [200, 200, 20, 20, 0.5, 0.4, 0.4]
UNSEEN = [300, 200, 20, 20, 0.2, 1.0, 1.0]


def rounded(detections: Detections) -> list[tuple[list[float], float, int]]:
    return [([round(x, 3) for x in found.box], round(found.score, 3), found.index) for found in detections]


def found_in(*candidates: list[float], **options: Any) -> list[tuple[list[float], float, int]]:
    (detections,) = detections_from_predictions([candidates], **options)
    assert detections.boxes.dtype == detections.scores.dtype == np.float32
    assert detections.classes.dtype == np.int64
    return rounded(detections)


class TestDetections:
    def detections(self) -> Detections:
        boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
        return Detections(boxes, np.array([0.5, 0.75, 0.5], np.float32), np.array([3, 1, 2]))

    def test_iterates_best_first_and_ties_in_order(self) -> None:
        assert len(self.detections()) == 3
        assert list(self.detections()) == [
            Detection((4.0, 5.0, 6.0, 7.0), 0.75, 1),
            Detection((0.0, 1.0, 2.0, 3.0), 0.5, 3),
            Detection((8.0, 9.0, 10.0, 11.0), 0.5, 2),
        ]

    def test_to_source_moves_the_boxes_only(self) -> None:
        moved = self.detections().to_source(Letterbox(0.5, 1, 2, (12, 14), (10, 10)))
        assert moved.boxes.tolist() == [[0, 0, 2, 2], [6, 6, 10, 10], [14, 12, 14, 12]]
        np.testing.assert_array_equal(moved.scores, self.detections().scores)
        np.testing.assert_array_equal(moved.classes, self.detections().classes)

    def test_wrong_shapes_are_refused(self) -> None:
        right = self.detections()
        with pytest.raises(RunnerError, match=r"^scores of 3 detections have shape \(2,\), expected \(3,\)$"):
            Detections(right.boxes, right.scores[:2], right.classes)
        with pytest.raises(RunnerError, match=r"^boxes of 3 detections have shape \(3, 3\), expected \(3, 4\)$"):
            Detections(right.boxes[:, :3], right.scores, right.classes)


class TestDetectionsFromPredictions:
    def test_best_class_and_corners(self) -> None:
        assert found_in(FIRST) == [([40, 40, 60, 80], 0.72, 1)]

    def test_objectness_and_score_must_both_be_above_conf(self) -> None:
        assert found_in(WEAK, UNSEEN) == []
        assert [score for _, score, _ in found_in(WEAK, UNSEEN, conf=0.19)] == [0.2, 0.2]
        assert found_in([9, 9, 4, 4, 0.5, 1.0, 0.0], conf=0.5) == []
        assert found_in([9, 9, 4, 4, 1.0, 0.5, 0.0], conf=0.5) == []

    def test_overlaps_go_by_class(self) -> None:
        assert [found[1:] for found in found_in(OVERLAPPING, OTHER_CLASS, FIRST)] == [(0.72, 1), (0.48, 0)]

    def test_overlaps_whatever_the_class(self) -> None:
        assert [found[1:] for found in found_in(OVERLAPPING, OTHER_CLASS, FIRST, agnostic=True)] == [(0.72, 1)]

    def test_iou(self) -> None:
        assert len(found_in(FIRST, OVERLAPPING, iou=0.95)) == 2  # they share 19 of 21

    def test_multi_label(self) -> None:
        assert found_in(FIRST, multi_label=True) == [([40, 40, 60, 80], 0.72, 1), ([40, 40, 60, 80], 0.4, 0)]

    def test_classes_are_filtered_before_anything_is_suppressed(self) -> None:
        candidates = [FIRST, OTHER_CLASS]
        assert [found[2] for found in found_in(*candidates, classes=[0], agnostic=True)] == [0]
        assert found_in(*candidates, classes=[]) == []

    def test_max_det_keeps_the_best(self) -> None:
        assert [found[1] for found in found_in(OTHER_CLASS, WEAK, FIRST, conf=0.1, max_det=2)] == [0.72, 0.48]

    def test_each_picture_for_itself(self) -> None:
        first, none, third = detections_from_predictions([[FIRST, UNSEEN], [UNSEEN, UNSEEN], [UNSEEN, OTHER_CLASS]])
        assert (len(first), len(none), len(third)) == (1, 0, 1)
        assert none.boxes.shape == (0, 4)

    def test_no_candidates(self) -> None:
        assert len(detections_from_predictions(np.empty((1, 0, 7)))[0]) == 0

    def test_only_the_best_go_through_nms(self) -> None:
        predictions = np.tile(np.array(FIRST, np.float32), (1, MAX_NMS + 1, 1))
        predictions[0, -1] = WEAK
        assert len(detections_from_predictions(predictions, conf=0.1)[0]) == 1
        assert len(detections_from_predictions(predictions[:, 1:], conf=0.1)[0]) == 2

    def test_float16_is_judged_in_float32(self) -> None:
        predictions = np.array([[FIRST]], np.float16)
        (found,) = detections_from_predictions(predictions)
        assert found.scores[0] == np.float32(predictions[0, 0, 4]) * np.float32(predictions[0, 0, 6])

    def test_leaves_its_input_as_it_was(self) -> None:
        predictions = np.array([[FIRST, OTHER_CLASS]], np.float32)
        before = predictions.copy()
        detections_from_predictions(predictions, multi_label=True)
        np.testing.assert_array_equal(predictions, before)

    def test_nan_is_not_silently_nothing(self) -> None:
        broken = np.array([[FIRST, OTHER_CLASS]], np.float32)
        broken[0, 1, 4] = np.nan
        with pytest.raises(RunnerError, match=r"^1 of 6 scores are NaN"):
            detections_from_predictions(broken)
        broken = np.array([[FIRST, UNSEEN]], np.float32)
        broken[0, 1, 0] = np.inf  # nobody looks at this box
        assert len(detections_from_predictions(broken)[0]) == 1
        broken[0, 0, 0] = np.inf
        with pytest.raises(RunnerError, match=r"^1 of 1 boxes or scores are NaN or infinite$"):
            detections_from_predictions(broken)

    @pytest.mark.parametrize("shape", [(3, 7), (1, 3, 5), (1, 3, 7, 1)])
    def test_another_shape_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(RunnerError, match=r"expected \(N, candidates, 5 \+ classes\)$"):
            detections_from_predictions(np.zeros(shape))


class TestDetectionsFromTopk:
    def test_is_the_selection_from_all_candidates(self) -> None:
        rng = np.random.default_rng(0)
        predictions = np.concatenate(
            [rng.uniform(0, 640, (2, 4000, 2)), rng.uniform(10, 200, (2, 4000, 2)), rng.random((2, 4000, 15))], axis=2
        ).astype(np.float32)
        scores = (predictions[..., 5:] * predictions[..., 4:5]).max(axis=2)
        labels = predictions[..., 5:].argmax(axis=2)
        best = np.argsort(-scores, axis=1, kind="stable")
        half = predictions[..., 2:4] / 2
        boxes = np.concatenate([predictions[..., :2] - half, predictions[..., :2] + half], axis=2)
        arrays = [
            np.take_along_axis(boxes, best[..., None], axis=1),
            np.take_along_axis(scores, best, axis=1),
            np.take_along_axis(labels, best, axis=1).astype(np.int32),
        ]
        cases: list[dict[str, Any]] = [
            {},
            {"conf": 0.6, "iou": 0.3},
            {"classes": [2, 7], "agnostic": True},
            {"conf": 0.01, "max_det": 20},
        ]
        for options in cases:
            pairs = zip(
                detections_from_topk(*arrays, **options),
                detections_from_predictions(predictions, **options),
                strict=True,
            )
            for got, wanted in pairs:
                assert len(got) > 5
                assert got.classes.dtype == np.int64
                np.testing.assert_array_equal(got.boxes, wanted.boxes)
                np.testing.assert_array_equal(got.scores, wanted.scores)
                np.testing.assert_array_equal(got.classes, wanted.classes)

    def test_filling_with_zeros_finds_nothing(self) -> None:
        (found,) = detections_from_topk(np.zeros((1, 9, 4)), np.zeros((1, 9)), np.zeros((1, 9)), conf=0)
        assert len(found) == 0

    def test_nan_is_not_silently_nothing(self) -> None:
        with pytest.raises(RunnerError, match=r"^9 of 9 scores are NaN"):
            detections_from_topk(np.zeros((1, 9, 4)), np.full((1, 9), np.nan), np.zeros((1, 9)))

    @pytest.mark.parametrize("shapes", [((1, 9, 5), (1, 9), (1, 9)), ((1, 9, 4), (1, 8), (1, 9)), ((9, 4), (9,), (9,))])
    def test_other_shapes_are_refused(self, shapes: Any) -> None:
        with pytest.raises(RunnerError, match=r"expected \(N, K, 4\), \(N, K\) and \(N, K\)$"):
            detections_from_topk(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conf": 1.5}, "conf is 1.5, expected a number from 0 to 1"),
        ({"conf": float("nan")}, "conf is nan, expected a number from 0 to 1"),
        ({"iou": -1}, "iou is -1, expected a number from 0 to 1"),
        ({"max_det": 0}, "max_det is 0, expected a whole number of 1 or more"),
        ({"classes": [1, -1]}, "classes are [1, -1], expected class indices of 0 or more"),
    ],
)
def test_wrong_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        detections_from_predictions(np.zeros((1, 0, 7)), **options)
    assert str(caught.value) == message
    with pytest.raises(ModelError) as caught:
        detections_from_topk(np.zeros((1, 0, 4)), np.zeros((1, 0)), np.zeros((1, 0)), **options)
    assert str(caught.value) == message
