"""Set predictions (DETR): what each query found, with nothing to suppress."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wtsnet.decode.boxes import Floats, Integers
from wtsnet.errors import RunnerError


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
