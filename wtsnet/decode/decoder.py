"""From a network's outputs to typed results, as its manifest says: every task's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from wtsnet.decode.own import call_own, rows_of
from wtsnet.decode.registry import TASKS, Seen
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap, maps_from_classes, maps_from_logits
from wtsnet.decode.wanted import MORE, check_outputs
from wtsnet.errors import ManifestError, ModelError, RunnerError, WtsnetError, nearest
from wtsnet.manifest import whole_number
from wtsnet.pictures import Stretch

if TYPE_CHECKING:
    from wtsnet.decode.classes import Names
    from wtsnet.decode.registry import Function
    from wtsnet.manifest import Output
    from wtsnet.pictures import Placement

Result: TypeAlias = "Detections | RotatedDetections | ClassMap | tuple[Lane, ...] | list[ClassScore]"
Size: TypeAlias = tuple[int, int]
Places: TypeAlias = "Sequence[Placement | None]"


class Decoder:
    """Results from the outputs of a network.

    Args:
        decode: of the manifest: the task, and what it needs.
        names: of the classes, by index.
        own: what makes the results of a task that wtsnet does not read itself (see `wtsnet.decode.decoder`).
        conf: the lowest score of an object; 0.25 where it is None.
        iou: how much two boxes of a class may overlap; where it is None, what upstream does by default.
        limit: the most objects of a picture, or how many best classes; 300 or 5 where it is None.

    Attributes:
        task: "classify", "detect", "segment", "pose", "obb", "semantic", "lanes", or that of `own`.

    Raises:
        ManifestError: the manifest does not say what the outputs mean.
        ModelError: an option that has no meaning for the task, or a value that it can't take.
    """

    def __init__(
        self,
        decode: Mapping[str, Any],
        names: Names | None = None,
        *,
        own: Function | None = None,
        conf: float | None = None,
        iou: float | None = None,
        limit: int | None = None,
    ) -> None:
        for name, share in (("conf", conf), ("iou", iou)):
            if share is not None and not _is_share(share):
                raise ModelError(f"{name} is {share!r}, expected a number from 0 to 1")
        if limit is not None:
            limit = whole_number("limit", limit, 1)
        self.task = str(decode.get("task"))
        self._decode = decode
        self._names = names
        # Where a plan of another tool calls its outputs otherwise: our name of each, and the engine's own.
        self._called: Mapping[str, str] = decode.get("outputs", {})
        tasks: dict[str, Callable[[Outputs, Places, Size], Sequence[Result]]] = {
            "classify": self._classify,
            "semantic": self._semantic,
            "lanes": self._lanes,
            **dict.fromkeys(("detect", "segment", "pose", "obb"), self._detect),
        }
        self._own = None if self.task in tasks else own
        if self._own is not None:
            self._seen = Seen(names, decode, conf=conf, iou=iou, limit=limit)
            return
        if self.task not in tasks:
            raise ManifestError(_no_decoder(decode.get("task")))
        self._results = tasks[self.task]
        if self._results == self._detect:
            self._detector = Detector(decode)
            if self.task == "pose" and "kpt_shape" not in decode:
                raise ManifestError("decode: kpt_shape is missing")
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

    def check(self, outputs: Sequence[Output]) -> None:
        """Whether a network with these outputs, as its manifest tells them, has what the task reads.

        Raises:
            ManifestError: an output is missing, or has other axes than it must have.
        """
        if self._own is not None:
            return
        if self._called:
            theirs = {one["name"]: one for one in outputs}
            outputs = [{**theirs[name], "name": ours} for ours, name in self._called.items() if name in theirs]
        names = [output["name"] for output in outputs]
        if self._results == self._detect:
            wanted = self._detector.wanted()
        elif self.task == "semantic":
            wanted = {"classes": ("N", "H", "W")} if "classes" in names else {"logits": ("N", "classes", "H", "W")}
        elif self.task == "lanes":
            wanted = {"keypoints": ("N", MORE)}
        elif self._decode.get("head") == "topk":
            wanted = {"scores": ("N", "K"), "classes": ("N", "K")}
        else:
            wanted = dict.fromkeys(names[:1], ("N", "classes"))
        check_outputs(outputs, wanted, self.task)

    def __call__(self, outputs: Outputs, places: Places, size: Size | None) -> list[Any]:
        """The result of each picture, as `each` gives them one by one.

        Raises:
            RunnerError: as for `each`.
        """
        return list(self.each(outputs, places, size))

    def each(self, outputs: Outputs, places: Places, size: Size | None, called: Sequence[str] = ()) -> Iterator[Any]:
        """The result of each picture: a `Result`, or what `own` gives, which is called when its turn comes.

        Args:
            outputs: arrays by name, of N pictures.
            places: for each of the N, where it lies in the input; None where that is not known, and the result is
                wanted in input pixels.
            size: height and width of the input; None where it was no picture.
            called: what each of the N is called where `own` fails at it.

        Raises:
            RunnerError: an output is missing, of another shape, or has values that are NaN; `own` failed.
        """
        if self._own is not None:
            yield from self._owns(self._own, outputs, places, size, called)
            return
        if size is None and self.task != "classify":
            raise RunnerError(f"the task {self.task!r} is one of pictures, and the input is none")
        if self._called:
            outputs = {ours: output(outputs, name) for ours, name in self._called.items()}
        yield from self._results(outputs, places, size or (0, 0))

    def _owns(
        self, own: Function, outputs: Outputs, places: Places, size: Size | None, called: Sequence[str]
    ) -> Iterator[Any]:
        what = f"the decoder of {self.task!r}"
        for i, (row, place) in enumerate(zip(rows_of(outputs, len(places)), places, strict=True)):
            try:
                found = call_own(what, own, row, replace(self._seen, place=place, size=size))
            except WtsnetError as error:
                if called:
                    error.args = (f"{called[i]}: {error}",)
                raise
            yield found

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


def _is_share(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and bool(0 <= value <= 1)


def _no_decoder(task: Any) -> str:
    if task in (None, "", "none"):
        return (
            f"decode: task: found {task!r}: the model tells no task; give one with --task, or task= at build or in "
            f"@wtsnet.model: {', '.join(TASKS)}, or one with a @wtsnet.decoder of your own"
        )
    if not isinstance(task, str):
        return f"decode: task: found {task!r}, expected text, as in {TASKS[0]}"
    return (
        f"decode: task {task!r} has no decoder: register one with @wtsnet.decoder({task!r}) in the model's file"
        f"{nearest(str(task), TASKS)}"
    )


def _without_padding(found: ClassMap, place: Placement) -> ClassMap:
    top, left, height, width = place.area
    own = found.classes[top : top + height, left : left + width]
    return maps_from_classes(own[None], [place.source])[0]


def _moved(lane: Lane, place: Placement) -> Lane:
    return replace(lane, points=place.points_to_source(lane.points, clip=False))
