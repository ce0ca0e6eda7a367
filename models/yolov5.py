"""YOLOv5 detection, v6/v7 layout, driven by architecture lists: those of the checkpoint, or the published ones."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from wtsnet.blocks.anchors import best, candidates, predictions, priors
from wtsnet.blocks.lists import Architecture, layers
from wtsnet.errors import ModelError
from wtsnet.network import Network
from wtsnet.ops import conv
from wtsnet.ops.reduce import TOPK_LIMIT
from wtsnet.registry import Image, model, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor
    from wtsnet.weights import Weights

HEADS = ("topk", "decoded", "raw")


@dataclasses.dataclass(frozen=True)
class YOLOv5:
    """A variant: a published letter, or None for the architecture in the manifest.

    Attributes:
        levels: the name of the published lists.
        imgsz: height and width of the pictures that it was trained on, in pixels.
        stride: input pixels between the cells of the coarsest level.
    """

    letter: str | None = None
    levels: str = "p5"
    imgsz: int = 640
    stride: int = 32
    architecture: Architecture | None = None
    head: str = option("topk", "what leaves the network: topk, decoded or raw")
    k: int = option(1000, f"how many boxes the topk head gives, up to {TOPK_LIMIT}")

    def bind(self, weights: Weights) -> YOLOv5:
        """With the architecture read: the letter's, or that in the manifest of the weights."""
        if self.head not in HEADS:
            raise ModelError(f"head: found {self.head!r}, expected one of {', '.join(HEADS)}")
        if not isinstance(self.k, int) or not 1 <= self.k <= TOPK_LIMIT:
            raise ModelError(f"k: found {self.k!r}, expected 1 to {TOPK_LIMIT}")
        if self.letter is None:
            return self._bind_manifest(weights)
        published = _published()
        depth, width = published["sizes"][self.letter]
        known = {**published[self.levels], "depth_multiple": depth, "width_multiple": width, "nc": -1}
        known["activation"] = (weights.facts.get("yaml") or {}).get("activation")  # no weight would tell
        return dataclasses.replace(self, architecture=Architecture.read(known, "yolov5.yaml"))

    def _bind_manifest(self, weights: Weights) -> YOLOv5:
        facts = weights.facts
        lists = facts.get("yaml")
        if not lists:
            raise ModelError(
                f"{weights.origin}: yolov5 takes its architecture from the manifest beside the .wts, which has none; "
                "export it from the checkpoint, or name a letter such as yolov5s"
            )
        architecture = Architecture.read({**lists, "nc": facts.get("nc", lists.get("nc"))}, weights.origin)
        stride = int(max(facts.get("stride", [self.stride])))
        trained = facts.get("imgsz", self.imgsz)
        pixels = max(trained) if isinstance(trained, list) else trained
        imgsz = -(-pixels // stride) * stride  # upstream rounds up, too
        return dataclasses.replace(self, architecture=architecture, stride=stride, imgsz=imgsz)


@cache
def _published() -> Any:
    return yaml.safe_load((files(__package__) / "yolov5.yaml").read_text(encoding="utf-8"))


VARIANTS = (
    {"yolov5": YOLOv5()}
    | {f"yolov5{letter}": YOLOv5(letter) for letter in "nsmlx"}
    | {f"yolov5{letter}6": YOLOv5(letter, "p6", imgsz=1280, stride=64) for letter in "nsmlx"}
)


def image(cfg: YOLOv5) -> Image:
    """The input: RGB pictures between 0 and 1."""
    return Image(size=cfg.imgsz, multiple=cfg.stride, preprocess={"kind": "letterbox", "fill": 114})


@model("yolov5", image=image, task="detect", upstream="ultralytics/yolov5 v6, v7", variants=VARIANTS)
def yolov5(s: Scope, x: Tensor, cfg: YOLOv5) -> Mapping[str, Tensor]:
    """All layers of the lists, then the head: `cfg.head` says what of it is in the network."""
    architecture = cfg.architecture
    if architecture is None:
        raise ModelError("yolov5: the configuration is not bound to weights")
    s = s / "model"
    count = len(architecture.rows) - 1
    anchors = _anchors_per_level(s / count, architecture)
    row, inputs = layers(s, x, architecture, anchors * (architecture.classes + 5))
    if row.block != "Detect":
        raise ModelError(f"architecture row {count}: found {row.block!r}, expected Detect as the last row")
    head = s / count
    values = -1 if architecture.classes < 0 else anchors * (architecture.classes + 5)
    raw = [conv(head / "m" / i, level, values, 1) for i, level in enumerate(inputs)]
    classes = raw[0].shape[1] // anchors - 5
    strides = _strides(x, raw, s.net.weights, cfg)
    pixels = _pixel_anchors(head, architecture, len(raw), anchors, strides)
    s.net.facts["decode"] = {
        "kind": "yolov5",
        "head": cfg.head,
        "classes": classes,
        "strides": strides,
        "anchors": pixels.tolist(),
    }
    if cfg.head == "raw":
        return {f"p{stride.bit_length() - 1}": level for stride, level in zip(strides, raw, strict=True)}
    rows, prior = candidates(head, raw, anchors), priors(head, raw, pixels, strides)
    if cfg.head == "decoded":
        return {"predictions": predictions(head, rows, prior)}
    return best(head, rows, prior, min(cfg.k, _fewest(s.net, strides) * anchors))


def _anchors_per_level(s: Scope, architecture: Architecture) -> int:
    """From the head's own `anchors` (levels, A, 2), else from the lists."""
    if s.has("anchors"):
        levels = len(architecture.rows[-1].sources)
        return int(s.take("anchors", levels, -1, 2).shape[1])
    if architecture.anchors:
        return len(architecture.anchors[0]) // 2
    raise ModelError(
        f"{s.net.weights.origin}: {s.key('anchors')}: neither the weights nor the architecture hold anchors"
    )


def _pixel_anchors(
    s: Scope, architecture: Architecture, levels: int, anchors: int, strides: list[int]
) -> NDArray[np.float32]:
    """Widths and heights in input pixels, (levels, A, 2). The head stores them divided by the stride."""
    s.leave("anchor_grid", "strides", "stride")  # some writers add them: they follow from the others
    if s.has("anchors"):
        stored = s.take("anchors", levels, anchors, 2)
        return stored * np.array(strides, np.float32)[:, None, None]
    return np.array(architecture.anchors, np.float32).reshape(levels, anchors, 2)


def _strides(x: Tensor, raw: list[Tensor], weights: Weights, cfg: YOLOv5) -> list[int]:
    """How many input pixels lie between the cells of each level."""
    if -1 not in x.shape[2:]:
        return [x.shape[2] // level.shape[2] for level in raw]
    if stride := weights.facts.get("stride"):
        return [int(value) for value in stride]
    # The sizes are dynamic: a small network with fixed ones tells.
    probe = Network(weights)
    size = 8 * cfg.stride
    fixed = probe.input("images", (1, x.shape[1], size, size))
    sizes = yolov5(probe.root, fixed, dataclasses.replace(cfg, head="raw"))
    return [size // level.shape[2] for level in sizes.values()]


def _fewest(net: Network, strides: list[int]) -> int:
    """How many cells the smallest picture of the profile has, over all levels."""
    height, width = next(iter(net.profile.values()))[0][2:]
    return sum((height // stride) * (width // stride) for stride in strides)
