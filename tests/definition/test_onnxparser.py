"""wtsnet/definition/onnxparser.py and wtsnet/network/summary.py: an ONNX file as a network."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

import wtsnet
from tests.small_onnx import KERNEL, conv, refused, relu, two_inputs, write
from wtsnet import trt as tensorrt
from wtsnet.definition.onnxfile import OnnxFile
from wtsnet.definition.onnxparser import Refusal, parse
from wtsnet.errors import ModelError, NetworkError
from wtsnet.network.summary import layers, shape_text
from wtsnet.reference import ReferenceRunner
from wtsnet.trt.layers import kept

X = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)


def run(net: wtsnet.Network, **inputs: Any) -> Any:
    with ReferenceRunner(net.trt) as runner:
        return runner.run(inputs)


def convolved(x: Any, kernel: Any = KERNEL) -> Any:
    return torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(kernel)).numpy()


@pytest.mark.parametrize("external", ["", "x.data"])
def test_a_network(tmp_path: Path, external: str) -> None:
    net = wtsnet.define(str(conv(tmp_path / "x.onnx", external=external)))
    assert net.inputs() == [
        {"name": "x", "dtype": "float32", **{key: [1, 3, 8, 8] for key in ("shape", "min", "opt", "max")}}
    ]
    assert net.outputs() == [{"name": "y", "dtype": "float32", "shape": [1, 4, 6, 6]}]
    assert (net.precision, net.modules) == ("fp32", {})
    assert net.facts == {"task": "none", "preprocess": {}, "names": []}
    np.testing.assert_allclose(run(net, x=X)["y"], convolved(X), rtol=1e-5, atol=1e-5)


def test_sizes_reach_the_network(tmp_path: Path) -> None:
    path = str(relu(tmp_path / "x.onnx"))
    net = wtsnet.define(path, batch=2, imgsz=(8, 6))
    assert net.inputs()[0]["shape"] == net.outputs()[0]["shape"] == [2, 3, 8, 6]  # none of them is dynamic any more
    net = wtsnet.define(path, batch=(1, 2, 4), imgsz=((4, 8, 8), 6))
    assert net.profile == {"x": ((1, 3, 4, 6), (2, 3, 8, 6), (4, 3, 8, 6))}
    assert net.inputs()[0]["shape"] == net.outputs()[0]["shape"] == [-1, 3, -1, 6]
    x = np.random.default_rng(0).normal(size=(3, 3, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(run(net, x=x)["y"], np.maximum(x, 0))
    assert wtsnet.define(path, shapes={"x": (5, 3, 1, 2)}).outputs()[0]["shape"] == [5, 3, 1, 2]


def test_two_inputs_and_outputs(tmp_path: Path) -> None:
    path = str(two_inputs(tmp_path / "x.onnx"))
    with pytest.raises(ModelError, match=r"input bias 1×1×1×-1: axis 3 is dynamic .* --imgsz, or --shape bias=1x1x1xN"):
        wtsnet.define(path, shapes={"images": (2, 3, 4, 5)})
    net = wtsnet.define(path, batch=2, shapes={"bias": (1, 1, 1, 5)}, imgsz=(4, 5))
    assert [output["shape"] for output in net.outputs()] == [[2, 3, 4, 5]] * 2
    images, bias = np.full((2, 3, 4, 5), 3, np.float32), np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    made = run(net, images=images, bias=bias)
    np.testing.assert_array_equal(made["total"], images + bias)
    np.testing.assert_array_equal(made["product"], images * bias)


def test_sizes_that_the_network_can_not_have(tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    path = write(tmp_path / "x.onnx", [node], {"x": ("n", 3)}, weights={"s": np.array([2, 6])})
    assert wtsnet.define(str(path), batch=4).outputs()[0]["shape"] == [2, 6]
    with pytest.raises(
        NetworkError, match=rf"^{path}: TensorRT refuses these sizes: .*reshape changes volume. Reshaping \[5,3\] to"
    ):
        wtsnet.define(str(path), batch=5)


@pytest.mark.parametrize(
    ("dtype", "precision", "name"),
    [("FLOAT", "fp32", "float32"), ("FLOAT16", "fp16", "float16"), ("BFLOAT16", "bf16", "bfloat16")],
)
def test_the_file_decides_the_precision(tmp_path: Path, dtype: str, precision: str, name: str) -> None:
    path = relu(tmp_path / "x.onnx", (1, 2), dtype=dtype)
    net = wtsnet.define(str(path), precision=precision)
    assert (net.precision, net.inputs()[0]["dtype"], net.outputs()[0]["dtype"]) == (precision, name, name)
    other = "fp32" if precision == "fp16" else "fp16"
    with pytest.raises(
        ModelError, match=rf"^{path}: precision: found '{other}', expected {precision}: the types in the file decide"
    ):
        wtsnet.define(str(path), precision=other)


def test_half_precision_between_casts(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=10),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=1),
    ]
    net = wtsnet.define(str(write(tmp_path / "x.onnx", nodes, {"x": (1, 2)})))
    assert (net.precision, net.outputs()[0]["dtype"]) == ("fp16", "float32")


@pytest.mark.parametrize("options", [{"fold_bn": True}, {"fold_bn": False}, {"head": "raw"}, {"k": 0}])
def test_options_that_a_file_does_not_have(tmp_path: Path, options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    path = relu(tmp_path / "x.onnx", (1,))
    with pytest.raises(ModelError, match=rf"^{path}: {name}: found {value!r}, expected none: an ONNX file is taken as"):
        wtsnet.define(str(path), **options)


def test_weights_where_they_do_not_belong(tmp_path: Path) -> None:
    path = relu(tmp_path / "x.onnx", (1,))
    with pytest.raises(ModelError, match=rf"^{path}: found weights as well, expected none: an .onnx file carries its"):
        wtsnet.define(str(path), {})
    with pytest.raises(ModelError, match=r"^lenet: found no weights, expected a .wts file .* or a mapping"):
        wtsnet.define("lenet")
    with pytest.raises(ModelError, match=r"^unknown model 'lennet'"):
        wtsnet.define("lennet")


def test_a_way_from_a_picture_to_the_input(tmp_path: Path) -> None:
    path = relu(tmp_path / "x.onnx", (1, 3, 8, 6))
    net = wtsnet.define(str(path), preprocess={"kind": "stretch", "antialias": False}, task="classify")
    assert net.facts["preprocess"] == {"kind": "stretch", "antialias": False, "size": [8, 6]}
    assert net.facts["task"] == "classify"
    last = relu(tmp_path / "last.onnx", (1, 8, 6, 1))
    net = wtsnet.define(str(last), preprocess="letterbox")
    assert net.facts["preprocess"] == {"kind": "letterbox", "layout": "NHWC", "size": [8, 6], "channels": 1}
    pixels = write(
        tmp_path / "pixels.onnx", [helper.make_node("Cast", ["x"], ["y"], to=1)], {"x": (1, 3, 8, 40)}, dtype="UINT8"
    )
    with pytest.raises(
        ModelError, match=r"preprocess: found the input x uint8 \[1, 3, 8, 40\], expected pixels \(N, h"
    ):
        wtsnet.define(str(pixels), preprocess="stretch")
    with pytest.raises(ModelError, match=r"preprocess: layout: found 'NHWC', but the input is x \[1, 3, 8, 6\]"):
        wtsnet.define(str(path), preprocess="stretch,layout=NHWC")
    flat = relu(tmp_path / "flat.onnx", (1, 9))
    with pytest.raises(
        ModelError, match=rf"^{flat}: preprocess: found 'crop', but no picture fits the inputs \(x 1×9\)"
    ):
        wtsnet.define(str(flat), preprocess="crop")


def test_refused_nodes(tmp_path: Path) -> None:
    path = refused(tmp_path / "x.onnx")
    found = parse(OnnxFile(path))[1]
    assert found == [
        Refusal("coin", "Bernoulli", "UNSUPPORTED_NODE"),
        Refusal("number 2", "Unique", "UNSUPPORTED_NODE"),
    ]
    with pytest.raises(NetworkError) as caught:
        wtsnet.define(str(path))
    assert str(caught.value) == (
        f"{path}: TensorRT's parser refuses it: node coin (Bernoulli): UNSUPPORTED_NODE; "
        f"and 1 more, see: wtsnet inspect {path}"
    )


def test_a_node_that_does_not_fit(tmp_path: Path) -> None:
    path = conv(tmp_path / "x.onnx", (1, 5, 8, 8))
    with pytest.raises(
        NetworkError,
        match=rf"^{path}: TensorRT's parser refuses it: node conv \(Conv\): INVALID_NODE: Assertion failed",
    ) as caught:
        wtsnet.define(str(path))
    assert "\n" not in str(caught.value)
    assert "more" not in str(caught.value)


def test_external_data_that_is_too_short(tmp_path: Path) -> None:
    path = conv(tmp_path / "x.onnx", external="x.data")
    (tmp_path / "x.data").write_bytes(bytes(40))
    with pytest.raises(NetworkError, match=r"refuses it: INVALID_GRAPH: .* out of range for file: .*x.data .*size=40"):
        wtsnet.define(str(path))


def test_the_parser_lives_as_long_as_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It owns the weights, which the definition alone must keep; and they go when that goes."""
    made = []

    def hold(self: wtsnet.Network, owner: Any) -> Any:
        made.append(weakref.ref(owner))
        kept(self.trt).owners.append(owner)
        return owner

    monkeypatch.setattr(wtsnet.Network, "hold", hold)
    big = np.random.default_rng(0).normal(size=(64, 3, 7, 7)).astype(np.float32)
    definition = wtsnet.define(str(conv(tmp_path / "x.onnx", (1, 3, 8, 8), kernel=big))).trt
    (tmp_path / "x.onnx").unlink()
    gc.collect()
    with ReferenceRunner(definition) as runner:
        np.testing.assert_allclose(runner.run({"x": X})["y"], convolved(X, big), rtol=1e-4, atol=1e-4)
    assert made[0]() is not None
    del definition, runner
    gc.collect()
    assert made[0]() is None


