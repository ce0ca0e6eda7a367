"""ONNX files: small ones node by node, and exports of PyTorch modules."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

KERNEL = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)


def write(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str] = ("y",),
    *,
    weights: Mapping[str, NDArray[Any]] | None = None,
    dtype: str = "FLOAT",
    external: str = "",
) -> Path:
    """A model of opset 17, with its weights in the file `external` beside it where that is given.

    Args:
        nodes: from `onnx.helper.make_node`.
        inputs: by name the shape, a text being a dynamic axis; all of `dtype`, as the outputs.
    """
    kind = getattr(TensorProto, dtype)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def conv(
    path: Path, shape: Sequence[int | str] = (1, 3, 8, 8), *, external: str = "", kernel: NDArray[Any] = KERNEL
) -> Path:
    """A convolution of x with `kernel`, called "conv"."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    return write(path, [node], {"x": shape}, weights={"w": kernel}, external=external)


def relu(path: Path, shape: Sequence[int | str] = ("n", 3, "h", "w"), dtype: str = "FLOAT") -> Path:
    """y = max(x, 0)."""
    return write(path, [helper.make_node("Relu", ["x"], ["y"])], {"x": shape}, dtype=dtype)


def means(path: Path) -> Path:
    """y (1, 3), the mean of each colour of x (1, 3, 4, 4)."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    return write(path, [node], {"x": (1, 3, 4, 4)})


def two_inputs(path: Path) -> Path:
    """total = images + bias and product = images · bias, with sizes n and k that only run time knows."""
    nodes = [helper.make_node(op, ["images", "bias"], [out]) for op, out in (("Add", "total"), ("Mul", "product"))]
    return write(path, nodes, {"images": ("n", 3, "h", "w"), "bias": (1, 1, 1, "k")}, ("total", "product"))


def refused(path: Path) -> Path:
    """A model with two nodes that TensorRT does not take, one of them without a name."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "first"),
        helper.make_node("Bernoulli", ["a"], ["b"], "coin"),
        helper.make_node("Unique", ["b"], ["y"]),
    ]
    return write(path, nodes, {"x": (2, 3)})


def export(module: torch.nn.Module, x: torch.Tensor, path: Path, **options: Any) -> Path:
    """What `torch.onnx.export` makes of a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is an old one
        torch.onnx.export(module, (x,), str(path), dynamo=False, **options)
    return path
