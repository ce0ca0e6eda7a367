"""The anchor-free detectors, YOLOv8 and its kin: from their output arrays to candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log, pi
from typing import Any

import numpy as np
import numpy.typing as npt

from wtsnet.decode.candidates import Candidates, Choice, Floats, check_scores, scored
from wtsnet.errors import ManifestError, RunnerError

MOST = 300  # candidates, and pairs of one and a class, that an NMS-free detector gives
_KEYS = ("classes", "strides", "reg_max", "task", "masks", "kpt_shape", "end2end", "spread", "angle")


@dataclass(frozen=True)
class DFLHead:
    """What a head's raw maps and its predictions hold, as the manifest says.

    classes: how many. strides: input pixels a cell, by level. reg_max: bins of each side's distribution (Li et al.
    2020, "Generalized Focal Loss"); of one bin it is the distance itself. task: "detect", "segment", "pose" or "obb".
    masks: coefficients of a mask. kpt_shape: key points, and values of each. end2end: whether it finds each object
    once. spread: how many cells a key point's logit of 1 is, 2 or 1. angle: "logit", or "radians" as it is.

    Raises:
        ManifestError: pose without kpt_shape.
    """

    classes: int
    strides: Sequence[int]
    reg_max: int = 16
    task: str = "detect"
    masks: int = 0
    kpt_shape: Sequence[int] | None = None
    end2end: bool = False
    spread: float = 2.0
    angle: str = "logit"

    def __post_init__(self) -> None:
        if self.task == "pose" and (self.kpt_shape is None or len(self.kpt_shape) != 2):
            raise ManifestError(f"decode: kpt_shape: found {self.kpt_shape!r}, expected [key points, 2 or 3]")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DFLHead:
        """From a manifest's mapping, which may hold more.

        Raises:
            ManifestError: a key is missing.
        """
        for key in ("classes", "strides"):
            if key not in data:
                raise ManifestError(f"decode: {key} is missing")
        return cls(**{key: data[key] for key in _KEYS if key in data})

    @property
    def extra(self) -> int:
        """How many values a candidate has beside its box and its class scores."""
        points = self.kpt_shape or (0, 0)
        return {"segment": self.masks, "pose": points[0] * points[1], "obb": 1}.get(self.task, 0)

    def predictions(self, levels: Sequence[npt.ArrayLike]) -> Floats:
        """Decode the raw maps: (N, 4 + classes + extra, candidates), x y w h in input pixels, class scores, extra.

        Args:
            levels: one array a level, (N, 4·reg_max + classes + extra, H, W).

        Raises:
            RunnerError: arrays of other shapes.
        """
        columns, points, stride = self._columns(levels)
        return np.stack([self._decoded(picture, points, stride) for picture in columns])

    def candidates_from_raw(self, levels: Sequence[npt.ArrayLike], choice: Choice) -> list[Candidates]:
        """For each picture its candidates that score above `choice.conf`; only these are decoded.

        Raises:
            RunnerError: arrays of other shapes; scores that are NaN.
        """
        columns, points, stride = self._columns(levels)
        first, end = 4 * self.reg_max, 4 * self.reg_max + self.classes
        # A little lower, as σ rounds; what is chosen here is judged again by its score.
        least = log(choice.conf / (1 - choice.conf)) - 1e-3 if 0 < choice.conf < 1 else -inf
        found = []
        for picture in columns:
            check_scores(picture[first:end])
            chosen = np.flatnonzero(picture[first:end].max(axis=0) > least)
            decoded = self._decoded(picture[:, chosen], points[:, chosen], stride[chosen])
            found.append(self._candidates(decoded.T, choice))
        return found

    def candidates(self, predictions: npt.ArrayLike, choice: Choice) -> list[Candidates]:
        """The same of predictions (N, 4 + classes + extra, candidates)."""
        array = np.asarray(predictions, np.float32)
        channels = 4 + self.classes + self.extra
        if array.ndim != 3 or array.shape[1] != channels:
            raise RunnerError(f"predictions have shape {array.shape}, expected (N, {channels}, candidates)")
        found = []
        for picture in array:
            check_scores(picture[4 : 4 + self.classes])
            above = picture[4 : 4 + self.classes].max(axis=0) > choice.conf
            found.append(self._candidates(picture[:, above].T, choice))
        return found

    def _candidates(self, rows: Floats, choice: Choice) -> Candidates:
        """Of rows (n, 4 + classes + extra)."""
        boxes, scores, extra = np.split(rows, [4, 4 + self.classes], axis=1)
        if self.task == "obb":
            boxes, extra = np.concatenate([boxes, extra], axis=1), extra[:, :0]
        if not self.end2end:
            return scored(boxes, scores, extra, choice.conf, choice.multi_label)
        # As within the network: the best candidates by their best class, then the best pairs of these and a class.
        best = np.argsort(-scores.max(axis=1), kind="stable")[:MOST]
        pairs = scored(boxes[best], scores[best], extra[best], choice.conf, True)
        return pairs.take(np.argsort(-pairs.scores, kind="stable")[:MOST])

    def _columns(self, levels: Sequence[npt.ArrayLike]) -> tuple[Floats, Floats, Floats]:
        """All candidates side by side (N, C, n), the middles of their cells (2, n) and their strides (n,)."""
        arrays = [np.asarray(level, np.float32) for level in levels]
        channels = 4 * self.reg_max + self.classes + self.extra
        if not 0 < len(arrays) == len(self.strides):
            raise RunnerError(f"got {len(arrays)} levels, expected {len(self.strides)}")
        for array in arrays:
            if array.ndim != 4 or array.shape[:2] != (len(arrays[0]), channels):
                shapes = [array.shape for array in arrays]
                raise RunnerError(f"levels have shapes {shapes}, expected (N, {channels}, H, W)")
        places = [np.mgrid[: level.shape[2], : level.shape[3]].reshape(2, -1)[::-1] for level in arrays]
        stride = np.repeat(np.array(self.strides, np.float32), [place.shape[1] for place in places])
        columns = np.concatenate([level.reshape(*level.shape[:2], -1) for level in arrays], axis=2)
        return columns, np.concatenate(places, axis=1).astype(np.float32) + np.float32(0.5), stride

    def _decoded(self, columns: Floats, points: Floats, stride: Floats) -> Floats:
        """Candidates (C, n) of one picture as (4 + classes + extra, n)."""
        boxes, scores, extra = np.split(columns, [4 * self.reg_max, 4 * self.reg_max + self.classes])
        sides = boxes if self.reg_max == 1 else _expected(boxes.reshape(4, self.reg_max, -1))
        extra = self._extra(extra, points, stride)
        shift = (sides[2:] - sides[:2]) / 2
        if self.task == "obb":
            cos, sin = np.cos(extra), np.sin(extra)
            shift = np.concatenate([shift[:1] * cos - shift[1:] * sin, shift[:1] * sin + shift[1:] * cos])
        centred = np.concatenate([points + shift, sides[:2] + sides[2:]]) * stride
        return np.concatenate([centred, _sigmoid(scores), extra])

    def _extra(self, values: Floats, points: Floats, stride: Floats) -> Floats:
        if self.task == "obb" and self.angle == "logit":
            angles: Floats = (_sigmoid(values) - np.float32(0.25)) * np.float32(pi)
            return angles
        if self.task != "pose" or self.kpt_shape is None:
            return values
        y: Floats = values.reshape(*self.kpt_shape, -1).copy()
        y[:, :2] = (y[:, :2] * np.float32(self.spread) + (points - np.float32((self.spread - 1) / 2))) * stride
        y[:, 2:] = _sigmoid(y[:, 2:])
        return y.reshape(values.shape)


def _expected(logits: Floats) -> Floats:
    """The mean of the bins' numbers under the softmax of their logits (4, bins, n): (4, n)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    numbers = np.arange(logits.shape[1], dtype=np.float32)
    mean: Floats = np.einsum("sbn,b->sn", powers, numbers) / powers.sum(axis=1)
    return mean


def _sigmoid(values: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp of a large number is infinite and the sigmoid then 0, as it should be
        y: Floats = np.reciprocal(1 + np.exp(-values))
    return y
