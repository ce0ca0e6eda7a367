"""Which arrays of a detector are what: candidates from its outputs, as its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wtsnet.decode.anchors import candidates_from_anchors, yolov5_raw
from wtsnet.decode.candidates import (
    Candidates,
    Choice,
    Floats,
    candidates_from_final,
    candidates_from_topk,
    check_scores,
    scored,
)
from wtsnet.decode.dfl import DFLHead
from wtsnet.decode.sets import detr_raw
from wtsnet.decode.wanted import MORE, Axes
from wtsnet.errors import ManifestError, RunnerError, nearest

Outputs = Mapping[str, npt.NDArray[Any]]

HEADS = ("topk", "decoded", "raw")
IOU = {"yolov5": 0.45, "dfl": 0.7}  # each package's own default
KINDS = (*IOU, "rtdetr", "detr")


class Detector:
    """Candidates from the outputs of a detector.

    Args:
        decode: of the manifest: `head`, `kind`, `task`, and what the kind needs beside them.

    Attributes:
        iou: how much two boxes of a class may overlap by default; None where it finds each object once, and nothing is
            to be suppressed.

    Raises:
        ManifestError: a key is missing, or has a value that it can't take.
    """

    def __init__(self, decode: Mapping[str, Any]) -> None:
        self._decode = decode
        self._head, kind = decode.get("head"), decode.get("kind")
        if self._head not in HEADS:
            raise ManifestError(f"decode: head: found {self._head!r}, expected one of {', '.join(HEADS)}")
        if kind not in KINDS and not (kind is None and self._head == "topk"):
            raise ManifestError(f"decode: kind: found {kind!r}, expected one of {', '.join(KINDS)}")
        self._kind = kind
        self._rotated = decode.get("task") == "obb"
        self.iou = None if decode.get("end2end") or kind in ("rtdetr", "detr") else IOU.get(str(kind), 0.45)
        self._dfl = DFLHead.from_dict(decode) if kind == "dfl" and self._head != "topk" else None

    def candidates(self, outputs: Outputs, size: tuple[int, int], choice: Choice) -> list[Candidates]:
        """For each picture the candidates that score above `choice.conf`, in input pixels.

        Args:
            outputs: the network's, by name.
            size: height and width of its input.

        Raises:
            RunnerError: an output is missing, of another shape, or has scores that are NaN.
        """
        if self._head == "topk":
            name = "rboxes" if self._rotated else "boxes"
            boxes, scores, classes = (output(outputs, key) for key in (name, "scores", "classes"))
            extra = next((outputs[key] for key in ("masks", "keypoints") if key in outputs), None)
            return candidates_from_topk(boxes, scores, classes, choice.conf, extra, rotated=self._rotated)
        if self._kind == "detr":
            found = detr_raw(output(outputs, "logits"), output(outputs, "pred_boxes"), size)
            return candidates_from_topk(*found, choice.conf)
        if self._kind == "rtdetr":
            return self._rtdetr(outputs, size, choice)
        if self._dfl is None:
            return self._anchors(outputs, choice)
        if self._head == "raw":
            return self._dfl.candidates_from_raw(self._levels(outputs), choice)
        predictions = output(outputs, "predictions")
        if self._dfl.end2end:
            return candidates_from_final(predictions, choice.conf, rotated=self._rotated)
        return self._dfl.candidates(predictions, choice)

    def wanted(self) -> dict[str, Axes]:
        """The outputs that `candidates` and the task read, with their axes."""
        task = self._decode.get("task")
        found: dict[str, Axes] = {}
        if self._head == "topk":
            boxes: dict[str, Axes] = {"rboxes": ("N", "K", 5)} if self._rotated else {"boxes": ("N", "K", 4)}
            found = {**boxes, "scores": ("N", "K"), "classes": ("N", "K")}
            if task == "segment":
                found["masks"] = ("N", "K", "coefficients")
            if task == "pose":
                found["keypoints"] = ("N", "K", MORE)
        elif self._kind == "detr":
            found = {"logits": ("N", "queries", "classes + 1"), "pred_boxes": ("N", "queries", 4)}
        elif self._head == "decoded":
            found = {"predictions": ("N", "candidates", "values")}
        elif self._kind == "rtdetr":
            found = {"boxes": ("N", "queries", 4), "logits": ("N", "queries", "classes")}
        else:
            found = dict.fromkeys(self._level_names(), ("N", "channels", "H", "W"))
        return found | ({"prototypes": ("N", "masks", "H", "W")} if task == "segment" else {})

    def _anchors(self, outputs: Outputs, choice: Choice) -> list[Candidates]:
        masks = output(outputs, "prototypes").shape[1] if self._decode.get("task") == "segment" else 0
        if self._head == "decoded":
            predictions = output(outputs, "predictions")
        else:
            predictions = yolov5_raw(self._levels(outputs), self._key("anchors"), self._key("strides"), masks)
        return candidates_from_anchors(predictions, choice, masks)

    def _rtdetr(self, outputs: Outputs, size: tuple[int, int], choice: Choice) -> list[Candidates]:
        """Boxes are x y w h in fractions of the picture."""
        pixels = np.array([size[1], size[0]] * 2, np.float32)
        if self._head == "decoded":
            predictions = np.array(output(outputs, "predictions"), np.float32)
            half = predictions[..., 2:4] / 2
            corners = np.concatenate([predictions[..., :2] - half, predictions[..., :2] + half], axis=2)
            return candidates_from_final(np.concatenate([corners * pixels, predictions[..., 4:]], axis=2), choice.conf)
        found = []
        for boxes, logits in zip(output(outputs, "boxes"), output(outputs, "logits"), strict=True):
            scores: Floats = np.reciprocal(1 + np.exp(-np.clip(logits.astype(np.float32), -80, None)))
            check_scores(scores)
            pairs = scored(boxes.astype(np.float32) * pixels, scores, scores[:, :0], choice.conf, True)
            found.append(pairs.take(np.argsort(-pairs.scores, kind="stable")[: len(boxes)]))
        return found

    def _levels(self, outputs: Outputs) -> list[npt.NDArray[Any]]:
        return [output(outputs, name) for name in self._level_names()]

    def _level_names(self) -> list[str]:
        return [f"p{int(stride).bit_length() - 1}" for stride in self._key("strides")]

    def _key(self, key: str) -> Any:
        if key not in self._decode:
            raise ManifestError(f"decode: {key} is missing")
        return self._decode[key]


def output(outputs: Outputs, name: str) -> npt.NDArray[Any]:
    """One of the outputs.

    Raises:
        RunnerError: there is none of that name.
    """
    if name not in outputs:
        raise RunnerError(f"outputs: found {', '.join(outputs)}, expected {name!r} among them{nearest(name, outputs)}")
    return outputs[name]
