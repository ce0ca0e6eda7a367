"""The runner itself: what it takes and gives, its errors, and what it keeps."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from wtsnet.errors import RunnerError, UnsupportedLayerError
from wtsnet.reference import ReferenceRunner, TensorSpec
from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
f64: Any = np.float64
i32: Any = np.int32
i64: Any = np.int64
u8: Any = np.uint8
RELU, SIGMOID = trt.ActivationType.RELU, trt.ActivationType.SIGMOID
SUM, PROD = trt.ElementWiseOperation.SUM, trt.ElementWiseOperation.PROD


def relu(net: Any, x: Any, name: str | None = None) -> Any:
    layer = net.trt.add_activation(x, RELU)
    if name:
        layer.get_output(0).name = name
    return layer.get_output(0)


def test_specs_say_what_goes_in_and_out(net: Any) -> None:
    net.mark(relu(net, net.input(np.zeros((2, 3), np.float16), dynamic=(0,))))
    runner = net.runner()
    assert runner.inputs == {"x0": TensorSpec("x0", (-1, 3), "float16")}
    assert runner.outputs == {"y0": TensorSpec("y0", (-1, 3), "float16")}


@pytest.fixture
def doubling(net: Any) -> Any:
    """y0 = 2 · x0 for float32 (-1, 3)."""
    x = net.input(np.zeros((1, 3), np.float32), dynamic=(0,))
    layer = net.trt.add_elementwise(x, x, SUM)
    layer.name = "double"
    net.mark(layer.get_output(0))
    runner = net.runner()
    runner.owner = net  # the builder goes with the network
    return runner


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2, 3]],
        f64([[1, 2, 3]]),
        np.array([[1, 2, 3]], ">f4"),
        u8([[1, 2, 3]]),
        f32([[1, 0, 2, 0, 3]])[:, ::2],
        f32([[3, 2, 1]])[:, ::-1],
        np.broadcast_to(np.float32(1), (1, 3)) * f32([1, 2, 3]),
        torch.tensor([[1.0, 2, 3]], requires_grad=True),
    ],
    ids=["list", "float64", "big-endian", "uint8", "strided", "reversed", "broadcast", "torch"],
)
def test_inputs_of_many_kinds(doubling: Any, value: Any) -> None:
    np.testing.assert_array_equal(doubling(x0=value)["y0"], [[2, 4, 6]])


def test_a_read_only_input_is_fine(doubling: Any) -> None:
    value = np.ones((2, 3), np.float32)
    value.flags.writeable = False
    np.testing.assert_array_equal(doubling(x0=value)["y0"], 2 * value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"missing input 'x0': float32\[-1, 3\]"),
        ({"x0": np.zeros((1, 3)), "x": 1}, r"unknown input 'x'; the network takes 'x0': float32\[-1, 3\]"),
        ({"x00": 1}, r"unknown input 'x00'; did you mean 'x0'\?; the network takes"),
        ({"x0": np.zeros((1, 4), np.float32)}, r"input 'x0': got float32\[1, 4\], expected float32\[-1, 3\]"),
        ({"x0": np.zeros(3, np.int8)}, r"input 'x0': got int8\[3\], expected float32\[-1, 3\]"),
        ({"x0": np.zeros((1, 3), complex)}, r"input 'x0': got complex128\[1, 3\], which float32 can't hold"),
        ({"x0": [["a", "b", "c"]]}, r"input 'x0': can't convert .* expected float32\[-1, 3\]"),
        ({"x0": [[1, 2, 3], [4]]}, r"input 'x0': setting an array element .* expected float32\[-1, 3\]"),
    ],
)
def test_inputs_that_do_not_fit(doubling: Any, inputs: Any, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        doubling.run(inputs)


@pytest.mark.parametrize("value", [i64([2**31]), f32([1]), i64([-(2**31) - 1])])
def test_values_that_an_integer_input_can_not_hold(net: Any, value: Any) -> None:
    net.mark(relu(net, net.input(i32([0]))))
    with pytest.raises(RunnerError, match=r"input 'x0': got \w+\[1\], which int32 can't hold"):
        net.runner()(x0=value)


def test_integers_in_range_are_narrowed(net: Any) -> None:
    net.mark(relu(net, net.input(i32([0]))))
    got = net.runner()(x0=i64([2**31 - 1]))["y0"]
    assert got.dtype == np.int32
    assert got == 2**31 - 1


def test_names_that_are_no_identifiers(net: Any) -> None:
    x = net.input(f32([-1]))
    x.name = "x.1"
    net.mark(relu(net, x))
    assert net.runner().run({"x.1": f32([-1])})["y0"] == 0


def test_bfloat16_comes_as_such(net: Any) -> None:
    x = net.trt.add_input("x", trt.bfloat16, (2,))
    net.mark(net.trt.add_elementwise(x, x, SUM).get_output(0))
    runner = net.runner()
    assert runner.outputs["y0"].dtype == "bfloat16"
    got = runner(x=f32([1, 1.00390625]))["y0"]  # 1 + 2^-8 is between two bfloat16 numbers
    assert got.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(got.astype(np.float32), [2, 2])


def test_outputs_share_no_memory_with_inputs_or_weights(net: Any) -> None:
    x, weights = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    net.keep(weights)
    flat = net.trt.add_shuffle(net.input(x))
    flat.reshape_dims = (6,)
    net.mark(flat.get_output(0), net.trt.add_constant((2, 3), weights).get_output(0))
    for array in net.runner()(x0=x).values():
        array += 1
    assert not x.any()
    assert not weights.any()


def test_weights_are_not_copied(net: Any) -> None:
    weights = np.ones((1, 1, 1, 1), np.float32)
    x = np.ones((1, 1, 2, 2), np.float32)
    net.mark(net.trt.add_convolution_nd(net.input(x), 1, (1, 1), weights).get_output(0))
    runner = net.runner()
    weights[:] = 5
    np.testing.assert_array_equal(runner(x0=x)["y0"], 5 * x)


def test_an_unsupported_layer_is_named_at_construction(net: Any) -> None:
    x = net.input(np.zeros((16, 32), np.float32))
    layer = net.trt.add_dynamic_quantize(x, 1, 32, trt.fp8, trt.DataType.E8M0)
    layer.name = "mx"
    net.mark(layer.get_output(0))
    with pytest.raises(UnsupportedLayerError, match=r"layer 'mx' \(DYNAMIC_QUANTIZE\): .* does not execute it: how it"):
        net.runner()


def test_a_layer_that_fails_names_itself_and_its_inputs(net: Any) -> None:
    layer = net.trt.add_elementwise(net.input(f32([1, 2]), (0,)), net.input(f32([1, 2]), (0,)), SUM)
    layer.name = "join"
    net.mark(layer.get_output(0))
    with pytest.raises(
        RunnerError, match=r"layer 'join' \(ELEMENTWISE\) failed: .*; its inputs: float32\[2\], float32\[3\]"
    ):
        net.runner()(x0=[1, 2], x1=[1, 2, 3])


def test_values_are_freed_after_their_last_use(net: Any) -> None:
    x = net.input(f32([1]))
    skip = y = relu(net, x)
    for _ in range(20):
        y = relu(net, y)
    net.mark(net.trt.add_elementwise(y, skip, SUM).get_output(0))
    program = net.runner()._program
    live = [sum(value.numel() > 0 for value in values) for _, values in program.walk([torch.ones(1)])]
    assert max(live) == 3  # the skip, and each layer's input and output


def test_layers_out_of_order_are_sorted(net: Any) -> None:
    x = net.input(f32([-1, 2]))
    first = net.trt.add_unary(x, trt.UnaryOperation.NEG)
    net.mark(first.get_output(0))
    first.set_input(0, relu(net, x))
    np.testing.assert_array_equal(net.runner()(x0=[-1, 2])["y0"], [0, -2])


def test_trace_yields_what_is_asked_in_order(net: Any) -> None:
    x = net.input(f32([-1, 2]))
    a = relu(net, x, "a")
    b = net.trt.add_unary(a, trt.UnaryOperation.NEG).get_output(0)
    b.name = "b"
    c = net.trt.add_elementwise(a, b, PROD).get_output(0)
    c.name = "c"
    net.mark(net.trt.add_unary(c, trt.UnaryOperation.ABS).get_output(0))
    runner = net.runner()
    got = list(runner.trace({"x0": [-1, 2]}, ["c", "b", "x0", "a"]))
    assert [name for name, _ in got] == ["x0", "a", "b", "c"]
    assert [value.tolist() for _, value in got] == [[-1, 2], [0, 2], [0, -2], [0, -4]]
    with pytest.raises(RunnerError, match="the network has no tensor 'x'; did you mean 'x0'"):
        list(runner.trace({"x0": [-1, 2]}, ["x"]))


def gated(net: Any, times: Any = 1) -> Any:
    x = net.input(np.linspace(-3, 3, 7, dtype=np.float32))
    gate = net.trt.add_activation(x, SIGMOID).get_output(0)
    gate.name = "gate"
    y = net.trt.add_elementwise(x, gate, PROD).get_output(0)
    for _ in range(times - 1):
        y = net.trt.add_elementwise(y, gate, SUM).get_output(0)
    net.mark(y)
    return net.runner(), net.fed


def test_x_times_its_sigmoid_is_one_pass_and_can_still_be_traced(net: Any) -> None:
    runner, fed = gated(net)
    assert len(runner._program.steps) == 1
    x = torch.from_numpy(fed["x0"])
    np.testing.assert_array_equal(runner.run(fed)["y0"], torch.nn.functional.silu(x))
    ((name, gate),) = runner.trace(fed, ["gate"])
    assert name == "gate"
    np.testing.assert_array_equal(gate, torch.sigmoid(x))


def test_a_sigmoid_that_is_used_twice_stays(net: Any) -> None:
    runner, fed = gated(net, times=2)
    assert len(runner._program.steps) == 3
    x = torch.from_numpy(fed["x0"])
    np.testing.assert_allclose(runner.run(fed)["y0"], (x + 1) * torch.sigmoid(x), rtol=1e-6)


def test_closing_ends_it(net: Any) -> None:
    net.mark(relu(net, net.input(f32([1]))))
    with net.runner() as runner:
        runner(x0=[1])
        runner.close()  # twice does no harm
    with pytest.raises(RunnerError, match="the runner is closed"):
        runner(x0=[1])


def test_a_network_that_tensorrt_refuses(net: Any) -> None:
    layer = net.trt.add_shuffle(net.input(np.zeros((2, 3), np.float32)))
    layer.reshape_dims = (4, 4)
    layer.get_output(0).name = "wrong"
    with pytest.raises(RunnerError, match="tensor 'wrong' has no shape: TensorRT refuses"):
        ReferenceRunner(net.trt)


def test_two_runners_of_one_network(net: Any) -> None:
    """The second reads layers that the first has downcast and still holds."""
    net.mark(relu(net, net.input(f32([0]))))
    first, second = net.runner(), net.runner()
    assert first(x0=[3])["y0"] == second(x0=[3])["y0"] == 3
