"""Lane detectors: grids and inputs of one's own, what is left of published weights, and lanes in pixels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.conftest import run
from tests.upstream import realistic_one
from tests.upstream.realistic import realistic
from tests.upstream.ufld import ParsingNet
from wtsnet import define
from wtsnet.decode.lanes import LaneGrid
from wtsnet.definition.registry import models
from wtsnet.errors import ModelError, NetworkError, ShapeError, UnusedWeightError
from wtsnet.proof.verifying import relative_error

SIZE = (64, 96)


@pytest.fixture(scope="module")
def detector() -> tuple[Any, torch.Tensor]:
    made, x = realistic_one("lane_detector_18", batch=2)
    return made.module, x


def small(grid: tuple[int, int, int], backbone: str, size: tuple[int, int], aux: bool = False) -> ParsingNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ParsingNet(grid, backbone, size=size, hidden=16, aux=aux)


def outputs(net: Any) -> dict[str, tuple[int, ...]]:
    tensors = (net.trt.get_output(i) for i in range(net.trt.num_outputs))
    return {tensor.name: tuple(tensor.shape) for tensor in tensors}


def test_the_published_shapes() -> None:
    """Pictures of 288×800; 25,728 and 32 values."""
    for name, second, shapes in (
        ("lane_detector_34", (2, 16), {"keypoints": (1, 201, 32, 4), "attributes": (1, 2, 16)}),
        ("ufld_tusimple_18", None, {"keypoints": (1, 101, 56, 4)}),
    ):
        with torch.device("meta"):
            module = ParsingNet(shapes["keypoints"][1:], f"resnet{name[-2:]}", second)  # type: ignore[arg-type]
        weights = {key: np.zeros(value.shape, np.float32) for key, value in module.state_dict().items()}
        assert weights["cls.0.weight"].shape == (2048, 1800)
        assert outputs(define(name, weights)) == shapes
        flat = outputs(define(name, weights, flat=True))
        assert flat == {key: (1, int(np.prod(shape[1:]))) for key, shape in shapes.items()}
        if second:
            assert flat == {"keypoints": (1, 25728), "attributes": (1, 32)}


def test_flat_values_are_the_shaped_ones(detector: Any) -> None:
    module, x = detector
    shaped, flat = (
        run(define("lane_detector_18", module.state_dict(), batch=(1, 2, 4), imgsz=SIZE, flat=flat), x)
        for flat in (False, True)
    )
    for name, array in shaped.items():
        assert flat[name].shape == (2, array[0].size)
        np.testing.assert_array_equal(array.reshape(2, -1), flat[name])


def test_layers_for_training_alone_are_left() -> None:
    module = small((11, 18, 4), "resnet18", size=SIZE, aux=True)
    weights = module.state_dict()
    assert sum(key.startswith("aux_") for key in weights) > 50
    assert not define("ufld_culane_18", weights, imgsz=SIZE).weights.unused()
    with pytest.raises(UnusedWeightError, match=r"1 of \d+ weights were never used: aux\.weight$"):
        define("ufld_culane_18", {**weights, "aux.weight": torch.zeros(1)}, imgsz=SIZE)


def test_a_grid_of_ones_own() -> None:
    module, x = realistic(small((31, 7, 5), "resnet34", size=(96, 64)), torch.randn(1, 3, 96, 64))
    rows = [30, 40.5, 50, 60, 70, 80, 90]
    net = define("ufld_tusimple_34", module.state_dict(), imgsz=(96, 64), rows=rows, lanes=5)
    assert net.facts["decode"] == {"kind": "lanes", "size": [96, 64], "rows": rows, "cells": 30, "lanes": 5}
    with torch.no_grad():
        assert relative_error(run(net, x)["keypoints"], module(x).numpy()) <= 1e-5


def test_from_the_picture_to_lanes(detector: Any) -> None:
    """The facts are what the decoder takes."""
    module, x = detector
    names = [["solid", "dashed", "double", "none"], ["white", "yellow", "blue", "other"]]
    for flat in (False, True):
        net = define("lane_detector_18", module.state_dict(), batch=2, imgsz=SIZE, names=names, flat=flat)
        found = run(net, x)
        lanes = LaneGrid.from_dict(net.facts["decode"]).decode(**found, sizes=[(590, 1640), SIZE])
        assert len(lanes) == 2
        assert all(lanes)
        with torch.no_grad():
            keypoints, attributes = module(x)
        for i in range(2):
            crossed = (keypoints[i].argmax(0) < 200).sum(0)
            assert [lane.index for lane in lanes[i]] == [k for k in range(4) if crossed[k] > 2]
            for lane in lanes[i]:
                assert len(lane.points) == crossed[lane.index]
                best = attributes[i].view(2, 4, 4)[:, lane.index].argmax(1).tolist()
                assert [one.name for one in lane.attributes] == [names[0][best[0]], names[1][best[1]]]


def test_what_decoders_are_told(detector: Any) -> None:
    module, _ = detector
    decode = define("lane_detector_18", module.state_dict(), imgsz=SIZE).facts["decode"]
    rows = decode.pop("rows")
    assert decode == {
        "kind": "lanes",
        "size": [64, 96],
        "cells": 200,
        "lanes": 4,
        "attributes": 2,
        "order": ["attribute", "lane", "class"],
    }
    assert len(rows) == 32
    assert rows == pytest.approx(np.linspace(121, 287, 32) * 64 / 288)
    for name, first, last, count in (("ufld_culane_34", 121, 287, 18), ("ufld_tusimple_34", 64, 284, 56)):
        rows = models()[name].config.rows_at(288)
        assert (rows[0], rows[-1], len(rows)) == (first, last, count)


def test_attributes_in_another_order(detector: Any) -> None:
    for order, shape in (("class lane attribute", (1, 4, 8)), ("attribute class lane", (1, 2, 16))):
        net = define("lane_detector_18", detector[0].state_dict(), imgsz=SIZE, order=order)
        assert outputs(net)["attributes"] == shape
        assert net.facts["decode"]["order"] == order.split()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"rows": [10, 20, 30, 40, 50]},
            ShapeError,
            "weights: cls.2.bias: found 25728 values, expected a multiple of 5 ro",
        ),
        ({"rows": 30}, ModelError, "rows: found 30, expected a list of numbers"),
        ({"rows": [1, True]}, ModelError, "rows: found [1, True], expected a list of numbers"),
        ({"rows": [1.0] * 67, "lanes": 192}, ModelError, "rows, lanes: found 67 and 192, which leaves 1 grid cells"),
        ({"lanes": 0}, ModelError, "lanes: found 0, expected at least 1"),
        ({"attributes": 0}, ModelError, "attributes: found 0, expected at least 1"),
        (
            {"attributes": 3},
            ShapeError,
            "weights: attributes.2.bias: found 32 values, expected a multiple of 3 attributes",
        ),
        (
            {"order": "lane class"},
            ModelError,
            "order: found 'lane class', expected the words attribute, lane, class in an",
        ),
        ({"names": [["a"] * 4]}, ModelError, "names: found [['a', 'a', 'a', 'a']], expected 2 lists of 4 names each"),
        ({"imgsz": (64, 64)}, ShapeError, "weights: cls.0.weight: found shape (64, 48), expected (-1, 32)"),
        (
            {"imgsz": ((64, 64, 96), 96)},
            NetworkError,
            "network: input: found dynamic sizes (1, 3, -1, 96), expected fixed",
        ),
    ],
)
def test_what_is_refused(detector: Any, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        define("lane_detector_18", detector[0].state_dict(), **{"imgsz": SIZE, **options})
