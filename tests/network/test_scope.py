"""wtsnet/network/scope.py: paths, the weights of a module, constants, and layers that are added by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.errors import MissingWeightError, NetworkError
from wtsnet.network import Network, Scope, Tensor, module
from wtsnet.ops import conv2d, relu
from wtsnet.reference import ReferenceRunner

trt = pytest.importorskip("tensorrt_rtx")


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def run(net: Network, **given: Any) -> dict[str, np.ndarray[Any, Any]]:
    return ReferenceRunner(net.trt).run(given)


def test_paths() -> None:
    root = Network({}).root
    s = root / "layer1" / 0 / "conv"
    assert (root.path, s.path, (root / 0).path, s[0].path, (s[1] / "a").path) == (
        "",
        "layer1.0.conv",
        "0",
        "layer1.0.conv[0]",
        "layer1.0.conv[1].a",
    )
    assert (repr(s), repr(root)) == ("Scope('layer1.0.conv')", "Scope('')")
    assert s.net is root.net
    assert s.trt is root.net.trt


def test_it_is_no_row_of_items() -> None:
    """It has `s[0]`, and Python would count up for ever."""
    with pytest.raises(TypeError, match="a Scope can't be iterated over"):
        list(Network({}).root)  # type: ignore[call-overload]  # a type checker says so too
    with pytest.raises(TypeError):
        0 in Network({}).root / "a"  # type: ignore[operator]  # noqa: B015


def test_a_scope_reads_its_own_weights() -> None:
    net = Network({"a.b.weight": np.ones((2, 3)), "a.b.spare": np.zeros(1)})
    s = net.root / "a" / "b"
    assert s.key("weight") == "a.b.weight"
    assert net.root.key("weight") == "weight"
    assert s.has("weight")
    assert not s.has("bias")
    assert s.take("weight", 2, -1).shape == (2, 3)
    assert net.weights.unused() == ["a.b.spare"]
    s.leave("spare", "absent")
    assert net.weights.unused() == []


def test_leave_modules() -> None:
    net = Network(dict.fromkeys(("a.aux.weight", "a.aux.conv.bias", "a.aux2.weight", "aux.weight"), np.ones(1)))
    (net.root / "a").leave_modules("aux", "absent")
    assert net.weights.unused() == ["a.aux2.weight", "aux.weight"]


@pytest.mark.parametrize("prefix", ["", "module."])
def test_has_weights(prefix: str) -> None:
    root = Network({f"{prefix}{name}": np.ones(1) for name in ("a.b.weight", "ab.weight", "c.weight")}).root
    with_weights = [root, root / "a", root / "a" / "b", root / "ab", root / "c"]
    without = [root / "b", root / "a" / "b" / "weight", root / "a" / "b" / 0, root / "aa", root / "c" / "w"]
    assert [s.has_weights() for s in with_weights] == [True] * 5
    assert [s.has_weights() for s in without] == [False] * 5
    assert root.net.weights.unused() == ["a.b.weight", "ab.weight", "c.weight"]  # to ask takes nothing


def test_no_weights_at_all() -> None:
    assert not Network({}).root.has_weights()


@pytest.mark.parametrize(
    ("precision", "dtype", "layers"),
    [
        ("fp32", "float32", ["a:token"]),
        ("fp16", "float16", ["a:token", "a:to_float16"]),
        ("bf16", "bfloat16", ["a:token", "a:to_bfloat16"]),
    ],
)
def test_a_parameter_is_of_the_networks_precision(precision: str, dtype: str, layers: list[str]) -> None:
    values = np.array([[1.0, 1 + 2**-9, 1 + 2**-12]], np.float32)
    net = Network({"a.token": values}, precision=precision)
    token = (net.root / "a").parameter("token", 1, -1)
    assert (token.shape, token.dtype) == ((1, 3), dtype)
    assert names(net) == layers
    assert net.weights.unused() == []
    net.output("y", token)
    rounded = {"fp32": [1, 1 + 2**-9, 1 + 2**-12], "fp16": [1, 1 + 2**-9, 1], "bf16": [1, 1, 1]}[precision]
    np.testing.assert_array_equal(run(net)["y"].astype(np.float64), [rounded])


def test_a_parameter_that_is_missing() -> None:
    with pytest.raises(MissingWeightError, match=r"a.token: the network wants it, the weights lack it"):
        (Network({}).root / "a").parameter("token", 1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool"])
def test_constants(dtype: str) -> None:
    net = Network({}, precision="fp16")  # which is no matter: a constant is of the dtype that is asked for
    made = (net.root / "a").constant([[0, 1, 3]], dtype)
    assert (made.name, made.shape, made.dtype) == ("a:constant", (1, 3), dtype)
    net.output("y", made)
    wanted = [[0, 1, 1 if dtype == "bool" else 3]]
    np.testing.assert_array_equal(run(net)["y"].astype(np.float32), wanted)


def test_a_constant_is_a_float_where_nothing_is_said() -> None:
    made = Network({}).root.constant(np.arange(3))
    assert (made.name, made.dtype) == ("constant", "float32")


def test_a_scope_names_layers_and_errors_after_itself() -> None:
    """Also where another module is being defined, which goes on behind it."""
    net = Network({"head.token": np.full(2, 1e6)}, precision="fp16")
    x = net.input("x", (2,), "float16")

    @module
    def block(s: Scope, x: Tensor) -> Tensor:
        other = s.net.root / "head"
        y = other.emit("add_identity", x)
        with pytest.raises(NetworkError, match=r"^head: found a weight of magnitude 1e\+06, which float16 can't hold$"):
            other.constant(other.take("token", 2), "float16")
        with pytest.raises(NetworkError, match=r"^head: add_nothing: .*has no attribute 'add_nothing'$"):
            other.emit("add_nothing", x)
        other.parameter("token", 2)
        return relu(y) + x

    block(net.root / "a", x)
    assert names(net) == ["head:identity", "head:token", "head:to_float16", "a:relu", "a"]


def test_errors() -> None:
    root = Network({}).root
    assert str((root / "a").error("too bad")) == "a: too bad"
    assert str(root.error("too bad")) == "network: too bad"
    assert isinstance(root.error(""), NetworkError)


def test_layers_by_hand_in_the_middle_of_a_model() -> None:
    """The layers before and behind them keep their weights: what is kept goes by a layer's place."""
    kernel = np.full((2, 2, 1, 1), 0.5, np.float32)
    net = Network(
        {"a.weight": kernel, "a.bias": np.ones(2), "b.weight": kernel, "b.bias": np.zeros(2)}, precision="bf16"
    )
    x = net.input("x", (1, 2, 3, 3))
    y = conv2d(net.root / "a", net.compute(x), 2, 1)

    @module
    def squared(s: Scope, x: Tensor) -> Tensor:
        layer = s.trt.add_elementwise(x.trt, x.trt, trt.ElementWiseOperation.PROD)
        s.trt.add_activation(x.trt, trt.ActivationType.RELU)  # taken by nothing
        return Tensor.of(s, layer.get_output(0))

    y = squared(net.root / "square", y)
    assert (y.name, y.shape, y.dtype, y.layer) == ("square:tensor", (1, 2, 3, 3), "bfloat16", None)
    net.output("y", conv2d(net.root / "b", y, 2, 1).float())
    assert list(net.modules) == ["a", "square", "b"]
    assert net.modules["square"] == [y.trt]
    assert names(net)[:2] == ["to_bfloat16", "a"]
    np.testing.assert_array_equal(run(net, x=np.full((1, 2, 3, 3), 2, np.float32))["y"], np.full((1, 2, 3, 3), 9.0))
