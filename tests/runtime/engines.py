"""Small engines, and what makes a runner of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorrt_rtx as trt
import torch

from tests.runtime.reference_engine import FunctionEngine, Launch, ReferenceEngine
from wtsnet import trt as tensorrt
from wtsnet.manifest.manifest import Input


def spec(name: str, dtype: str, low: Sequence[int], high: Sequence[int]) -> Input:
    shape = [a if a == b else -1 for a, b in zip(low, high, strict=True)]
    return {"name": name, "dtype": dtype, "shape": shape, "min": list(low), "opt": list(low), "max": list(high)}


X = {"x": spec("x", "float32", [1, 3], [64, 3])}


def doubling(launch: Launch | None = None, device: str = "cuda:0") -> FunctionEngine:
    """y = 2x over any batch of float32 threes."""
    x, y = {"x": ("float32", (-1, 3))}, {"y": ("float32", (-1, 3))}
    return FunctionEngine(x, y, lambda given: {"y": given["x"] * 2}, launch, device=device)


def copying(dtype: str, launch: Launch | None = None) -> FunctionEngine:
    """y = x in a dtype."""
    return FunctionEngine({"x": (dtype, (-1, 3))}, {"y": (dtype, (-1, 3))}, lambda given: {"y": given["x"]}, launch)


def positive(launch: Launch | None = None) -> FunctionEngine:
    """The values above 0, however many there are, and how many there are."""
    return FunctionEngine(
        {"x": ("float32", (-1, 3))},
        {"y": ("float32", (-1,)), "count": ("int32", ())},
        lambda given: {
            "y": given["x"][given["x"] > 0],
            "count": (given["x"] > 0).sum(dtype=torch.int32),
        },
        launch,
        open=["y"],
    )


def sized(launch: Launch | None = None) -> FunctionEngine:
    """As many ones as `size`, which is read on the host, says; and that size times two, on the host too."""
    return FunctionEngine(
        {"x": ("float32", (-1, 3)), "size": ("int64", (1,))},
        {"y": ("float32", (-1,)), "twice": ("int64", (1,))},
        lambda given: {
            "y": given["x"].new_ones(int(given["size"])) * given["x"].max(),
            "twice": given["size"] * 2,
        },
        launch,
        host=["size", "twice"],
    )


def reference(device: str, launch: Launch | None = None) -> tuple[ReferenceEngine, Mapping[str, Input], Any]:
    """A small network of TensorRT's own, executed by the reference runtime; the last must be kept."""
    builder = tensorrt.builder()
    network = tensorrt.create_network(builder)
    x = network.add_input("x", trt.float32, (-1, 3, 8, 8))
    weights = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)).numpy()
    convolution = network.add_convolution_nd(x, 4, (3, 3), trt.Weights(weights), trt.Weights())
    convolution.padding_nd = (1, 1)
    relu = network.add_activation(convolution.get_output(0), trt.ActivationType.RELU)
    mean = network.add_reduce(relu.get_output(0), trt.ReduceOperation.AVG, 0b1100, False)
    for name, layer in (("features", relu), ("mean", mean)):
        layer.get_output(0).name = name
        network.mark_output(layer.get_output(0))
    engine = ReferenceEngine(network, device, launch)
    return engine, {"x": spec("x", "float32", [1, 3, 8, 8], [4, 3, 8, 8])}, (builder, network, weights)


def runner_of(engine: Any, inputs: Mapping[str, Input] = X, **options: Any) -> Any:
    from wtsnet.runtime.tensorrt import TensorRTRunner

    return TensorRTRunner(engine, inputs, "asked for", **options)
