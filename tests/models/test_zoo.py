"""Every registered model that is not compared module by module: each of its weights is used, and it makes a plan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.conftest import COMPARED
from tests.upstream import find
from wtsnet import build
from wtsnet.definition.registry import models
from wtsnet.trt.flavours import flavour

POOL = np.random.default_rng(0).random(1 << 20, np.float32) / 64
OTHERS = [name for name in models() if name not in COMPARED]


def test_every_family_is_compared() -> None:
    families = {model.family for model in models().values()}
    assert {models()[name].family for name in COMPARED} == families


def invented(name: str) -> tuple[dict[str, NDArray[np.float32]], tuple[int, int]]:
    """Weights of the right shapes, soon made and no two the same, and a height and width for the model."""
    made = find(name, shapes_only=True)
    tensors = made.module.state_dict().items()
    return {key: _some(i, tensor.shape) for i, (key, tensor) in enumerate(tensors)}, made.shape[1:]


def _some(start: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`shape` values of the pool, from `start` on and over again: a view where there are enough."""
    count = math.prod(shape)
    return np.resize(POOL[start : start + max(count, 1)], shape)


@pytest.mark.zoo
@pytest.mark.skipif(flavour() != "tensorrt_rtx", reason="only tensorrt_rtx builds with no GPU")
@pytest.mark.parametrize("name", OTHERS)
def test_weights_and_plan(name: str) -> None:
    weights, imgsz = invented(name)
    options: dict[str, Any] = {"precision": "fp16", "batch": (1, 2, 4), "imgsz": imgsz}
    engine = build(name, weights, target="sm89", **options)  # a weight that is missing or left over is an error
    assert engine.manifest.target == ["sm89"]
    assert engine.manifest.inputs[0]["shape"][0] == -1
    # A plan holds the weights. TensorRT stores equal ones once.
    assert len(engine.plan) > 2 * 0.9 * sum(array.size for array in weights.values())
