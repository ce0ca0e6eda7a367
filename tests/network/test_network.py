"""wtsnet/network/network.py: names, the emit point, conversion to the network's dtypes."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch

from wtsnet.errors import NetworkError, TensorRTError
from wtsnet.network.network import Network, Tensor
from wtsnet.ops import relu, sigmoid
from wtsnet.reference import ReferenceRunner

trt = pytest.importorskip("tensorrt_rtx")


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def outputs(net: Network, x: Any = None) -> dict[str, np.ndarray[Any, Any]]:
    runner = ReferenceRunner(net.trt)
    return runner.run({} if x is None else {"x": x})


def with_input(*shape: int, dtype: str = "float32") -> tuple[Network, Tensor]:
    net = Network({})
    return net, net.input("x", shape, dtype)


def test_layers_are_called_as_the_modules_are() -> None:
    net, x = with_input(1, 3, 4, 4)
    s = net.root / "model" / 0
    y = relu(s / "act", x)
    sigmoid(s / "act", y)
    s.emit("add_identity", y, suffix="copy")
    assert names(net) == ["model.0.act", "model.0.act#2", "model.0:copy"]
    assert [tensor.name for tensor in net.modules["model.0.act"]] == ["model.0.act", "model.0.act#2"]
    assert list(net.modules) == ["model.0.act"]
    assert repr(s) == "Scope('model.0')"
    assert repr(y) == "Tensor('model.0.act', (1, 3, 4, 4), float32)"


def test_a_scope_reads_its_own_weights() -> None:
    net = Network({"a.b.weight": np.ones((2, 3)), "a.b.spare": np.zeros(1)})
    s = net.root / "a" / "b"
    assert s.key("weight") == "a.b.weight"
    assert s.has("weight")
    assert not s.has("bias")
    assert s.take("weight", 2, -1).shape == (2, 3)
    assert net.weights.unused() == ["a.b.spare"]
    s.leave("spare", "absent")
    assert net.weights.unused() == []


def test_inputs_and_outputs() -> None:
    net = Network({})
    x = net.input("x", ((1, 2, 4), 3, 8, (8, 8, 16)), "float16")
    net.output("y", relu(net.root / "act", x))
    assert x.shape == (-1, 3, 8, -1)
    assert net.profile == {"x": ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 16))}
    assert net.inputs() == [
        {
            "name": "x",
            "dtype": "float16",
            "shape": [-1, 3, 8, -1],
            "min": [1, 3, 8, 8],
            "opt": [2, 3, 8, 8],
            "max": [4, 3, 8, 16],
        }
    ]
    assert net.outputs() == [{"name": "y", "dtype": "float16", "shape": [-1, 3, 8, -1]}]


@pytest.mark.parametrize("size", [0, -1, (2, 1, 4), (1, 2), (1, 4, 2)])
def test_input_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(NetworkError, match=r"input x: found size .*, expected 1 <= min <= opt <= max"):
        Network({}).input("x", (size, 3))


def test_a_second_input_of_a_name() -> None:
    net, _ = with_input(1)
    with pytest.raises(NetworkError, match="input x: the network has an input or a layer of that name already"):
        net.input("x", (1,))


def test_unknown_precision() -> None:
    with pytest.raises(NetworkError, match="precision: found 'fp8', expected one of fp32, fp16, bf16"):
        Network({}, precision="fp8")


def test_one_tensor_as_two_outputs_and_an_input_as_output() -> None:
    net, x = with_input(2)
    y = relu(net.root / "act", x)
    net.output("a", y)
    net.output("b", y)
    net.output("c", x)
    given = np.array([-1, 2], np.float32)
    found = outputs(net, given)
    np.testing.assert_array_equal(found["a"], [0, 2])
    np.testing.assert_array_equal(found["b"], [0, 2])
    np.testing.assert_array_equal(found["c"], given)


def test_an_output_called_as_a_module_inside() -> None:
    net, x = with_input(2)
    inner = relu(net.root / "output", x)
    net.output("output", net.root.emit("add_identity", inner, suffix="last"))
    assert net.outputs()[0]["name"] == "output"
    assert net.modules["output"][0].name == "output:module"
    assert names(net)[0] == "output"
    np.testing.assert_array_equal(outputs(net, np.array([-1, 2], np.float32))["output"], [0, 2])


def test_an_output_that_is_the_module_of_its_name() -> None:
    net, x = with_input(2)
    net.output("output", relu(net.root / "output", x))
    assert net.modules["output"][0].name == net.outputs()[0]["name"] == "output"


def test_outputs_that_are_refused() -> None:
    net, x = with_input(2)
    y = relu(net.root / "act", x)
    net.output("y", y)
    for name in ("x", "y"):
        with pytest.raises(NetworkError, match=f"output {name}: an input or output of the network has that name"):
            net.output(name, y)
    with pytest.raises(NetworkError, match="output z: found NoneType, expected a Tensor"):
        net.output("z", None)  # type: ignore[arg-type]  # what a model function without a return gives


@pytest.mark.parametrize(
    ("method", "arguments", "attributes", "message"),
    [
        ("add_activaton", (), {}, "a.b: add_activaton: .*has no attribute 'add_activaton'"),
        ("add_activation", ("relu",), {}, "a.b: add_activation: .*incompatible function arguments"),
        ("add_activation", (trt.ActivationType.RELU,), {"alfa": 1}, "a.b: add_activation: .*no attribute 'alfa'"),
        ("add_activation", (trt.ActivationType.RELU,), {"alpha": "1"}, "a.b: add_activation: .*incompatible function"),
        ("add_einsum", ("ij->ji",), {}, "a.b: add_einsum: .*incompatible function arguments"),
        ("add_softmax", (), {"axes": 0}, "a.b: add_softmax: .*Error Code"),
    ],
)
def test_emit_says_what_is_wrong(
    method: str, arguments: tuple[Any, ...], attributes: dict[str, Any], message: str
) -> None:
    net, x = with_input(2, 3)
    with pytest.raises(NetworkError, match=message) as caught:
        (net.root / "a" / "b").emit(method, x, *arguments, **attributes)
    assert "\n" not in str(caught.value)


def test_emit_gives_tensorrts_own_words() -> None:
    net, x = with_input(2, 3)
    other = net.input("y", (4, 5))
    with pytest.raises(NetworkError, match=r"^m: .*broadcast dimensions must be conformable"):
        (net.root / "m").emit("add_elementwise", x, other, trt.ElementWiseOperation.SUM)


def test_tensors_of_another_network() -> None:
    net, _ = with_input(2)
    _, foreign = with_input(2)
    with pytest.raises(NetworkError, match=r"^a: Tensor\('x', \(2,\), float32\) is a tensor of another network$"):
        (net.root / "a").emit("add_identity", foreign)
    with pytest.raises(NetworkError, match="another network"):
        (net.root / "a").emit("add_concatenation", [foreign])


def test_a_layer_without_output() -> None:
    net = Network({})
    condition = net.root.constant(np.array(True), "bool")
    with pytest.raises(NetworkError, match="add_assertion: the layer has no output"):
        (net.root / "a").emit("add_assertion", condition, "never")


def test_weights_live_until_the_build_and_are_made_contiguous() -> None:
    net, x = with_input(3, 4)
    array = np.arange(24, dtype=np.float32).reshape(3, 8)[:, ::2]
    wanted = array.copy()
    y = net.root.emit("add_elementwise", x, net.root.emit("add_constant", (3, 4), array), trt.ElementWiseOperation.SUM)
    del array
    gc.collect()
    _ = [np.full(12, np.nan, np.float32) for _ in range(100)]  # would overwrite freed memory
    net.output("y", y)
    np.testing.assert_array_equal(outputs(net, np.zeros((3, 4), np.float32))["y"], wanted)


def test_the_network_definition_itself_takes_layers() -> None:
    net, x = with_input(2)
    layer = net.trt.add_activation(relu(net.root / "act", x).trt, trt.ActivationType.SIGMOID)
    net.output("y", Tensor(net, layer.get_output(0)))
    np.testing.assert_allclose(outputs(net, np.array([-5, 0], np.float32))["y"], [0.5, 0.5])
    assert net.root.trt is net.trt


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_conversion_rounds_as_torch_does(dtype: str) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=4000) * np.exp(random.uniform(-20, 9, 4000))
    values[:6] = [0, -0.0, np.inf, -np.inf, 1 + 2**-8, 1 + 3 * 2**-8]
    twin = torch.from_numpy(values).float().to(getattr(torch, dtype))
    made = Network({}).root.convert(values, dtype)
    bits = {2: np.uint16, 4: np.uint32}[made.dtype.itemsize]
    np.testing.assert_array_equal(
        made.view(bits), twin.view(torch.int16 if made.itemsize == 2 else torch.int32).numpy().view(bits)
    )


def test_nan_stays_nan_in_bfloat16() -> None:
    worst = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(Network({}).root.convert(worst, "bfloat16").astype(np.float32)).all()


@pytest.mark.parametrize(
    ("value", "dtype"), [(70000.0, "float16"), (1e39, "float32"), (3.4e38, "bfloat16"), ([-70000.0, np.inf], "float16")]
)
def test_weights_too_large(value: Any, dtype: str) -> None:
    with pytest.raises(NetworkError, match=f"^a: found a weight of magnitude .*, which {dtype} can't hold$"):
        (Network({}).root / "a").convert(np.array(value), dtype)


def test_arithmetic() -> None:
    net, x = with_input(3)
    made = {"add": x + 2, "radd": 2 + x, "sub": x - 2, "rsub": 2 - x, "mul": x * 2, "rmul": 2 * x, "div": x / 2}
    made |= {"rdiv": 2 / x, "neg": -x, "both": x * x - x}
    for name, tensor in made.items():
        net.output(name, tensor)
    a = np.array([1, -2, 4], np.float32)
    found = outputs(net, a)
    wanted = [a + 2, 2 + a, a - 2, 2 - a, a * 2, 2 * a, a / 2, 2 / a, -a, a * a - a]
    for name, array in zip(made, wanted, strict=True):
        np.testing.assert_array_equal(found[name], array, name)


def test_integers_take_no_fractions() -> None:
    _, x = with_input(3, dtype="int32")
    with pytest.raises(NetworkError, match="int32 can't hold"):
        x + 0.5


def test_cast_and_compute() -> None:
    net = Network({}, precision="fp16")
    x = net.input("x", (2,))
    assert net.root.cast(x, "float32") is x
    half = net.root.compute(x)
    assert half.dtype == "float16"
    assert names(net) == ["cast:to_float16"]


def test_further_outputs_of_a_layer() -> None:
    net, x = with_input(1, 4)
    values = (net.root / "top").emit("add_topk", x, trt.TopKOperation.MAX, 2, 2)
    indices = values.layer_output(1)
    assert (indices.name, indices.dtype, indices.shape) == ("top:1", "int32", (1, 2))


def test_no_tensorrt_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTSNET_TENSORRT", "tensorflow")
    with pytest.raises(TensorRTError, match="WTSNET_TENSORRT: found 'tensorflow', expected one of tensorrt,"):
        Network({})
