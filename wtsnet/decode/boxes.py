"""Boxes: from a detector's output arrays to `Detections`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.anchors import candidates_from_anchors
from wtsnet.decode.candidates import Candidates, Choice, candidates_from_topk, select
from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from typing_extensions import Self

    from wtsnet.pictures import Placement

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Detection:
    """One found object: its box x1 y1 x2 y2 in pixels, its score from 0 to 1, its class's index."""

    box: tuple[float, float, float, float]
    score: float
    index: int


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one picture.

    boxes: (n, 4) float32, x1 y1 x2 y2 in pixels. scores: (n,) float32. classes: (n,) int64.
    Iterating gives each `Detection`, best score first.

    Raises:
        RunnerError: arrays of other shapes.
    """

    boxes: Floats
    scores: Floats
    classes: Integers

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name, shape in (("boxes", (count, 4)), ("scores", (count,)), ("classes", (count,))):
            got = getattr(self, name).shape
            if got != shape:
                raise RunnerError(f"{name} of {count} detections have shape {got}, expected {shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Detection]:
        for i in np.argsort(-self.scores, kind="stable"):
            x1, y1, x2, y2 = self.boxes[i].tolist()
            yield Detection((x1, y1, x2, y2), float(self.scores[i]), int(self.classes[i]))

    def to_source(self, place: Placement) -> Self:
        """The same objects in the pixels of the picture that was placed, clipped to it."""
        return replace(self, boxes=place.to_source(self.boxes))


def detections(chosen: Candidates) -> Detections:
    """The objects that candidates, already chosen, stand for."""
    return Detections(chosen.boxes, chosen.scores, chosen.classes)


def detections_from_predictions(
    predictions: npt.ArrayLike,
    *,
    conf: float = 0.25,
    iou: float | None = 0.45,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
) -> list[Detections]:
    """Select the objects from all candidates, as YOLOv5's non-maximum suppression does.

    A candidate whose objectness is above `conf` gives an object of its best class, or with `multi_label` of
    each class, where objectness × class score is above `conf`. Of these the best 30,000 go through NMS.

    Args:
        predictions: (N, candidates, 5 + nc), x y w h in input pixels, objectness, class scores.
        conf: objects score above this.
        iou: of two overlapping by more than this, the better stays; None suppresses nothing.
        max_det: at most so many objects a picture.
        classes: only these classes; None for all.
        agnostic: objects of different classes suppress each other, too.
        multi_label: a box may have several classes.

    Returns:
        For each of the N pictures its objects, best score first, in input pixels.

    Raises:
        ModelError: an option with a value that it can't take.
        RunnerError: an array of another shape; scores that are NaN, or boxes that are not finite.
    """
    choice = Choice(conf, iou, max_det, classes, agnostic, multi_label)
    return [detections(select(found, choice)) for found in candidates_from_anchors(predictions, choice)]


def detections_from_topk(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    conf: float = 0.25,
    iou: float | None = 0.45,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
) -> list[Detections]:
    """Select the objects from the best candidates, which the network itself chose.

    Args:
        boxes: (N, K, 4), x1 y1 x2 y2 in input pixels.
        scores: (N, K).
        labels: (N, K), the class of each box.
        conf, iou, max_det, classes, agnostic: as for `detections_from_predictions`.

    Returns and errors as for `detections_from_predictions`.
    """
    choice = Choice(conf, iou, max_det, classes, agnostic)
    return [detections(select(found, choice)) for found in candidates_from_topk(boxes, scores, labels, conf)]
