"""Class scores: from a classifier's output array to its best classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.errors import ManifestError, ModelError, RunnerError

Names: TypeAlias = "Sequence[str] | Mapping[int, str]"


@dataclass(frozen=True)
class ClassScore:
    """One class of one picture: its index, its name, its score."""

    index: int
    name: str
    score: float


def top_classes(
    scores: npt.ArrayLike, k: int = 5, *, softmax: bool = True, names: Names | None = None
) -> list[list[ClassScore]]:
    """The best `k` classes of each picture, best first; of equal scores the lower index goes first.

    Args:
        scores: (N, classes), logits, or with `softmax=False` what is to be reported as it is.
        k: how many; all when there are fewer classes.
        softmax: report the softmax over the classes.
        names: by class index; None names a class by its index.

    Raises:
        ModelError: `k` below 1.
        RunnerError: an array of another shape, or with NaN.
        ManifestError: `names` lacks a class that is among the best.
    """
    values = np.asarray(scores)
    if values.ndim != 2 or values.shape[1] == 0:
        raise RunnerError(f"class scores have shape {values.shape}, expected (N, classes)")
    if np.isnan(values).any():
        raise RunnerError(f"{np.count_nonzero(np.isnan(values))} of {values.size} class scores are NaN")
    if k < 1:
        raise ModelError(f"k is {k!r}, expected a whole number of 1 or more")
    # Ranked before the softmax, which makes far-apart logits equal.
    best = np.argsort(-values.astype(np.float64), axis=1, kind="stable")[:, :k]
    if softmax:
        values = _softmax(values)
    return [
        [ClassScore(int(i), class_name(names, int(i)), float(row[i])) for i in order]
        for order, row in zip(best, values, strict=True)
    ]


def chosen_classes(
    scores: npt.ArrayLike, classes: npt.ArrayLike, k: int = 5, *, names: Names | None = None
) -> list[list[ClassScore]]:
    """The best `k` classes of each picture, of those that the network itself chose, best first.

    Args:
        scores: (N, K), reported as they are.
        classes: (N, K), the class of each score.
        k: how many; all when there are fewer.
        names: by class index; None names a class by its index.

    Raises:
        ModelError: `k` below 1.
        RunnerError: arrays of other shapes, or with NaN.
        ManifestError: `names` lacks a class that is among the best.
    """
    indices = np.asarray(classes)
    values = np.asarray(scores)
    if values.ndim != 2 or indices.shape != values.shape:
        raise RunnerError(f"scores and classes have shapes {values.shape} and {indices.shape}, expected (N, K) both")
    ranked = top_classes(values, k, softmax=False)
    return [
        [ClassScore(int(own[one.index]), class_name(names, int(own[one.index])), one.score) for one in best]
        for own, best in zip(indices, ranked, strict=True)
    ]


def class_name(names: Names | None, index: int) -> str:
    """The name of class `index`, or the index itself where there are no names.

    Raises:
        ManifestError: there are names, but none for this class.
    """
    if names is None:
        return str(index)
    known = index in names if isinstance(names, Mapping) else 0 <= index < len(names)
    if not known:
        raise ManifestError(f"class {index} has no name: {len(names)} names are given")
    return names[index]


def _softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
