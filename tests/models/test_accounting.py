"""Weights are accounted for both ways: what a network lacks, what does not fit it, and what it leaves."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.models.conftest import Twin
from wtsnet import Network, define
from wtsnet.errors import MissingWeightError, ShapeError, UnusedWeightError
from wtsnet.network.weights import Weights

# The rest are these with more layers.
TWINS = [
    "lenet",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "yolov5",
    "yolov5n",
    "yolov9t",
    "yolo12n",
    "yolov5n6",
    "yolov8n-seg",
    "segformer-b0",
    "swin_v2_t",
    "vit-tiny-patch16",
    "densenet121",
    "mobilenet_v3_small",
    "squeezenet1_0",
    "convnextv2_atto",
    "repvgg_a0",
    "unet",
    "ufld_culane_18",
    "lane_detector_18",
]
pytestmark = pytest.mark.parametrize("twin", TWINS, indirect=True)


def weights_of(twin: Twin) -> tuple[dict[str, Any], dict[str, Any]]:
    """All weights as arrays of their shapes, and what the manifest says beside them."""
    tensors = twin.module.state_dict()
    return {name: tensor.numpy() for name, tensor in tensors.items()}, dict(Weights(twin.weights).facts)


def sample(weights: dict[str, Any]) -> list[str]:
    """The first, the last, and some between, of what is computed with."""
    names = [
        name
        for name in weights
        if not name.endswith(("num_batches_tracked", ".anchors", "_position_index", "_coords_table"))
    ]
    return [names[0], *islice(names, 1, None, max(len(names) // 6, 1)), names[-1]]


def define_from(twin: Twin, weights: dict[str, Any], facts: dict[str, Any]) -> Network:
    height, width = twin.x.shape[2:]
    return define(twin.name, Weights(weights).told(facts), imgsz=(height, width))


def test_every_weight_is_used(twin: Twin) -> None:
    weights, facts = weights_of(twin)
    assert not define_from(twin, weights, facts).weights.unused()


def test_flat_weights_are_as_good(twin: Twin) -> None:
    """A .wts tells the number of values and no shape."""
    weights, facts = weights_of(twin)
    flat = {name: value.reshape(-1) for name, value in weights.items()}
    define_from(twin, flat, facts)


def test_each_missing_weight_is_named(twin: Twin) -> None:
    weights, facts = weights_of(twin)
    for name in sample(weights):
        rest = {other: value for other, value in weights.items() if other != name}
        with pytest.raises(MissingWeightError, match=f"weights: {re.escape(name)}: the network wants it"):
            define_from(twin, rest, facts)


def test_each_weight_of_another_shape_is_named(twin: Twin) -> None:
    weights, facts = weights_of(twin)
    for name in sample(weights):
        value = weights[name]
        wrong = [np.concatenate([value, value], axis=-1), value.reshape(-1)[:-1]]
        if value.ndim > 1:
            wrong.append(np.moveaxis(value[..., None], 0, -1))  # as many values
        for array in wrong:
            with pytest.raises(ShapeError, match=f"weights: {re.escape(name)}: found"):
                define_from(twin, weights | {name: array}, facts)


def test_what_is_left_over_is_named(twin: Twin) -> None:
    weights, facts = weights_of(twin)
    more = weights | {"layer9.weight": np.zeros(3)}
    with pytest.raises(UnusedWeightError, match=rf"1 of {len(more)} weights were never used: layer9\.weight$"):
        define_from(twin, more, facts)
