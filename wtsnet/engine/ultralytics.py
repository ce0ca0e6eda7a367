"""What Ultralytics' header tells of an engine, in the words of a manifest.

Only what is known to be so is said: where the outputs are not as the task's are, nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.manifest import Output

_UNKNOWN = {"task": "none"}


@dataclass(frozen=True)
class Meaning:
    """How a picture becomes the input, what the outputs mean, and the names of the classes, as in a manifest."""

    preprocess: dict[str, Any] = field(default_factory=dict)
    decode: dict[str, Any] = field(default_factory=lambda: dict(_UNKNOWN))
    names: list[str] = field(default_factory=list)


def meaning(metadata: Mapping[str, Any], outputs: Sequence[Output]) -> Meaning:
    """What an engine means.

    Args:
        metadata: the header's; empty where there is none.
        outputs: the engine's own.
    """
    names, size = _names(metadata.get("names")), _size(metadata.get("imgsz"))
    shapes = {output["name"]: output["shape"] for output in outputs}
    channels = metadata.get("channels", 3)
    if not names or size is None or type(channels) is not int or "output0" not in shapes:
        return Meaning(names=names)
    more = {} if channels == 3 else {"channels": channels}
    if metadata.get("task") == "classify":
        if shapes["output0"][1:] != [len(names)] or size[0] != size[1]:
            return Meaning(names=names)
        preprocess = {"kind": "crop", "size": size, "resize": size[0], **more}
        return Meaning(preprocess, {"task": "classify", "outputs": {"prob": "output0"}}, names)
    decode = _detector(metadata, len(names), shapes)
    if decode is None:
        return Meaning(names=names)
    return Meaning({"kind": "letterbox", "size": size, "fill": 114, **more}, decode, names)


def _detector(metadata: Mapping[str, Any], classes: int, shapes: Mapping[str, list[int]]) -> dict[str, Any] | None:
    """What the outputs of a detector mean; None where they are not as they would be.

    They are (N, 4 + classes + extra, candidates), or, where each object is found once, (N, objects, 6 + extra).
    """
    task, shape, args = metadata.get("task"), shapes["output0"], metadata.get("args")
    suppressed = isinstance(args, dict) and bool(args.get("nms"))
    final = suppressed or bool(metadata.get("end2end"))
    decode: dict[str, Any] = {"kind": "dfl", "task": task, "head": "decoded", "classes": classes, "end2end": final}
    decode |= {"strides": [metadata.get("stride", 32)], "outputs": {"predictions": "output0"}}
    if task == "detect":
        extra = 0
    elif task == "segment":
        planes = shapes.get("output1", [])
        if len(planes) != 4:
            return None
        extra = decode["masks"] = planes[1]
        decode["outputs"]["prototypes"] = "output1"
    elif task == "pose":
        points = metadata.get("kpt_shape")
        if not isinstance(points, list) or len(points) != 2 or not all(type(count) is int for count in points):
            return None
        decode["kpt_shape"] = points
        extra = points[0] * points[1]
    elif task == "obb":
        extra = 1
    else:
        return None
    if metadata.get("head") == "RTDETRDecoder":  # a detector too, whose boxes are shares of the picture
        return None
    wide = 6 + extra if final else 4 + classes + extra
    return decode if len(shape) == 3 and shape[2 if final else 1] == wide else None


def _names(told: Any) -> list[str]:
    """The names of the classes in the order of their index: JSON has the indices as strings."""
    if isinstance(told, dict):
        told = [told.get(str(index)) for index in range(len(told))]
    return told if isinstance(told, list) and all(isinstance(name, str) for name in told) else []


def _size(told: Any) -> list[int] | None:
    """Height and width in pixels."""
    sides = told if isinstance(told, list) else [told, told]
    return sides if len(sides) == 2 and all(type(side) is int and side > 0 for side in sides) else None
