"""Ultra Fast Lane Detection (Qin et al. 2020), with the weight names of cfzd/Ultra-Fast-Lane-Detection, and the same
network with a second classifier for what kind each lane is of.

A lane is looked for on some rows of the picture, the row anchors: on each, a classifier over the grid cells from left
to right, and one more for "no lane", says where the lane crosses it.
"""

from __future__ import annotations

import dataclasses
from math import prod
from typing import TYPE_CHECKING, Any

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.blocks.classifiers.resnet import resnet_stages
from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError, ShapeError
from wtsnet.network import module
from wtsnet.ops import conv2d, linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor, Weights

HEIGHT = 288  # of the input that the row anchors below are counted in
CULANE = (121, 131, 141, 150, 160, 170, 180, 189, 199, 209, 219, 228, 238, 248, 258, 267, 277, 287)
TUSIMPLE = tuple(range(64, 288, 4))
THIRTY_TWO = tuple(121 + i * 166 / 31 for i in range(32))
AXES = ("attribute", "lane", "class")
IMAGE = Image(size=(HEIGHT, 800), name="input", preprocess={"kind": "stretch", "mean": list(MEAN), "std": list(STD)})


@dataclasses.dataclass(frozen=True)
class UFLD:
    """A variant: blocks in each stage of the backbone, and the row anchors in pixels of an input 288 pixels high.

    Attributes:
        cells: grid cells, "no lane" not counted; what the weights hold.
    """

    depths: tuple[int, int, int, int]
    anchors: tuple[float, ...] = CULANE
    lanes: int = option(4, "lanes that the network tells apart")
    rows: tuple[float, ...] | None = option(
        None, "row anchors in pixels of the input, as in [121, 131, 141]; None for the published ones"
    )
    flat: bool = option(False, "whether each output leaves the network as one row of values a picture")
    cells: int = 0

    def bind(self, weights: Weights) -> UFLD:
        """Itself, once it is checked, with as many cells as the weights have for these rows and lanes."""
        return dataclasses.replace(self, cells=self._cells(weights))

    def _cells(self, weights: Weights) -> int:
        count = len(self.anchors if self.rows is None else _numbers("rows", self.rows))
        if self.lanes < 1:
            raise ModelError(f"lanes: found {self.lanes}, expected at least 1")
        each = _share(weights, "cls.2.bias", {"rows": count, "lanes": self.lanes})
        if each < 3:
            raise ModelError(f"rows, lanes: found {count} and {self.lanes}, which leaves {each - 1} grid cells")
        return each - 1

    def rows_at(self, height: int) -> list[float]:
        """The row anchors in pixels of an input of `height`."""
        if self.rows is not None:
            return [float(row) for row in self.rows]
        return [row * height / HEIGHT for row in self.anchors]


@dataclasses.dataclass(frozen=True)
class LaneDetector(UFLD):
    """With a second classifier, whose values are a class of each attribute of each lane."""

    attributes: int = option(2, "attributes of each lane")
    order: str = option("attribute lane class", "the axes that the values of the attributes stand for")
    names: tuple[tuple[str, ...], ...] | None = option(
        None, "names of each attribute's classes, as in [[solid, dashed], [white, yellow]]"
    )
    classes: int = 0

    def bind(self, weights: Weights) -> LaneDetector:
        """With as many classes as the weights have for these attributes and lanes, besides."""
        cells = self._cells(weights)
        if self.attributes < 1:
            raise ModelError(f"attributes: found {self.attributes}, expected at least 1")
        if sorted(self.order.split()) != sorted(AXES):
            raise ModelError(f"order: found {self.order!r}, expected the words {', '.join(AXES)} in an order")
        classes = _share(weights, "attributes.2.bias", {"attributes": self.attributes, "lanes": self.lanes})
        if self.names is not None and not _are_names(self.names, self.attributes, classes):
            raise ModelError(f"names: found {self.names!r}, expected {self.attributes} lists of {classes} names each")
        return dataclasses.replace(self, cells=cells, classes=classes)


BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
UFLDS = {
    f"ufld_{data}_{depth}": UFLD(blocks, anchors)
    for data, anchors in (("culane", CULANE), ("tusimple", TUSIMPLE))
    for depth, blocks in BASIC.items()
}
# Nobody has published how its rows lie: evenly, where CULane's lie.
LANE_DETECTORS = {f"lane_detector_{depth}": LaneDetector(blocks, THIRTY_TWO) for depth, blocks in BASIC.items()}


