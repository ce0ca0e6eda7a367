"""What is told of a result in lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wtsnet.decode import (
    ClassMap,
    ClassScore,
    Detection,
    Detections,
    Instances,
    Lane,
    Names,
    Poses,
    RotatedDetection,
    RotatedDetections,
    call_own,
    class_name,
)


def lines_of(where: str, found: Any, names: Names | None) -> Iterator[str]:
    """What is told of what was found in the picture called `where`: a line, and one for each object, class or lane. Of
    a result of a user's own its `str`.

    Raises:
        RunnerError: that `str` fails.
    """
    where = printable(where)
    if isinstance(found, Detections | RotatedDetections):
        yield f"{where}: {len(found)} found"
        objects: list[Detection | RotatedDetection] = list(found)
        for one, extra in zip(objects, _more(found), strict=True):
            box = " ".join(f"{value:.1f}" for value in one.box[:4])
            yield f"  {class_name(names, one.index):<16} {one.score:.3f}  {box}{extra}"
    elif isinstance(found, ClassMap):
        yield f"{where}:"
        for index, share in found.shares().items():
            yield f"  {class_name(names, index):<16} {share:.1%}"
    elif isinstance(found, tuple) and all(isinstance(one, Lane) for one in found):
        yield f"{where}:"
        yield from map(_lane, found)
    elif isinstance(found, list) and all(isinstance(one, ClassScore) for one in found):
        yield f"{where}:"
        for best in found:
            yield f"  {best.name:<16} {best.score:.3f}"
    else:
        yield from _own(where, call_own(f"{where}: str of {type(found).__name__}", str, found).splitlines())


def printable(text: str) -> str:
    """Text for one line, in which what can't be printed, as a line's end in a file's name, is escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _lane(lane: Lane) -> str:
    (x, y), (u, v) = lane.points[0], lane.points[-1]
    what = "".join(f"  {own.name} {own.score:.3f}" for own in lane.attributes)
    return f"  lane {lane.index:<11} {lane.scores.mean():.3f}  {x:.1f} {y:.1f} to {u:.1f} {v:.1f}{what}"


def _more(found: Detections | RotatedDetections) -> list[str]:
    """What is told of each object beside its box, in the order of their scores."""
    order = (-found.scores).argsort(kind="stable")
    if isinstance(found, RotatedDetections):
        return [f"  turned {angle:.3f}" for angle in found.boxes[order, 4]]
    if isinstance(found, Instances):
        return [f"  {mask.sum()} pixels" for mask in found.masks[order]]
    if isinstance(found, Poses):
        return ["  " + " ".join(f"{x:.1f},{y:.1f}" for x, y in own[:, :2]) for own in found.keypoints[order]]
    return [""] * len(order)


def _own(where: str, text: list[str]) -> Iterator[str]:
    if len(text) == 1:
        yield f"{where}: {text[0]}"
        return
    yield f"{where}:"
    for line in text:
        yield f"  {line}"
