"""wtsnet/trt/layers.py: layers are seen without a change of anybody's handle; weights are those that were given."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from wtsnet import trt as tensorrt
from wtsnet.network import Network, Scope, Tensor, layers
from wtsnet.ops import batch_norm, conv2d, conv_transpose2d, prelu
from wtsnet.reference import ReferenceRunner, readback
from wtsnet.trt.layers import _KEPT, LayerView, kept, module_of, view

trt = tensorrt.module()


def run(definition: Any, **given: Any) -> dict[str, np.ndarray[Any, Any]]:
    return ReferenceRunner(definition).run(given)


def definition_of_ones_own() -> tuple[Any, Any, dict[str, Any]]:
    """A network by TensorRT's own calls: its builder, itself, and somebody's handles of its layers."""
    builder = tensorrt.builder()
    network = tensorrt.create_network(builder)
    x = network.add_input("x", trt.float32, (1, 2, 4, 4))
    kernel = np.ones((2, 2, 1, 1), np.float32)
    held: dict[str, Any] = {"kernel": kernel}
    held["CONVOLUTION"] = network.add_convolution_nd(x, 2, (1, 1), kernel)
    held["ACTIVATION"] = network.add_activation(held["CONVOLUTION"].get_output(0), trt.ActivationType.CLIP)
    held["ACTIVATION"].alpha, held["ACTIVATION"].beta = -1.0, 3.0
    held["POOLING"] = network.add_pooling_nd(held["ACTIVATION"].get_output(0), trt.PoolingType.MAX, (2, 2))
    held["POOLING"].stride_nd = (2, 2)
    held["SHUFFLE"] = network.add_shuffle(held["POOLING"].get_output(0))
    held["SHUFFLE"].reshape_dims = (2, 4)
    held["TOPK"] = network.add_topk(held["SHUFFLE"].get_output(0), trt.TopKOperation.MAX, 1, 2)
    held["UNARY"] = network.add_unary(held["TOPK"].get_output(0), trt.UnaryOperation.NEG)
    held["UNARY"].get_output(0).name = "y"
    network.mark_output(held["UNARY"].get_output(0))
    return builder, network, held


KINDS = ["CONVOLUTION", "ACTIVATION", "POOLING", "SHUFFLE", "TOPK", "UNARY"]


def read_by_the_runner(network: Any) -> None:
    assert run(network, x=np.ones((1, 2, 4, 4), np.float32))["y"].tolist() == [[-2.0], [-2.0]]


def read_by_the_summary(network: Any) -> None:
    net = Network({})
    net.trt = network
    assert [layer.kind for layer in layers(net)] == KINDS


@pytest.mark.parametrize("reads", [read_by_the_runner, read_by_the_summary])
def test_a_handle_stays_what_it_was(reads: Callable[[Any], None]) -> None:
    _, network, held = definition_of_ones_own()
    classes = {kind: type(held[kind]) for kind in KINDS}
    assert len(set(classes.values())) == len(KINDS)
    reads(network)
    assert {kind: type(held[kind]) for kind in KINDS} == classes
    assert held["ACTIVATION"].type == trt.ActivationType.CLIP
    assert held["POOLING"].type == trt.PoolingType.MAX
    assert held["CONVOLUTION"].type == trt.LayerType.CONVOLUTION
    assert (held["ACTIVATION"].alpha, held["ACTIVATION"].beta) == (-1.0, 3.0)
    held["POOLING"].stride_nd = (1, 1)  # what its own class has is still to be set
    assert tuple(held["POOLING"].stride_nd) == (1, 1)


def test_a_handle_of_the_base_class_stays_that() -> None:
    builder, network, held = definition_of_ones_own()
    held.pop("ACTIVATION")
    base = network.get_layer(1)
    assert type(base) is trt.ILayer
    read_by_the_runner(network)
    assert type(base) is trt.ILayer
    assert base.type == trt.LayerType.ACTIVATION
    with pytest.raises(AttributeError, match="kernel"):
        _ = view(network, 1).kernel
    assert type(base) is trt.ILayer  # behind an error too
    assert builder is not None


def test_a_view_reads_through_the_class_of_the_kind() -> None:
    _, network, held = definition_of_ones_own()
    views = {kind: view(network, i) for i, kind in enumerate(KINDS)}
    assert [views[kind].layer_type for kind in KINDS] == KINDS
    assert views["ACTIVATION"].type == trt.ActivationType.CLIP
    assert (views["ACTIVATION"].alpha, views["TOPK"].k, tuple(views["SHUFFLE"].reshape_dims)) == (-1.0, 1, (2, 4))
    assert views["CONVOLUTION"].name == held["CONVOLUTION"].name
    np.testing.assert_array_equal(views["CONVOLUTION"].kernel, [1, 1, 1, 1])
    assert all(view.arrays == () for view in views.values())
    with pytest.raises(AttributeError, match="kernel"):
        _ = views["ACTIVATION"].kernel


def test_a_view_is_read_only() -> None:
    _, network, _ = definition_of_ones_own()
    with pytest.raises(AttributeError):
        view(network, 1).alpha = 2.0  # type: ignore[attr-defined]  # a type checker says so too


def test_a_kind_that_has_no_class_is_seen_as_the_base_class() -> None:
    """One of a release that is newer than this."""

    class Kind:
        name = "NEWEST"

    class ILayer:
        type = Kind()
        name = "a"

    class Newest(ILayer):
        type = None  # type: ignore[assignment]  # its own

    class Release:
        pass

    release: Any = Release()
    release.ILayer = ILayer
    layer = Newest()
    seen = LayerView(release, layer)
    assert (seen.layer_type, seen.type, seen.name) == ("NEWEST", ILayer.type, "a")
    assert type(layer) is Newest


def test_the_module_of_a_network() -> None:
    _, network, _ = definition_of_ones_own()
    assert module_of(network).INetworkDefinition is trt.INetworkDefinition


# The arrays behind weights.


def unreadable(value: Any) -> Any:
    raise AssertionError("read from memory what was kept")


@pytest.fixture
def no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C++ struct behind a Weights can't be read."""
    monkeypatch.setattr(readback, "_without_numpy", unreadable)


