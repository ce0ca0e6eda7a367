"""The anchor-based detectors of the yolov5 package: from their output arrays to candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wtsnet.decode.candidates import Candidates, Choice, Floats, check_scores, scored
from wtsnet.errors import RunnerError


def yolov5_raw(
    levels: Sequence[npt.ArrayLike], anchors: npt.ArrayLike, strides: Sequence[float], masks: int = 0
) -> Floats:
    """Decode YOLOv5's raw head outputs (v6 and v7 formula, https://github.com/ultralytics/yolov5/issues/471).

    With s the sigmoid: centre = (2s - 0.5 + cell) · stride, size = (2s)² · anchor.

    Args:
        levels: one array a level, (N, A·(5 + nc + masks), H, W): logits of x y w h, objectness, classes, and
            coefficients of masks.
        anchors: (levels, A, 2), width and height in input pixels.
        strides: input pixels a cell, by level.
        masks: how many coefficients there are.

    Returns:
        (N, candidates, 5 + nc + masks): x y w h in input pixels, objectness, class scores, coefficients; candidates in
        the order (level, anchor, row, column).

    Raises:
        RunnerError: arrays that do not fit each other.
    """
    arrays = [np.asarray(level, np.float32) for level in levels]
    sizes = np.asarray(anchors, np.float32)
    if sizes.ndim != 3 or sizes.shape[2] != 2 or not 0 < len(sizes) == len(arrays) == len(strides):
        raise RunnerError(
            f"got {len(arrays)} levels, anchors of shape {sizes.shape} and {len(strides)} strides, "
            "expected as many of each, anchors as (levels, A, 2)"
        )
    per_anchor = sizes.shape[1]
    for array in arrays:
        if array.ndim != 4 or array.shape[1] % per_anchor or array.shape[1] < (6 + masks) * per_anchor:
            raise RunnerError(
                f"a level has shape {array.shape}, expected (N, A·(5 + nc{' + masks' * bool(masks)}), H, W) "
                f"with A = {per_anchor}"
            )
        if (array.shape[0], array.shape[1]) != arrays[0].shape[:2]:
            raise RunnerError(f"levels have shapes {[a.shape for a in arrays]}, expected one N and one A·(5 + nc)")
    made = [_decode_level(*level, masks) for level in zip(arrays, sizes, strides, strict=True)]
    return np.concatenate(made, axis=1)


def _decode_level(level: Floats, anchors: Floats, stride: float, masks: int) -> Floats:
    n, channels, height, width = level.shape
    values = channels // len(anchors)
    cells = level.reshape(n, len(anchors), values, height, width)
    with np.errstate(over="ignore"):  # exp of a large number is infinite and the sigmoid then 0, as it should be
        y: Floats = np.reciprocal(1 + np.exp(-cells))
    y = np.ascontiguousarray(np.moveaxis(y, 2, -1))  # (N, A, H, W, 5 + nc + masks)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y[..., :2] = (y[..., :2] * 2 - np.float32(0.5) + np.stack([columns, rows], axis=-1)) * np.float32(stride)
    y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * anchors[:, None, None]
    if masks:
        y[..., -masks:] = np.moveaxis(cells[:, :, -masks:], 2, -1)
    return y.reshape(n, -1, values)


def candidates_from_anchors(predictions: npt.ArrayLike, choice: Choice, masks: int = 0) -> list[Candidates]:
    """For each picture the candidates whose objectness, and objectness × class score, are above `choice.conf`.

    Args:
        predictions: (N, candidates, 5 + nc + masks), x y w h in input pixels, objectness, class scores, coefficients.

    Raises:
        RunnerError: an array of another shape; scores that are NaN.
    """
    array = np.asarray(predictions, np.float32)
    if array.ndim != 3 or array.shape[2] < 6 + masks:
        more = f" + {masks} masks" if masks else ""
        raise RunnerError(f"predictions have shape {array.shape}, expected (N, candidates, 5 + classes{more})")
    end = array.shape[2] - masks
    found = []
    for picture in array:
        check_scores(picture[:, 4:end])
        rows = picture[picture[:, 4] > choice.conf]
        scores = rows[:, 5:end] * rows[:, 4:5]
        found.append(scored(rows[:, :4], scores, rows[:, end:], choice.conf, choice.multi_label))
    return found
