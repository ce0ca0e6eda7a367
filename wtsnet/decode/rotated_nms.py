"""Non-maximum suppression of turned boxes, whose overlap is measured between normal distributions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.nms import CLASS_STEP, Indices
from wtsnet.errors import ModelError, RunnerError

Floats: TypeAlias = npt.NDArray[np.float32]

EPS = np.float32(1e-7)  # keeps divisors, roots and logarithms away from 0, as upstream has it
_BLOCK = 256  # boxes that are compared with all better ones at a time


def probiou(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """How far turned boxes (n, 5) and (m, 5), x y w h angle, overlap: (n, m) from 0 to 1.

    A box is taken as the normal distribution of its mean and covariance, and the overlap of two is 1 less the Hellinger
    distance between them (Llerena et al. 2021, "Gaussian Bounding Boxes and Probabilistic Intersection-over-Union",
    https://arxiv.org/abs/2106.06072). In float32, in upstream's order: for thin boxes the rounding is seen.
    """
    (x, y, a, b, c), (u, v, d, e, f) = _normal(first)[..., None], _normal(second)[:, None]
    # With Σ = (Σ₁ + Σ₂) / 2 and s the sum of the two, the Bhattacharyya distance is
    # (μ₁ − μ₂)ᵀ Σ⁻¹ (μ₁ − μ₂) / 8 + ln(det Σ / √(det Σ₁ det Σ₂)) / 2, and det s = 4 det Σ.
    sa, sb, sc = a + d, b + e, c + f
    across, down = x - u, y - v
    together = sa * sb - sc * sc
    mahalanobis = (sa * (down * down) + sb * (across * across)) / (together + EPS) * np.float32(0.25)
    mahalanobis += sc * -across * down / (together + EPS) * np.float32(0.5)
    apart = np.sqrt(np.maximum(a * b - c * c, 0) * np.maximum(d * e - f * f, 0))
    spread = np.log(together / (4 * apart + EPS) + EPS) * np.float32(0.5)
    distance = np.clip(mahalanobis + spread, EPS, np.float32(100))
    overlap: Floats = 1 - np.sqrt(1 - np.exp(-distance) + EPS)
    return overlap


def _normal(boxes: npt.ArrayLike) -> Floats:
    """The normal distributions of boxes (n, 5): mean x and y, and a, b, c of the covariance [[a, c], [c, b]]."""
    x, y, width, height, angle = np.asarray(boxes, np.float32).T
    along, across = width * width / 12, height * height / 12  # variances of a uniform distribution
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = along * (cos * cos) + across * (sin * sin), along * (sin * sin) + across * (cos * cos)
    return np.stack([x, y, a, b, (along - across) * cos * sin])


def rotated_nms(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    classes: npt.ArrayLike,
    iou: float,
    *,
    max_det: int | None = None,
) -> Indices:
    """Suppression of turned boxes among those of a class.

    A box stays unless its `probiou` with a better one is above `iou`, whether that one stays or not: Fast NMS (Bolya et
    al. 2019, "YOLACT"), as upstream has it, not the greedy way of `nms`. Classes are kept apart as in `batched_nms`.

    Args:
        boxes: (n, 5), x y w h angle; pixels and radians.
        scores: (n,). Of equal scores the lower index goes first.
        classes: (n,), whole numbers.
        iou: threshold from 0 to 1.
        max_det: stop after so many; None keeps all.

    Returns:
        The indices of the boxes that stay, best score first.

    Raises:
        ModelError: an `iou` outside 0…1 or a `max_det` below 1.
        RunnerError: arrays of other shapes, or with NaN or infinite values.
    """
    turned, rated, labels = np.asarray(boxes, np.float32), np.asarray(scores, np.float32), np.asarray(classes)
    if turned.ndim != 2 or turned.shape[1] != 5 or not rated.shape == labels.shape == turned.shape[:1]:
        raise RunnerError(
            f"boxes, scores and classes have shapes {turned.shape}, {rated.shape} and {labels.shape}, "
            "expected (n, 5), (n,) and (n,)"
        )
    if not 0 <= iou <= 1:
        raise ModelError(f"iou is {iou!r}, expected a number from 0 to 1")
    if max_det is not None and max_det < 1:
        raise ModelError(f"max_det is {max_det!r}, expected a whole number of 1 or more")
    if broken := np.count_nonzero(~(np.isfinite(turned).all(axis=1) & np.isfinite(rated))):
        raise RunnerError(f"{broken} of {len(turned)} boxes or scores are NaN or infinite")
    order = np.argsort(-rated, kind="stable")
    turned = turned[order]
    turned[:, :2] += (labels[order].astype(np.float32) * np.float32(CLASS_STEP))[:, None]
    limit = len(order) if max_det is None else max_det
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = turned[start : start + _BLOCK]
        end = start + len(block)
        better = np.arange(end)[:, None] < np.arange(start, end)
        covered = ((probiou(turned[:end], block) > np.float32(iou)) & better).any(axis=0)
        kept = np.concatenate([kept, start + np.flatnonzero(~covered)])
        if len(kept) >= limit:
            break
    return order[kept[:limit]]