KERNEL = np.arange(1, 9, dtype=np.float32).reshape(2, 2, 2, 1) / 8
WEIGHTS = {
    "weight": KERNEL,
    "bias": np.array([0.5, -1], np.float32),
    "running_mean": np.array([0.5, -0.5], np.float32),
    "running_var": np.array([0.25, 4], np.float32),
}


def scale(s: Scope, x: Tensor) -> Tensor:
    return batch_norm(s, x, eps=0.0)


BF16: dict[str, Callable[[Scope, Tensor], Tensor]] = {
    "CONVOLUTION": lambda s, x: conv2d(s, x, 2, (2, 1)),
    "DECONVOLUTION": lambda s, x: conv_transpose2d(s, x, 2, (2, 1)),
    "SCALE": scale,
    "CONSTANT": lambda s, x: x + s.constant([[[[1.5]], [[-2.0]]]], "bfloat16"),
    "PARAMETRIC_RELU": lambda s, x: prelu(s, x, 2),
}


def made(kind: str, precision: str) -> tuple[Network, np.ndarray[Any, Any]]:
    """A network of one such op in a precision, and what it gives."""
    weights = {**WEIGHTS, "weight": np.array([0.5, 2], np.float32)} if kind in ("SCALE", "PARAMETRIC_RELU") else WEIGHTS
    net = Network({f"a.{name}": value for name, value in weights.items()}, precision=precision)
    x = net.compute(net.input("x", (1, 2, 3, 2)))
    s = net.root / "a"
    y = x + s.constant([[[[1.5]], [[-2.0]]]], x.dtype) if kind == "CONSTANT" else BF16[kind](s, x)
    net.output("y", y.float())
    return net, run(net.trt, x=np.arange(-6, 6, dtype=np.float32).reshape(1, 2, 3, 2))["y"]


@pytest.mark.parametrize("kind", list(BF16))
def test_bfloat16_weights_are_those_that_were_given(no_reader: None, kind: str) -> None:
    net, found = made(kind, "bf16")
    kinds = [view(net.trt, i).layer_type for i in range(net.trt.num_layers)]
    assert kind in kinds
    _, exact = made(kind, "fp32")
    np.testing.assert_allclose(found, exact, rtol=1e-2, atol=1e-2 * abs(exact).max())
    assert abs(exact).max() > 1


