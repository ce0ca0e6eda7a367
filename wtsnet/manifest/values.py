"""Checks of plain values that users and manifests give. Errors are ModelErrors, and name the key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wtsnet.errors import ModelError, nearest


def one_of(key: str, value: Any, known: Mapping[str, Any] | Sequence[str]) -> None:
    """Raise ModelError unless `value` is one of `known`; the nearest is named."""
    if value not in tuple(known):
        raise ModelError(f"{key} is {value!r}, expected {' or '.join(known)}{nearest(str(value), known)}")


def height_width(size: Any) -> tuple[int, int]:
    """A number, or (height, width), as a pair of whole numbers of 1 or more; else ModelError."""
    sides = size if isinstance(size, (list, tuple)) else (size, size)
    if len(sides) != 2 or not all(_is_whole(side, 1) for side in sides):
        raise ModelError(f"size is {size!r}, expected a whole number of 1 or more, or height and width")
    return int(sides[0]), int(sides[1])


def whole_number(key: str, value: Any, low: int, high: float = math.inf) -> int:
    """A whole number within bounds as an int; else ModelError."""
    if not _is_whole(value, low, high):
        bounds = f"from {low} to {high}" if math.isfinite(high) else f"of {low} or more"
        raise ModelError(f"{key} is {value!r}, expected a whole number {bounds}")
    return int(value)


def _is_whole(value: Any, low: int, high: float = math.inf) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= int(value) <= high


def numbers(key: str, values: Any, count: int, above: float = -math.inf) -> tuple[float, ...]:
    """`count` finite numbers, or one alone, as floats; else ModelError."""
    given: list[Any] = list(values) if isinstance(values, (list, tuple, np.ndarray)) else [values]
    right = all(isinstance(n, (int, float, np.number)) and not isinstance(n, bool) for n in given)
    if not right or len(given) != count or not all(math.isfinite(n) and n > above for n in given):
        bounds = f" above {above:g}" if math.isfinite(above) else ""
        raise ModelError(f"{key} is {values!r}, expected {count} finite number{'s' * (count != 1)}{bounds}")
    return tuple(float(n) for n in given)