def test_summary(tmp_path: Path) -> None:
    bias = np.ones((1, 4, 1, 1), np.float16)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Add", ["c", "bias"], ["y"], "sum"),
    ]
    weights = {"w": KERNEL.astype(np.float16), "bias": bias}
    path = write(tmp_path / "x.onnx", nodes, {"x": ("n", 3, 8, 8)}, weights=weights, dtype="FLOAT16")
    net = parse(OnnxFile(path))[0]
    found = {one.kind: one for one in layers(net)}
    assert set(found) == {"CONVOLUTION", "CONSTANT", "ELEMENTWISE"}
    assert found["CONVOLUTION"] == ("conv", "CONVOLUTION", "float16 -1×4×6×6", 108, 216)
    assert found["CONSTANT"][2:] == ("float16 1×4×1×1", 4, 8)
    assert found["ELEMENTWISE"][3:] == (0, 0)
    assert shape_text(net.trt.get_input(0)) == "n×3×8×8"


def test_summary_of_weights_that_numpy_lacks(tmp_path: Path) -> None:
    scope = wtsnet.Network({}).root
    scope.net.output("y", scope.constant(np.ones((2, 3), np.float32), "bfloat16"))
    assert [one[1:] for one in layers(scope.net)] == [("CONSTANT", "bfloat16 2×3", 6, 12)]


def test_summary_of_every_kind_that_holds_weights() -> None:
    net = wtsnet.Network({})
    x, s = net.input("x", (1, 2, 8, 8)), net.root
    kernel, two = np.ones((2, 2, 3, 3), np.float32), np.ones(2, np.float32)
    net.emit("add_convolution_nd", x, 2, (3, 3), kernel, two)
    net.emit("add_deconvolution_nd", x, 2, (3, 3), kernel, None)
    net.emit("add_scale_nd", x, tensorrt.enum("ScaleMode", "CHANNEL"), two, two, None, 1)
    s.constant(two, "float32")
    found = {one.kind: (one.values, one.bytes) for one in layers(net)}
    assert found == {"CONVOLUTION": (38, 152), "DECONVOLUTION": (36, 144), "SCALE": (4, 16), "CONSTANT": (2, 8)}
