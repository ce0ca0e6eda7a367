"""Weights live as long as the definition, whoever holds it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import lenet


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_definition_outlives_its_network_object(precision: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {"conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 400), "fc2": (84, 120), "fc3": (10, 84)}
    weights: dict[str, Any] = {f"{k}.weight": rng.standard_normal(shape) / 9 for k, shape in shapes.items()}
    weights |= {f"{k}.bias": rng.standard_normal(shape[0]) for k, shape in shapes.items()}
    image = rng.random((1, 1, 32, 32), dtype=np.float32)
    kept = wtsnet.define("lenet", weights, precision=precision)
    expected = wtsnet.ReferenceRunner(kept.trt)(data=image)["prob"]
    runner = wtsnet.ReferenceRunner(wtsnet.define("lenet", weights, precision=precision).trt)
    gc.collect()
    rubbish = [np.full(array.size, 7, np.float32) for array in weights.values() for _ in range(50)]
    np.testing.assert_array_equal(runner(data=image)["prob"], expected)
    assert rubbish


def test_a_network_goes_with_its_last_use() -> None:
    """Not when the garbage collector comes by: the weights of many networks would pile up till then."""
    weights: dict[str, Any] = lenet()
    gc.collect()
    gc.disable()
    try:
        net = wtsnet.define("lenet", weights)
        gone = weakref.ref(net)
        del net
        assert gone() is None
        engine = wtsnet.build("lenet", weights)
        gone = weakref.ref(engine.network())
        del engine
        assert gone() is None
    finally:
        gc.enable()
