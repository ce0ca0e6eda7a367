"""From pictures to results: preprocess, run, decode, as an engine's manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.decode.boxes import detections_from_predictions, detections_from_topk, yolov5_raw
from wtsnet.decode.classes import top_classes
from wtsnet.errors import ManifestError
from wtsnet.preprocess import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.decode.boxes import Detections
    from wtsnet.decode.classes import ClassScore
    from wtsnet.engine import Engine
    from wtsnet.placement import Placement
    from wtsnet.runtime import Runner


_HEADS = ("topk", "decoded", "raw")


class Predictor:
    """Results for pictures, from an engine and a runner of it.

    Args:
        engine: tells how pictures are preprocessed and what the outputs mean.
        runner: one of `Engine.runner`.
        conf: the lowest score of a detection.
        iou: how much two boxes of a class may overlap.
        limit: the most detections a picture, or how many best classes.

    Raises:
        ManifestError: the manifest does not say what to do with a picture or with the outputs.
    """

    def __init__(
        self, engine: Engine, runner: Runner, *, conf: float = 0.25, iou: float = 0.45, limit: int | None = None
    ) -> None:
        manifest = engine.manifest
        if not manifest.preprocess:
            raise ManifestError(f"{engine.path or manifest.model}: the model does not take pictures")
        self.task = str(manifest.decode.get("task"))
        head = manifest.decode.get("head")
        if self.task != "classify" and (self.task != "detect" or head not in _HEADS):
            raise ManifestError(
                f"{engine.path or manifest.model}: decode: found task {self.task!r} and head {head!r}, "
                f"expected classify, or detect and one of {', '.join(_HEADS)}"
            )
        self._runner = runner
        self._preprocess = Preprocess.from_dict(manifest.preprocess)
        self._input = manifest.inputs[0]
        self._outputs = [output["name"] for output in manifest.outputs]
        self._decode = manifest.decode
        self._names = manifest.names or None
        self._conf = conf
        self._iou = iou
        self._limit = limit or (5 if self.task == "classify" else 300)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[Detections | list[ClassScore]]:
        """The result of each picture (H, W, 3) uint8 RGB, in order: detections in its own pixels, or its best
        classes. As many pictures go through the network at once as it takes."""
        most = self._input["max"][0]
        for start in range(0, len(images), most):
            batch, places = self._preprocess(images[start : start + most])
            short = self._input["min"][0] - len(batch)
            if short > 0:  # the engine takes no fewer: the last picture again
                batch = np.concatenate([batch, np.repeat(batch[-1:], short, axis=0)])
            outputs = self._runner(**{self._input["name"]: batch})
            yield from self._results({name: outputs[name][: len(places)] for name in self._outputs}, places)

    def _results(
        self, outputs: Mapping[str, NDArray[Any]], places: Sequence[Placement | None]
    ) -> list[Detections] | list[list[ClassScore]]:
        if self.task == "classify":
            name, scores = next(iter(outputs.items()))
            return top_classes(scores, self._limit, softmax=name != "prob", names=self._names)
        found = self._detections(outputs)
        return [one if place is None else one.to_source(place) for one, place in zip(found, places, strict=True)]

    def _detections(self, outputs: Mapping[str, NDArray[Any]]) -> list[Detections]:
        conf, iou, limit = self._conf, self._iou, self._limit
        if self._decode["head"] == "topk":
            best = outputs["boxes"], outputs["scores"], outputs["classes"]
            return detections_from_topk(*best, conf=conf, iou=iou, max_det=limit)
        if self._decode["head"] == "decoded":
            predictions = outputs["predictions"]
        else:
            predictions = yolov5_raw(list(outputs.values()), self._decode["anchors"], self._decode["strides"])
        return detections_from_predictions(predictions, conf=conf, iou=iou, max_det=limit)
