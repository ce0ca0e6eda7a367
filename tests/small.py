"""Networks small enough to build in a moment, for tests of everything around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wtsnet
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import WeightsManifest, manifest_path
from wtsnet.network.weights import Weights

Arrays = dict[str, NDArray[np.float32]]

LENET = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}

TINY = """
import wtsnet
from wtsnet.ops import conv2d, relu

@wtsnet.model("tiny", image=wtsnet.Image(size=8, multiple=2, preprocess={"kind": "crop", "resize": 10}))
def tiny(s, x):
    x = conv2d(s / "conv", x, 4, 3, padding=1).mean((2, 3), keepdim=True).named(s / "pool")
    return relu(x).named(s / "act")
"""

# YOLOv5's parts with two levels, strides 4 and 8, and 8 to 32 channels.
YOLO = {
    "nc": 2,
    "depth_multiple": 0.33,
    "width_multiple": 0.125,
    "anchors": [[4, 5, 8, 10], [16, 12, 20, 30]],
    "backbone": [
        [-1, 1, "Conv", [64, 6, 2, 2]],
        [-1, 1, "Conv", [128, 3, 2]],
        [-1, 3, "C3", [128]],
        [-1, 1, "Conv", [256, 3, 2]],
        [-1, 1, "SPPF", [256, 5]],
    ],
    "head": [
        [-1, 1, "Conv", [128, 1, 1]],
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "Conv", [128, 1, 1]],
        [[8, 4], 1, "Detect", ["nc", "anchors"]],
    ],
}


def lenet(seed: int = 0) -> Arrays:
    """Random weights of LeNet."""
    random = np.random.default_rng(seed)
    return {key: random.normal(0, 0.2, shape).astype(np.float32) for key, shape in LENET.items()}


def lenet_file(folder: Path, seed: int = 0) -> Path:
    """A .wts of them, with no manifest."""
    wtsnet.write_wts(folder / "lenet.wts", lenet(seed))
    return folder / "lenet.wts"


def tiny_file(folder: Path, source: str = TINY) -> str:
    """`FILE.py:tiny` of a model of one's own."""
    (folder / "mine.py").write_text(source)
    return f"{folder / 'mine.py'}:tiny"


def tiny(seed: int = 0) -> Arrays:
    """Random weights of it."""
    random = np.random.default_rng(seed)
    return {
        "conv.weight": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "conv.bias": random.normal(size=4).astype(np.float32),
    }


class _Invented(Weights):
    """Weights that are made up when they are taken."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__({})
        self.facts = facts
        self.made: Arrays = {}
        self._random = np.random.default_rng(0)

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        low, high = (0.5, 2.0) if "running_var" in key else (-0.5, 0.5)
        return self.made.setdefault(key, self._random.uniform(low, high, shape).astype(np.float32))


def yolo_file(folder: Path, eps: float = 1e-3) -> Path:
    """A .wts and the manifest of a narrow YOLOv5 of two classes."""
    facts = {"yaml": YOLO, "nc": 2, "names": ["one", "two"], "stride": [4.0, 8.0]}
    invented = _Invented(facts)
    wtsnet.define("yolov5", invented, imgsz=64)
    path = folder / "yolo.wts"
    wtsnet.write_wts(path, invented.made)
    norms = [key.removesuffix(".running_mean") for key in invented.made if key.endswith(".running_mean")]
    WeightsManifest(
        wtsnet=wtsnet.__version__,
        source={"file": "yolo.pt", "sha256": "0" * 64, "key": "model"},
        wts={"file": path.name, "sha256": sha256(path)},
        architecture=facts,
        bn_eps=dict.fromkeys(norms, eps),
        entries={key: {"shape": list(array.shape), "dtype": "float32"} for key, array in invented.made.items()},
    ).write(manifest_path(path))
    return path
