"""DETR's outputs, against the post-processing of transformers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.upstream.huggingface import package
from wtsnet.decode.boxes import detections_from_topk
from wtsnet.decode.sets import detr_raw
from wtsnet.errors import RunnerError

Array = npt.NDArray[Any]


def raw(pictures: int, queries: int = 100, classes: int = 91, seed: int = 0) -> tuple[Array, Array]:
    """Logits with a few sure queries among many of no object, and boxes of all sizes."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (pictures, queries, classes + 1)).astype(np.float32)
    logits[..., -1] += 6
    logits[:, ::4, :-1] += rng.normal(6, 4, (pictures, len(range(0, queries, 4)), classes))
    return logits, rng.random((pictures, queries, 4), np.float32)


@pytest.mark.parametrize("conf", [0.0, 0.25, 0.7])
@pytest.mark.parametrize("classes", [1, 91])
def test_is_upstreams_post_processing(conf: float, classes: int) -> None:
    logits, boxes = raw(3, classes=classes)
    outputs = SimpleNamespace(logits=torch.from_numpy(logits), pred_boxes=torch.from_numpy(boxes))
    size = (480, 640)
    processor = package().DetrImageProcessor()
    wanted = processor.post_process_object_detection(outputs, threshold=conf, target_sizes=[size] * 3)
    found = detections_from_topk(*detr_raw(logits, boxes, size), conf=conf, iou=None)
    for ours, theirs in zip(found, wanted, strict=True):
        order = torch.argsort(theirs["scores"], descending=True, stable=True)
        assert len(ours) == len(order) >= 2
        np.testing.assert_allclose(ours.boxes, theirs["boxes"][order], rtol=0, atol=1e-3)
        np.testing.assert_allclose(ours.scores, theirs["scores"][order], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(ours.classes, theirs["labels"][order])


def test_one_query_by_hand() -> None:
    logits = np.log(np.array([[[0.2, 0.5, 0.3]]]))
    boxes, scores, classes = detr_raw(logits, [[[0.5, 0.25, 0.2, 0.1]]], (100, 200))
    np.testing.assert_allclose(boxes, [[[80, 20, 120, 30]]], rtol=1e-6)
    np.testing.assert_allclose(scores, [[0.5]], rtol=1e-6)
    assert classes.tolist() == [[1]]


def test_large_logits_do_not_overflow() -> None:
    _, scores, classes = detr_raw([[[1000, 0, -1000]]], np.zeros((1, 1, 4)), (8, 8))
    assert (scores.tolist(), classes.tolist()) == ([[1.0]], [[0]])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(RunnerError, match=r"^logits and boxes have shapes \(1, 4, 1\) and \(1, 4, 4\), expected"):
        detr_raw(np.zeros((1, 4, 1)), np.zeros((1, 4, 4)), (8, 8))
    with pytest.raises(RunnerError, match=r"^logits and boxes have shapes \(1, 4, 3\) and \(1, 5, 4\), expected"):
        detr_raw(np.zeros((1, 4, 3)), np.zeros((1, 5, 4)), (8, 8))