@model("ufld", image=IMAGE, task="lanes", upstream="cfzd/Ultra-Fast-Lane-Detection", variants=UFLDS)
def ufld(s: Scope, x: Tensor, cfg: UFLD) -> Mapping[str, Tensor]:
    """A ResNet, and two linear layers over its last map, brought to eight channels.

    `keypoints` is (N, cells + 1, rows, lanes): what speaks for each cell of each row being the lane's, the last for the
    lane not crossing that row. With `flat` it is (N, values).
    """
    return {"keypoints": _keypoints(s, _features(s, x, cfg), cfg)}


@model("lane_detector", image=IMAGE, task="lanes", upstream="none published", variants=LANE_DETECTORS)
def lane_detector(s: Scope, x: Tensor, cfg: LaneDetector) -> Mapping[str, Tensor]:
    """The same with 32 rows, and a second classifier of the same form over the same features, `attributes`.

    `attributes` is (N, 2, 16), of which no description is published. It is read as (attribute, lane × class): logits of
    four classes for two attributes of each of four lanes. Options `attributes`, `lanes` and `order` read it otherwise;
    the first axis of `order` is the output's second, and the other two are its third. With `flat` it is (N, values).
    """
    features = _features(s, x, cfg)
    keypoints = _keypoints(s, features, cfg)
    y = _classifier(s / "attributes", features)
    sizes = dict(zip(AXES, (cfg.attributes, cfg.lanes, cfg.classes), strict=True))
    order = cfg.order.split()
    s.net.facts["decode"] |= {"attributes": cfg.attributes, "order": order}
    if cfg.names is not None:
        s.net.facts["decode"]["names"] = [list(own) for own in cfg.names]
    if not cfg.flat:
        y = y.unflatten(1, (sizes[order[0]], -1))
    return {"keypoints": keypoints, "attributes": y}


def _features(s: Scope, x: Tensor, cfg: UFLD) -> Tensor:
    """The last map as one row of values a picture, (N, 8·H/32·W/32)."""
    # Segmentation, which the backbone is trained on as well.
    s.leave_modules("aux_header2", "aux_header3", "aux_header4", "aux_combine")
    height, width = x.shape[2:]
    if -1 in (height, width):
        raise s.error(f"input: found dynamic sizes {x.shape}, expected fixed ones: each place has weights of its own")
    s.net.facts["decode"] = {
        "kind": "lanes",
        "size": [height, width],
        "rows": cfg.rows_at(height),
        "cells": cfg.cells,
        "lanes": cfg.lanes,
    }
    maps = resnet_stages(s / "model", x, cfg.depths, bottleneck=False)
    for i, made in enumerate(maps[1:]):
        made.named((s / "model")[i])
    y = conv2d(s / "pool", maps[-1], -1, 1)
    places = prod(y.shape[1:])
    try:
        (s / "cls" / 0).take("weight", -1, places)
    except ShapeError as error:
        raise ShapeError(f"{error}; an input of {height}x{width} makes {places} values") from None
    return y.flatten(1)


def _keypoints(s: Scope, features: Tensor, cfg: UFLD) -> Tensor:
    y = _classifier(s / "cls", features)
    return y if cfg.flat else y.unflatten(1, (cfg.cells + 1, -1, cfg.lanes))


@module
def _classifier(s: Scope, x: Tensor) -> Tensor:
    return linear(s / 2, relu(linear(s / 0, x, -1)), -1)


def _share(weights: Weights, key: str, counts: Mapping[str, int]) -> int:
    """How many values of `key` there are for each of the things that options count."""
    values = weights.take(key, (-1,)).size
    if values % prod(counts.values()):
        each = " × ".join(f"{count} {name}" for name, count in counts.items())
        raise ShapeError(
            f"{weights.origin}: {key}: found {values} values, expected a multiple of {each}; "
            f"options {' and '.join(counts)} say how many there are"
        )
    return values // prod(counts.values())


def _numbers(name: str, values: Any) -> list[float]:
    numbers = list(values) if isinstance(values, list | tuple) else []
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise ModelError(f"{name}: found {values!r}, expected a list of numbers")
    return numbers


def _are_names(names: Any, attributes: int, classes: int) -> bool:
    if not isinstance(names, list | tuple) or len(names) != attributes:
        return False
    return all(
        isinstance(own, list | tuple) and len(own) == classes and all(isinstance(name, str) for name in own)
        for own in names
    )
