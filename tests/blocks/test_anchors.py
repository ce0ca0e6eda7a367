"""wtsnet/blocks/heads/anchors.py: the decode of the anchor-based head against its formula, cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wtsnet.blocks.heads.anchors import best, predictions
from wtsnet.network.network import Network
from wtsnet.proof.verifying import relative_error
from wtsnet.reference import ReferenceRunner

CLASSES, VALUES = 3, 8
ANCHORS = np.array([[[10, 13], [16, 30]], [[116, 90], [156, 198]]], np.float32)
STRIDES = [8, 16]
SIZES = [(6, 4), (3, 2)]  # of the levels, for a picture of 48×32
Size = int | tuple[int, int, int]


def network(sizes: list[tuple[Size, Size]], k: int | None = None, batch: Size = 2, **options: Any) -> Network:
    """The head alone, on raw maps of `sizes`."""
    net = Network({}, **options)
    maps = [net.input(f"p{i}", (batch, 2 * VALUES, *size)) for i, size in enumerate(sizes)]
    rows = predictions([net.compute(x) for x in maps], ANCHORS, STRIDES)
    outputs = {"rows": rows} if k is None else best(rows, k)
    for name, y in outputs.items():
        net.output(name, y)
    return net


def raw(sizes: list[tuple[int, int]] = SIZES, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f"p{i}": 2 * torch.randn(batch, 2 * VALUES, *size, generator=generator) for i, size in enumerate(sizes)}


def decoded(maps: dict[str, torch.Tensor]) -> np.ndarray[Any, Any]:
    """The formula of the module's docstring, for one candidate after the other."""
    images = []
    for n in range(len(maps["p0"])):
        rows = []
        for level, anchors, stride in zip(maps.values(), ANCHORS, STRIDES, strict=True):
            y = 1 / (1 + np.exp(-level[n].double().numpy()))
            for a, (width, height) in enumerate(anchors):
                for row, column in np.ndindex(y.shape[1:]):
                    t = y[a * VALUES : (a + 1) * VALUES, row, column]
                    x, y_ = (2 * t[0] - 0.5 + column) * stride, (2 * t[1] - 0.5 + row) * stride
                    rows.append([x, y_, (2 * t[2]) ** 2 * width, (2 * t[3]) ** 2 * height, *t[4:]])
        images.append(rows)
    return np.array(images)


@pytest.mark.parametrize("dynamic", ["", "batch", "size", "both"])
def test_predictions(dynamic: str) -> None:
    sizes: list[tuple[Size, Size]] = (
        [((1, h, 9), (1, w, 9)) for h, w in SIZES] if dynamic in ("size", "both") else [*SIZES]
    )
    net = network(sizes, batch=(1, 2, 3) if dynamic in ("batch", "both") else 2)
    maps = raw()
    found = ReferenceRunner(net.trt).run(maps)["rows"]
    expected = decoded(maps)
    assert found.shape == (2, 2 * (6 * 4 + 3 * 2), VALUES)
    for columns in (slice(0, 2), slice(2, 4), slice(4, None)):
        assert relative_error(found[..., columns], expected[..., columns]) <= 1e-6


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_boxes_are_decoded_in_float32(precision: str) -> None:
    """Half precision would put the centres of a large picture half a pixel beside, or four."""
    size = (1, 100)  # the last column lies at 800 pixels
    maps = raw([size, size])
    net = network([size, size], precision=precision)
    rounded = {
        name: x.to({"fp16": torch.float16, "bf16": torch.bfloat16}[precision]).float() for name, x in maps.items()
    }
    found = ReferenceRunner(net.trt).run(maps)["rows"]
    assert found.dtype == np.float32
    assert relative_error(found, decoded(rounded)) <= 1e-6


def test_best() -> None:
    maps = raw()
    rows = decoded(maps)
    scores = rows[..., 4] * rows[..., 5:].max(-1)
    order = np.argsort(-scores, axis=1)[:, :5]
    chosen = np.take_along_axis(rows, order[..., None], 1)
    found = ReferenceRunner(network([*SIZES], k=5).trt).run(maps)
    assert list(found) == ["boxes", "scores", "classes"]
    assert relative_error(found["scores"], np.take_along_axis(scores, order, 1)) <= 1e-6
    corners = np.concatenate([chosen[..., :2] - chosen[..., 2:4] / 2, chosen[..., :2] + chosen[..., 2:4] / 2], -1)
    assert relative_error(found["boxes"], corners) <= 1e-6
    assert found["classes"].dtype == np.int32
    np.testing.assert_array_equal(found["classes"], chosen[..., 5:].argmax(-1))


@pytest.mark.parametrize("k", [None, 100])
def test_no_constant_grows_with_the_candidates(k: int | None) -> None:
    """One value a column, row or anchor, and a few that are single."""
    sizes: list[tuple[Size, Size]] = [(80, 60), (40, 30)]
    net = network(sizes, k=k)
    values = 0
    for index in range(net.trt.num_layers):
        layer = net.trt.get_layer(index)
        if layer.type.name == "CONSTANT":
            values += int(np.prod(tuple(layer.get_output(0).shape)))
    assert values <= 80 + 60 + 40 + 30 + ANCHORS.size + 10
