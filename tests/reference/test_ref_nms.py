"""Non-maximum suppression against the greedy algorithm written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32


@pytest.mark.parametrize("centred", [False, True])
def test_nms_keeps_the_best_of_those_that_overlap(net: Any, centred: bool) -> None:
    corners = f32([[0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6], [0, 0, 2, 2.1]])
    boxes = corners
    if centred:
        boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    scores = f32([[0.6, 0.1], [0.9, 0.2], [0.7, 0.95], [0.5, 0.3]])
    layer = net.trt.add_nms(net.input(boxes[None]), net.input(scores[None]), net.constant(np.int32(2)))
    layer.set_input(3, net.constant(np.float32(0.5)))
    layer.set_input(4, net.constant(np.float32(0.25)))
    layer.bounding_box_format = getattr(trt.BoundingBoxFormat, "CENTER_SIZES" if centred else "CORNER_PAIRS")
    rows, count = net.run(layer.get_output(0), layer.get_output(1))
    np.testing.assert_array_equal(rows, [[0, 1, 2], [0, 0, 1], [0, 0, 2], [0, 1, 3]])  # by falling score
    assert count == 4


def iou(a: Any, b: Any) -> Any:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(high - low, 0))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def suppressed(boxes: Any, scores: Any, most: int, overlap: float, threshold: float, limit: int) -> Any:
    """Rows (batch, class, box) by batch and falling score, of boxes (N, B, classes, 4) and scores (N, B, classes)."""
    rows = []
    for n in range(len(scores)):
        kept = []
        for c in range(scores.shape[2]):
            best = [b for b in np.argsort(-scores[n, :, c]) if scores[n, b, c] > threshold][:limit]
            mine: list[int] = []
            for b in best:
                if len(mine) < most and all(iou(boxes[n, b, c], boxes[n, k, c]) <= overlap for k in mine):
                    mine.append(b)
            kept += [(scores[n, b, c], n, c, b) for b in mine]
        rows += [place for _, *place in sorted(kept, reverse=True)]
    return rows


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(("most", "limit"), [(3, 5000), (50, 6)])
def test_nms_of_batches_and_classes(net: Any, rng: np.random.Generator, per_class: bool, most: int, limit: int) -> None:
    classes = 3
    low = rng.random((2, 20, classes if per_class else 1, 2)).astype(np.float32)
    boxes = np.concatenate([low, low + rng.uniform(0.1, 0.5, low.shape).astype(np.float32)], -1)
    scores = rng.random((2, 20, classes)).astype(np.float32)
    layer = net.trt.add_nms(
        net.input(boxes if per_class else boxes[:, :, 0]), net.input(scores), net.constant(np.int32(most))
    )
    layer.set_input(3, net.constant(np.float32(0.3)))
    layer.set_input(4, net.constant(np.float32(0.4)))
    layer.topk_box_limit = limit
    rows, count = net.run(layer.get_output(0), layer.get_output(1))
    want = suppressed(np.broadcast_to(boxes, (2, 20, classes, 4)), scores, most, 0.3, 0.4, limit)
    np.testing.assert_array_equal(rows, want)
    assert count == len(want) > 5


def test_nms_that_keeps_nothing(net: Any) -> None:
    layer = net.trt.add_nms(
        net.input(np.zeros((1, 2, 4), np.float32)),
        net.input(np.zeros((1, 2, 1), np.float32)),
        net.constant(np.int32(5)),
    )
    rows, count = net.run(layer.get_output(0), layer.get_output(1))
    assert rows.shape == (0, 3)
    assert count == 0
