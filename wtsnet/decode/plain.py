"""Results of any task as plain data, which JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore, class_name
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.own import call_own
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap
from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from wtsnet.decode.classes import Names


def plain(result: Any, names: Names | None = None) -> Any:
    """A result as lists, mappings, text and numbers.

    Of wtsnet's own results (`wtsnet.decode.Result`) a mapping for each object, class or lane, the best first. Pixels
    have three digits behind the point, shares six.

    Objects have `class`, `name`, `score` and `box`, x1 y1 x2 y2, and beside these `mask`, as `run_lengths` gives it, or
    `keypoints`, x y and score; turned ones have `box` as x y w h angle, and `corners`. Classes of a picture have
    `score`, those of pixels `share`, how much of the picture they cover. Lanes have `lane`, `points`, `scores` and
    `attributes`.

    Of any other its `to_dict()`, the fields of a dataclass, or what it is, arrays being lists.

    Raises:
        ManifestError: `names` lacks a class.
        RunnerError: a result, or a part of one, that is nothing of these, contains itself, or is a number that is not
            finite; its key and its type are named.
    """
    if isinstance(result, Detections | RotatedDetections):
        return _objects(result, names)
    if isinstance(result, ClassMap):
        return [
            {"class": index, "name": class_name(names, index), "share": round(share, 6)}
            for index, share in result.shares().items()
        ]
    if isinstance(result, tuple) and all(isinstance(one, Lane) for one in result):
        return [_lane(one) for one in result]
    if isinstance(result, list) and all(isinstance(one, ClassScore) for one in result):
        return [_class(one) for one in result]
    try:
        return _data(result, "result")
    except RecursionError:
        raise RunnerError(
            f"result: found {type(result).__name__} that contains itself, or lies deeper than JSON can hold"
        ) from None


def _data(value: Any, key: str) -> Any:
    """Any value as plain data; `key` is where it lies in the result."""
    if isinstance(value, np.ndarray | np.generic):
        return _data(value.tolist(), key)
    if isinstance(value, float):
        return _finite(value, key)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): _data(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_data(item, f"{key}[{i}]") for i, item in enumerate(value)]
    if callable(getattr(value, "to_dict", None)) and not isinstance(value, type):
        return _data(call_own(f"to_dict of {type(value).__name__}", value.to_dict), key)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _data(getattr(value, field.name), f"{key}.{field.name}") for field in fields(value)}
    raise RunnerError(
        f"{key}: found {type(value).__name__}, which JSON can't hold, expected a dataclass, what has a to_dict(), or "
        "numbers, text, arrays, lists and mappings"
    )


def run_lengths(mask: npt.NDArray[np.bool_]) -> dict[str, list[int]]:
    """A mask (H, W) in COCO's uncompressed form: `size` [H, W], and `counts`, how many pixels follow each other, column
    by column, that are not set, then that are, and so on."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return {"size": list(mask.shape), "counts": np.diff([0, *changes, mask.size]).tolist()}


def _objects(found: Detections | RotatedDetections, names: Names | None) -> list[dict[str, Any]]:
    corners = found.corners() if isinstance(found, RotatedDetections) else None
    made = []
    for i in np.argsort(-found.scores, kind="stable"):
        index = int(found.classes[i])
        one = {
            "class": index,
            "name": class_name(names, index),
            "score": _rounded(found.scores[i], 6),
            "box": _rounded(found.boxes[i], 3),
        }
        if corners is not None:
            one["box"][4] = _rounded(found.boxes[i, 4], 6)
            one["corners"] = _rounded(corners[i], 3)
        elif isinstance(found, Instances):
            one["mask"] = run_lengths(found.masks[i])
        elif isinstance(found, Poses):
            one["keypoints"] = _rounded(found.keypoints[i], 3)
        made.append(one)
    return made


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "lane": lane.index,
        "points": _rounded(lane.points, 3),
        "scores": _rounded(lane.scores, 6),
        "attributes": [_class(one) for one in lane.attributes],
    }


def _class(one: ClassScore) -> dict[str, Any]:
    return {"class": one.index, "name": one.name, "score": _finite(round(one.score, 6), "result: score")}


def _rounded(values: npt.ArrayLike, digits: int) -> Any:
    # In float64: a float32 written out has digits that mean nothing.
    wide = np.asarray(values, np.float64)
    if not np.isfinite(wide).all():
        _finite(float(wide[~np.isfinite(wide)][0]), "result")
    return wide.round(digits).tolist()


def _finite(value: float, key: str) -> float:
    if not math.isfinite(value):
        raise RunnerError(f"{key}: found {value}, which JSON can't hold, expected a finite number")
    return value
