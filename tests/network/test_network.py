"""wtsnet/network/network.py: inputs and outputs, the emit point, conversion to the network's dtypes."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch

from wtsnet.errors import NetworkError, TensorRTError
from wtsnet.network import Network, Scope, Tensor, module
from wtsnet.ops import relu, sigmoid
from wtsnet.reference import ReferenceRunner
from wtsnet.trt import kept

trt = pytest.importorskip("tensorrt_rtx")


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def outputs(net: Network, x: Any = None) -> dict[str, np.ndarray[Any, Any]]:
    runner = ReferenceRunner(net.trt)
    return runner.run({} if x is None else {"x": x})


def with_input(*shape: int, dtype: str = "float32") -> tuple[Network, Tensor]:
    net = Network({})
    return net, net.input("x", shape, dtype)


@module
def act(s: Scope, x: Tensor) -> Tensor:
    return relu(x)


def test_inputs_and_outputs() -> None:
    net = Network({})
    x = net.input("x", ((1, 2, 4), 3, 8, (8, 8, 16)), "float16")
    net.output("y", relu(x))
    assert x.shape == (-1, 3, 8, -1)
    assert x.layer is None
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
    with pytest.raises(
        NetworkError,
        match=r"input x: found size .*, expected a number or \(min, opt, max\) with 1 <= min <= opt <= max",
    ):
        Network({}).input("x", (size, 3))


def test_a_second_input_of_a_name() -> None:
    net, x = with_input(1)
    relu(x)
    for name in ("x", "relu"):
        message = f"^input {name}: the network has an input or a layer of that name already$"
        with pytest.raises(NetworkError, match=message):
            net.input(name, (1,))


def test_unknown_precision() -> None:
    with pytest.raises(NetworkError, match="precision: found 'fp8', expected one of fp32, fp16, bf16"):
        Network({}, precision="fp8")


@pytest.mark.parametrize("name", ["fp16", "float16"])
def test_a_precision_by_either_name(name: str) -> None:
    net = Network({}, precision=name)
    assert (net.precision, net.dtype) == ("fp16", "float16")


def test_one_tensor_as_two_outputs_and_an_input_as_output() -> None:
    net, x = with_input(2)
    y = relu(x)
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
    inner = act(net.root / "output", x)
    net.output("output", inner.net.emit("add_identity", inner, label="last"))
    assert net.outputs()[0]["name"] == "output"
    assert net.modules["output"][0].name == "output:inner"
    assert names(net) == ["output", "last"]
    np.testing.assert_array_equal(outputs(net, np.array([-1, 2], np.float32))["output"], [0, 2])


def test_an_output_called_as_an_op_inside() -> None:
    net, x = with_input(2)
    net.output("relu", sigmoid(relu(relu(x))))
    assert names(net) == ["relu", "relu#2", "sigmoid"]
    assert net.outputs()[0]["name"] == "relu"
    np.testing.assert_allclose(outputs(net, np.array([-1, 0], np.float32))["relu"], [0.5, 0.5])


def test_outputs_called_as_each_other_was() -> None:
    net, x = with_input(2)
    positive, squashed = relu(x), sigmoid(x)
    net.output("sigmoid", positive)
    net.output("relu", squashed)
    found = outputs(net, np.array([0, 0], np.float32))
    np.testing.assert_array_equal(found["sigmoid"], [0, 0])
    np.testing.assert_array_equal(found["relu"], [0.5, 0.5])


def test_an_output_that_is_the_module_of_its_name() -> None:
    net, x = with_input(2)
    net.output("output", act(net.root / "output", x))
    assert net.modules["output"][0].name == net.outputs()[0]["name"] == "output"


def test_outputs_that_are_refused() -> None:
    net, x = with_input(2)
    y = relu(x)
    net.output("y", y)
    for name in ("x", "y"):
        with pytest.raises(NetworkError, match=f"output {name}: an input or output of the network has that name"):
            net.output(name, y)
    with pytest.raises(NetworkError, match="output z: found NoneType, expected a Tensor"):
        net.output("z", None)  # type: ignore[arg-type]  # what a model function without a return gives
    _, foreign = with_input(2)
    with pytest.raises(NetworkError, match=r"^output z: Tensor\('relu', .*\) is a tensor of another network$"):
        net.output("z", relu(foreign))
    assert [output["name"] for output in net.outputs()] == ["y"]


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
    with pytest.raises(NetworkError, match=f"^{message}") as caught:
        (net.root / "a" / "b").emit(method, x, *arguments, **attributes)
    assert "\n" not in str(caught.value)
    assert net.where == ""


def test_emit_gives_tensorrts_own_words() -> None:
    net, x = with_input(2, 3)
    other = net.input("y", (4, 5))
    with pytest.raises(NetworkError, match=r"^m: .*broadcast dimensions must be conformable"):
        (net.root / "m").emit("add_elementwise", x, other, trt.ElementWiseOperation.SUM)


def test_tensors_of_another_network() -> None:
    net, x = with_input(2)
    _, foreign = with_input(2)
    with pytest.raises(NetworkError, match=r"^a: Tensor\('x', \(2,\), float32\) is a tensor of another network$"):
        (net.root / "a").emit("add_identity", foreign)
    with pytest.raises(NetworkError, match="another network"):
        (net.root / "a").emit("add_concatenation", [foreign])
    with pytest.raises(NetworkError, match="another network"):
        net.emit("add_shuffle", x, inputs={1: foreign})


def test_a_layer_without_output() -> None:
    net = Network({})
    condition = net.root.constant(np.array(True), "bool")
    with pytest.raises(
        NetworkError, match=r"^a: add_assertion: the layer has no output; add it to `scope.trt` itself$"
    ):
        (net.root / "a").emit("add_assertion", condition, "never")


def test_weights_live_until_the_build_and_are_made_contiguous() -> None:
    net, x = with_input(3, 4)
    array = np.arange(24, dtype=np.float32).reshape(3, 8)[:, ::2]
    wanted = array.copy()
    y = net.emit("add_elementwise", x, net.emit("add_constant", (3, 4), array), trt.ElementWiseOperation.SUM)
    del array
    gc.collect()
    _ = [np.full(12, np.nan, np.float32) for _ in range(100)]  # would overwrite freed memory
    net.output("y", y)
    np.testing.assert_array_equal(outputs(net, np.zeros((3, 4), np.float32))["y"], wanted)


def test_weights_of_a_layer_whose_attribute_is_refused_live_too() -> None:
    """The layer is in the network, and TensorRT reads its weights when it builds."""
    net, x = with_input(1, 2, 4, 4)
    kernel = np.full((3, 2, 1, 1), 0.5, np.float32)
    with pytest.raises(NetworkError, match="no attribute 'strides'"):
        net.emit("add_convolution_nd", x, 3, (1, 1), kernel, None, strides=(1, 1))
    del kernel
    gc.collect()
    _ = [np.full(6, np.nan, np.float32) for _ in range(100)]
    y = Tensor(net, net.trt.get_layer(0).get_output(0))
    net.output("y", y)
    np.testing.assert_array_equal(outputs(net, np.ones((1, 2, 4, 4), np.float32))["y"], np.ones((1, 3, 4, 4)))


def test_the_network_definition_itself_takes_layers() -> None:
    net, x = with_input(2)
    layer = net.trt.add_activation(relu(x).trt, trt.ActivationType.SIGMOID)
    net.output("y", Tensor(net, layer.get_output(0)))
    np.testing.assert_allclose(outputs(net, np.array([-5, 0], np.float32))["y"], [0.5, 0.5])
    assert net.root.trt is net.trt


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_conversion_rounds_as_torch_does(dtype: str) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=4000) * np.exp(random.uniform(-20, 9, 4000))
    values[:6] = [0, -0.0, np.inf, -np.inf, 1 + 2**-8, 1 + 3 * 2**-8]
    twin = torch.from_numpy(values).float().to(getattr(torch, dtype))
    made = Network({}).convert(values, dtype)
    bits = {2: np.uint16, 4: np.uint32}[made.dtype.itemsize]
    np.testing.assert_array_equal(
        made.view(bits), twin.view(torch.int16 if made.itemsize == 2 else torch.int32).numpy().view(bits)
    )


def test_nan_stays_nan_in_bfloat16() -> None:
    worst = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(Network({}).convert(worst, "bfloat16").astype(np.float32)).all()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (70000.0, "float16"),
        (1e39, "float32"),
        (3.4e38, "bfloat16"),
        ([-70000.0, np.inf], "float16"),
        ([np.nan, 500.0], "float8_e4m3fn"),
    ],
)
def test_weights_too_large(value: Any, dtype: str) -> None:
    with pytest.raises(NetworkError, match=f"^a: found a weight of magnitude .*, which {dtype} can't hold$"):
        (Network({}).root / "a").constant(value, dtype)


@pytest.mark.parametrize(("value", "dtype"), [(0.5, "int32"), (256, "uint8"), (-1, "uint8"), ([8, 1], "int4")])
def test_integers_that_a_dtype_can_not_hold(value: Any, dtype: str) -> None:
    with pytest.raises(
        NetworkError, match=f"^a: found a constant that {dtype} can't hold, expected integers in its range$"
    ):
        (Network({}).root / "a").constant(value, dtype)


def test_integers_take_no_fractions() -> None:
    _, x = with_input(3, dtype="int32")
    with pytest.raises(NetworkError, match=r"^network: add: found int32 and 0.5, expected an integer"):
        x + 0.5


@pytest.mark.parametrize("count", [4, 5])
@pytest.mark.parametrize("dtype", ["int4", "float4_e2m1fn", "float8_e4m3fn", "bfloat16", "bool", "int8", "int64"])
def test_constants_are_what_tensorrt_reads(dtype: str, count: int) -> None:
    """As they were given, and read from the memory that TensorRT was given, where four bits are half a byte."""
    values = np.array([0, -8, 7, 3, -1] if dtype == "int4" else [0, 1, 2, 3, 6])[:count]
    values = values > 0 if dtype == "bool" else values
    net = Network({})
    net.output("y", net.constant(values, dtype))
    for _ in range(2):
        found = outputs(net)["y"]
        assert found.dtype.name == dtype
        np.testing.assert_array_equal(found.astype(np.float32), values)
        kept(net.trt).arrays.clear()


def test_cast_and_compute() -> None:
    net = Network({}, precision="fp16")
    x = net.input("x", (2,))
    assert x.to("float32") is x
    half = net.compute(x)
    assert half.dtype == "float16"
    assert net.compute(half) is half
    assert names(net) == ["to_float16"]


def test_further_outputs_of_a_layer() -> None:
    net, x = with_input(1, 4)
    values = (net.root / "top").emit("add_topk", x, trt.TopKOperation.MAX, 2, 2)
    indices = values.layer_output(1)
    assert (indices.name, indices.dtype, indices.shape) == ("top:topk:1", "int32", (1, 2))


def test_a_size_is_made_once() -> None:
    net = Network({})
    x = net.input("x", ((1, 2, 3), (4, 5, 6), 2))
    assert net.size(x, 0).trt is net.size(x, 0).trt
    assert names(net) == ["shape", "size"]
    net.size(x, 1)
    net.size(relu(x), 0)
    assert len([name for name in names(net) if name.startswith("size")]) == 3
    rows = x.dims[0] * x.dims[1]
    x.reshape(rows, 1, 2, 1).reshape(1, 1, rows, -1)
    assert len([name for name in names(net) if name.startswith("size")]) == 3


def test_no_tensorrt_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTSNET_TENSORRT", "tensorflow")
    with pytest.raises(TensorRTError, match="WTSNET_TENSORRT: found 'tensorflow', expected one of tensorrt,"):
        Network({})
