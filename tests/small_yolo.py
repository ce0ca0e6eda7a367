"""Networks of every YOLO task, small enough to build in a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import wtsnet
from wtsnet.network.weights import Weights

BACKBONE = [[-1, 1, "Conv", [8, 3, 2]], *[[-1, 1, "Conv", [16, 3, 2]]] * 3]
NMS_FREE = {"end2end": True, "reg_max": 1}
# By name: the head's block, its arguments behind the number of classes, and what the lists say beside.
HEADS: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "detect": ("Detect", [], {}),
    "segment": ("Segment", [8, 8], {}),
    "pose": ("Pose", [[5, 3]], {"kpt_shape": [5, 3]}),
    "obb": ("OBB", [1], {}),
    "v10": ("v10Detect", [], {}),
    "detect26": ("Detect", [], NMS_FREE),
    "segment26": ("Segment26", [8, 8], NMS_FREE),
    "pose26": ("Pose26", [[5, 2]], {"kpt_shape": [5, 2], **NMS_FREE}),
    "obb26": ("OBB26", [1], NMS_FREE),
    "classify": ("Classify", [], {}),
}


class Realistic(Weights):
    """Weights that are made up when they are taken, such that activations stay near 1."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__({})
        self.facts = facts
        self.made: dict[str, NDArray[np.float32]] = {}
        self._random = np.random.default_rng(0)

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if key not in self.made:
            self.made[key] = self._like(key, shape).astype(np.float32)
        return self.made[key]

    def _like(self, key: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if key.endswith("dfl.conv.weight"):
            return np.arange(shape[1]).reshape(shape)
        if "cv2." in key and key.endswith(".2.bias"):  # of the sides' bins: boxes of a few cells
            bins = shape[0] // 4
            return np.tile(-0.5 * np.arange(bins) if bins > 1 else [2.0], 4)
        if len(shape) > 1:
            return self._random.normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape)
        low, high = (0.5, 1.5) if key.endswith(("running_var", "weight")) else (-0.5, 0.5)
        return self._random.uniform(low, high, shape)


def small_yolo(name: str, head: str, **options: Any) -> wtsnet.Engine:
    """An engine for two classes and pictures of 64×64, with a head of this name in `HEADS`."""
    block, args, more = HEADS[name]
    rows = [2, 3] if name != "classify" else -1
    lists = {"nc": 2, "backbone": BACKBONE, "head": [[rows, 1, block, ["nc", *args]]], **more}
    facts = {"yaml": lists, "nc": 2, "names": ["one", "two"], "stride": [8.0, 16.0]}
    invented = Realistic(facts)
    wtsnet.define("yolo", invented, imgsz=64, head=head)
    weights: Any = Weights(invented.made).told(facts)  # a mapping would tell nothing of the architecture
    return wtsnet.build("yolo", weights, imgsz=64, head=head, **options)
