"""Set predictions (DETR): from a network's outputs to `Detections`, with nothing to suppress."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wtsnet.decode.boxes import Detections, Floats, Integers
from wtsnet.errors import ModelError, RunnerError


def detr_raw(logits: npt.ArrayLike, boxes: npt.ArrayLike, size: tuple[int, int]) -> tuple[Floats, Floats, Integers]:
    """Each query's box, and its best class by softmax, "no object" left aside (Carion et al. 2020, section 3.2).

    Args:
        logits: (N, queries, classes + 1), the last being "no object".
        boxes: (N, queries, 4), cx cy w h as shares of the picture.
        size: height and width of the input in pixels, or of whatever picture the boxes are wanted in.

    Returns:
        boxes (N, queries, 4) as x1 y1 x2 y2 in pixels, scores and classes (N, queries), in the queries' order.

    Raises:
        RunnerError: arrays of other shapes.
    """
    values, shares = np.asarray(logits, np.float32), np.asarray(boxes, np.float32)
    if values.ndim != 3 or values.shape[2] < 2 or shares.shape != (*values.shape[:2], 4):
        raise RunnerError(
            f"logits and boxes have shapes {values.shape} and {shares.shape}, "
            "expected (N, queries, classes + 1) and (N, queries, 4)"
        )
    powers = np.exp(values - values.max(axis=2, keepdims=True))
    scores = powers[..., :-1] / powers.sum(axis=2, keepdims=True)
    classes = scores.argmax(axis=2)
    half = shares[..., 2:] / 2
    corners = np.concatenate([shares[..., :2] - half, shares[..., :2] + half], axis=2)
    pixels = np.array([size[1], size[0]] * 2, np.float32)
    best = np.take_along_axis(scores, classes[..., None], axis=2)[..., 0]
    return corners * pixels, best, classes.astype(np.int64)


def detections_from_set(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    conf: float = 0.25,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
) -> list[Detections]:
    """Of each picture the objects that score above `conf`, best first.

    Args:
        boxes: (N, K, 4), x1 y1 x2 y2 in input pixels.
        scores: (N, K).
        labels: (N, K), the class of each box.
        conf: objects score above this.
        max_det: at most so many objects a picture.
        classes: only these classes; None for all.

    Raises:
        ModelError: an option with a value that it can't take.
        RunnerError: arrays of other shapes; scores that are NaN.
    """
    arrays = np.asarray(boxes, np.float32), np.asarray(scores, np.float32), np.asarray(labels, np.int64)
    shapes = [array.shape for array in arrays]
    if len(shapes[0]) != 3 or shapes[0][2] != 4 or not shapes[0][:2] == shapes[1] == shapes[2]:
        raise RunnerError(
            f"boxes, scores and labels have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}, "
            "expected (N, K, 4), (N, K) and (N, K)"
        )
    if not 0 <= conf <= 1:
        raise ModelError(f"conf is {conf!r}, expected a number from 0 to 1")
    if max_det < 1:
        raise ModelError(f"max_det is {max_det!r}, expected a whole number of 1 or more")
    if broken := np.count_nonzero(np.isnan(arrays[1])):
        raise RunnerError(
            f"{broken} of {arrays[1].size} scores are NaN: the network's weights or precision are at fault"
        )
    wanted = arrays[1] > conf
    if classes is not None:
        wanted &= np.isin(arrays[2], np.asarray(classes, np.int64))
    found = []
    for box, score, label, keep in zip(*arrays, wanted, strict=True):
        best = np.argsort(-score, kind="stable")
        best = best[keep[best]][:max_det]
        found.append(Detections(box[best], score[best], label[best]))
    return found