def test_read_only_arrays(no_reader: None) -> None:
    array = np.array([1, 2, 3, 4], ml_dtypes.bfloat16)
    array.flags.writeable = False
    net = Network({})
    net.output("y", net.emit("add_constant", (4,), array))
    np.testing.assert_array_equal(run(net.trt)["y"].astype(np.float32), [1, 2, 3, 4])


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the struct behind it is read of, from now on."""
    asked: list[Any] = []
    reader = readback._without_numpy

    def read(value: Any) -> Any:
        asked.append(value)
        return reader(value)

    monkeypatch.setattr(readback, "_without_numpy", read)
    return asked


def test_a_weight_that_is_set_later_is_read_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network({"a.weight": np.ones((1, 1, 1, 1))}, precision="bf16")
    y = conv2d(net.root / "a", net.compute(net.input("x", (1, 1, 2, 2))), 1, 1, bias=False)
    bias = net.hold(np.array([-2.5], ml_dtypes.bfloat16))
    y.layer.bias = trt.Weights(trt.bfloat16, bias.ctypes.data, 1)
    net.output("y", y.float())
    asked = counted(monkeypatch)
    found = run(net.trt, x=np.ones((1, 1, 2, 2), np.float32))["y"]
    np.testing.assert_array_equal(found, np.full((1, 1, 2, 2), -1.5))
    assert len(asked) == 1


def foreign(builder: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """A bfloat16 constant by TensorRT's own calls, and the array behind it."""
    network = tensorrt.create_network(builder)
    array = np.array([1, -2, 0.5], ml_dtypes.bfloat16)
    constant = network.add_constant((3,), trt.Weights(trt.bfloat16, array.ctypes.data, 3)).get_output(0)
    constant.name = "y"
    network.mark_output(constant)
    return network, array


def test_weights_of_others_are_read_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = tensorrt.builder()
    network, array = foreign(builder)
    asked = counted(monkeypatch)
    assert view(network, 0).arrays == ()
    np.testing.assert_array_equal(run(network)["y"], array)
    assert len(asked) == 1
    monkeypatch.setattr(readback, "_without_numpy", unreadable)
    with pytest.raises(AssertionError, match="read from memory what was kept"):
        run(network)


def test_weights_of_a_layer_by_hand_in_a_network_of_ours_are_read_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network({})
    x = net.input("x", (3,), "bfloat16")
    array = net.hold(np.array([1, -2, 0.5], ml_dtypes.bfloat16))
    first = net.constant([1.0, 1.0, 1.0], "bfloat16")
    by_hand = net.trt.add_constant((3,), trt.Weights(trt.bfloat16, array.ctypes.data, 3)).get_output(0)
    net.output("y", x + first + Tensor.of(net.root, by_hand) + net.constant([2.0, 2.0, 2.0], "bfloat16"))
    assert [len(view(net.trt, i).arrays) for i in (0, 1, 4)] == [1, 0, 1]
    asked = counted(monkeypatch)
    np.testing.assert_array_equal(run(net.trt, x=np.zeros(3, np.float32))["y"].astype(np.float32), [4, 1, 3.5])
    assert len(asked) == 1


# How long it is kept.


def test_what_is_kept_goes_when_the_definition_goes() -> None:
    class Owner:
        pass

    net = Network({"a.weight": KERNEL, "a.bias": np.zeros(2)})
    net.output("y", conv2d(net.root / "a", net.input("x", (1, 2, 3, 2)), 2, (2, 1)))
    kernel, owner = (weakref.ref(one) for one in (kept(net.trt).arrays[0][0], net.hold(Owner())))
    definition = net.trt
    del net
    gc.collect()
    assert kernel() is not None  # whoever goes on with the definition alone holds what it reads
    assert owner() is not None
    runner = ReferenceRunner(definition)
    del definition
    gc.collect()
    assert kernel() is not None  # the runner reads the network's own weights
    assert runner.run({"x": np.ones((1, 2, 3, 2), np.float32)})["y"].shape == (1, 2, 2, 2)
    del runner
    gc.collect()
    assert kernel() is None
    assert owner() is None


def test_nothing_is_kept_of_a_network_that_was_only_looked_at() -> None:
    builder = tensorrt.builder()
    network, _ = foreign(builder)
    view(network, 0)
    assert network not in _KEPT
    kept(network).owners.append(builder)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
