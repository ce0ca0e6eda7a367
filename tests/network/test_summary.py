"""wtsnet/network/summary.py: layers and weights in figures."""

from __future__ import annotations

import numpy as np
import pytest

from wtsnet.network import Network, layers, shape_text
from wtsnet.ops import batch_norm, conv2d
from wtsnet.trt import kept

NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.mark.parametrize(("precision", "dtype", "width"), [("fp32", "float32", 4), ("bf16", "bfloat16", 2)])
def test_layers_and_their_weights(precision: str, dtype: str, width: int) -> None:
    weights = {"a.weight": np.ones((3, 2, 1, 1)), "a.bias": np.ones(3), "c.weight": np.ones((2, 3, 2, 2))}
    net = Network({**weights, **{f"b.{name}": np.ones(3) for name in NORM}}, precision=precision)
    x = net.input("x", ((1, 2, 3), 2, 4, 4), dtype)
    y = batch_norm(net.root / "b", conv2d(net.root / "a", x, 3, 1))
    y = conv2d(net.root / "c", y, 2, 2, bias=False)
    (y + net.root.constant(np.ones((1, 2, 1, 1)), dtype)).topk(1, 1)
    assert [tuple(layer) for layer in layers(net)] == [
        ("a", "CONVOLUTION", f"{dtype} -1×3×4×4", 9, 9 * width),
        ("b", "SCALE", f"{dtype} -1×3×4×4", 9, 9 * width),
        ("c", "CONVOLUTION", f"{dtype} -1×2×3×3", 24, 24 * width),
        ("constant", "CONSTANT", f"{dtype} 1×2×1×1", 2, 2 * width),
        ("add", "ELEMENTWISE", f"{dtype} -1×2×3×3", 0, 0),
        ("topk", "TOPK", f"{dtype} -1×1×3×3, int32 -1×1×3×3", 0, 0),
    ]


@pytest.mark.parametrize(
    ("dtype", "width"), [("int4", 3), ("float4_e2m1fn", 3), ("float8_e4m3fn", 5), ("bool", 5), ("int64", 40)]
)
def test_constants_of_every_width(dtype: str, width: int) -> None:
    net = Network({})
    net.constant([0, 1, 1, 0, 1], dtype)
    kept(net.trt).arrays.clear()  # what is in TensorRT counts
    assert [(layer.values, layer.bytes) for layer in layers(net)] == [(5, width)]


def test_shapes_in_words() -> None:
    net = Network({})
    x = net.input("x", ((1, 2, 3), 4, (5, 6, 7)))
    x.trt.set_dimension_name(0, "batch")
    assert shape_text(x.trt) == "batch×4×-1"
    assert shape_text(net.constant(1.0, "float32").trt) == "()"
