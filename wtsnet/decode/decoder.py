"""From a network's outputs to typed results, as its manifest says: every task's way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wtsnet.decode.boxes import Detections, detections
from wtsnet.decode.candidates import Candidates, Choice, select
from wtsnet.decode.classes import ClassScore, chosen_classes, top_classes
from wtsnet.decode.detectors import Detector, Outputs, output
from wtsnet.decode.keypoints import poses
from wtsnet.decode.lanes import Lane, LaneGrid
from wtsnet.decode.masks import instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap, maps_from_classes, maps_from_logits
from wtsnet.errors import ManifestError, ModelError, nearest
from wtsnet.pictures import Stretch

if TYPE_CHECKING:
    from wtsnet.decode.classes import Names
    from wtsnet.pictures import Placement

Result: TypeAlias = "Detections | RotatedDetections | ClassMap | tuple[Lane, ...] | list[ClassScore]"
Size: TypeAlias = tuple[int, int]
Places: TypeAlias = "Sequence[Placement | None]"


class Decoder:
    """Results from the outputs of a network.

    Args:
        decode: of the manifest: the task, and what it needs.
        names: of the classes, by index.
        conf: the lowest score of an object; 0.25 where it is None.
        iou: how much two boxes of a class may overlap; where it is None, what upstream does by default.
        limit: the most objects of a picture, or how many best classes; 300 or 5 where it is None.

    Attributes:
        task: "classify", "detect", "segment", "pose", "obb", "semantic" or "lanes".

    Raises:
        ManifestError: the manifest does not say what the outputs mean.
        ModelError: an option that has no meaning for the task, or a value that it can't take.
    """

    def __init__(
        self,
        decode: Mapping[str, Any],
        names: Names | None = None,
        *,
        conf: float | None = None,
        iou: float | None = None,
        limit: int | None = None,
    ) -> None:
        self.task = str(decode.get("task"))
        tasks: dict[str, Callable[[Outputs, Places, Size], Sequence[Result]]] = {
            "classify": self._classify,
            "semantic": self._semantic,
            "lanes": self._lanes,
            **dict.fromkeys(("detect", "segment", "pose", "obb"), self._detect),
        }
        if self.task not in tasks:
            raise ManifestError(
                f"decode: task: found {decode.get('task')!r}, expected one of {', '.join(tasks)}"
                f"{nearest(self.task, tasks)}"
            )
        self._decode = decode
        self._names = names
        self._results = tasks[self.task]
        if self._results == self._detect:
            self._detector = Detector(decode)
            if iou is not None and self._detector.iou is None:
                raise ModelError(f"iou is {iou!r}, but this detector finds each object once: nothing is suppressed")
            self._choice = Choice(
                0.25 if conf is None else conf,
                self._detector.iou if iou is None else iou,
                300 if limit is None else limit,
            )
            return
        given = {"conf": conf, "iou": iou, "limit": None if self.task == "classify" else limit}
        for name, value in given.items():
            if value is not None:
                raise ModelError(f"{name} is {value!r}, but has no meaning for the task {self.task!r}")
        self._limit = 5 if limit is None else limit
        if self.task == "lanes":
            self._grid = LaneGrid.from_dict(decode)

    def __call__(self, outputs: Outputs, places: Places, size: Size) -> list[Result]:
        """The result of each picture.

        Args:
            outputs: arrays by name, of N pictures.
            places: for each of the N, where it lies in the input; None where that is not known, and the result is
                wanted in input pixels.
            size: height and width of the input.

        Raises:
            RunnerError: an output is missing, of another shape, or has values that are NaN.
        """
        return list(self._results(outputs, places, size))

    def _classify(self, outputs: Outputs, places: Places, size: Size) -> list[list[ClassScore]]:
        if self._decode.get("head") == "topk":
            best = output(outputs, "scores"), output(outputs, "classes")
            return chosen_classes(*best, self._limit, names=self._names)
        name, scores = next(iter(outputs.items()))
        return top_classes(scores, self._limit, softmax=name != "prob", names=self._names)

    def _detect(self, outputs: Outputs, places: Places, size: Size) -> list[Detections | RotatedDetections]:
        found = self._detector.candidates(outputs, size, self._choice)
        chosen = [select(one, self._choice) for one in found]
        if self.task == "segment":
            planes = output(outputs, "prototypes")
            whole = zip(chosen, planes, places, strict=True)
            return [instances(detections(one), one.extra, own, size, place) for one, own, place in whole]
        pairs = zip(map(self._objects, chosen), places, strict=True)
        return [one if place is None else one.to_source(place) for one, place in pairs]

    def _objects(self, chosen: Candidates) -> Detections | RotatedDetections:
        if self.task == "obb":
            return RotatedDetections(chosen.boxes, chosen.scores, chosen.classes)
        return poses(chosen, self._decode["kpt_shape"]) if self.task == "pose" else detections(chosen)

    def _semantic(self, outputs: Outputs, places: Places, size: Size) -> list[ClassMap]:
        # Where there is padding, it has to go before the map can be brought to the picture's size.
        sizes = [place.source if isinstance(place, Stretch) else size for place in places]
        if "classes" in outputs:
            maps = maps_from_classes(outputs["classes"], sizes)
        else:
            logits = output(outputs, "logits")
            if logits.shape[1] == 1:  # of the second of two classes, the first having 0
                logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
            maps = maps_from_logits(logits, sizes)
        return [
            one if place is None or isinstance(place, Stretch) else _without_padding(one, place)
            for one, place in zip(maps, places, strict=True)
        ]

    def _lanes(self, outputs: Outputs, places: Places, size: Size) -> list[tuple[Lane, ...]]:
        sizes = [place.source if isinstance(place, Stretch) else size for place in places]
        found = self._grid.decode(output(outputs, "keypoints"), outputs.get("attributes"), sizes=sizes)
        return [
            tuple(lane if place is None or isinstance(place, Stretch) else _moved(lane, place) for lane in lanes)
            for lanes, place in zip(found, places, strict=True)
        ]


def _without_padding(found: ClassMap, place: Placement) -> ClassMap:
    top, left, height, width = place.area
    own = found.classes[top : top + height, left : left + width]
    return maps_from_classes(own[None], [place.source])[0]


def _moved(lane: Lane, place: Placement) -> Lane:
    return replace(lane, points=place.points_to_source(lane.points, clip=False))
