"""wtsnet/network/tensor.py: what Python does with a Tensor, operators with numbers, and tensors of layers by hand."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.network import Dim, Network, Tensor
from wtsnet.ops import cat, conv2d, gather, matmul, relu, where
from wtsnet.reference import ReferenceRunner

trt = pytest.importorskip("tensorrt_rtx")

GIVEN = np.array([1, -2, 4], np.float32)


def with_input(*shape: Any, dtype: str = "float32") -> tuple[Network, Tensor]:
    net = Network({})
    return net, net.input("x", shape, dtype)


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def value(net: Network, y: Tensor, given: Any = GIVEN) -> np.ndarray[Any, Any]:
    """What a tensor is in a run."""
    net.output("y", y)
    found: np.ndarray[Any, Any] = ReferenceRunner(net.trt).run({"x": given})["y"]
    return found


# What Python asks of an object.


def test_it_has_no_truth() -> None:
    net, x = with_input(1)
    for ask in (bool, operator.not_, lambda x: 1 if x else 2, lambda x: x and x, lambda x: x or x):
        with pytest.raises(NetworkError) as caught:
            ask(x)
        assert str(caught.value) == (
            "network: Tensor('x', (1,), float32) has no value before the network runs, so Python can't branch on it; "
            "where() can"
        )
    with pytest.raises(NetworkError, match="has no value before the network runs"):
        assert x < 1.0
    assert names(net) == ["constant", "lt"]


def test_length_is_the_first_size() -> None:
    assert len(with_input(4, 2)[1]) == 4
    with pytest.raises(NetworkError, match=r"found a dynamic size at dim 0 of \(-1, 2\), expected a fixed one"):
        len(with_input((1, 2, 3), 2)[1])
    with pytest.raises(NetworkError):
        len(with_input()[1])


def test_it_is_the_row_of_what_it_is_made_of() -> None:
    net, x = with_input(3)
    first, *rest = x
    assert [part.shape for part in (first, *rest)] == [()] * 3
    np.testing.assert_array_equal(value(net, first + rest[1]), 5)
    a, b = with_input(2, 5)[1]
    assert a.shape == b.shape == (5,)
    with pytest.raises(NetworkError, match="dynamic size at dim 0"):
        list(with_input((1, 2, 3), 2)[1])


def test_it_is_a_key_by_itself() -> None:
    net, x = with_input(3)
    y = relu(x)
    assert {x: 1, y: 2}[y] == 2
    assert len({x, y, x}) == 2
    assert hash(x) == hash(x)
    assert x in [y, x][1:]  # found by identity before it would be compared
    assert net.trt.num_layers == 1


def test_what_holds_another_one_can_not_be_said() -> None:
    """`in` compares, which is a layer, and then wants its truth."""
    _, x = with_input(3)
    y = relu(x)
    with pytest.raises(NetworkError, match="has no value before the network runs"):
        x in [y]  # noqa: B015
    with pytest.raises(NetworkError, match="has no value before the network runs"):
        1.0 in x  # type: ignore[operator]  # noqa: B015
    with pytest.raises(NetworkError, match="has no value before the network runs"):
        [y].index(x)


def test_a_comparison_is_a_layer() -> None:
    net, x = with_input(3)
    same = x == relu(x)
    assert isinstance(same, Tensor)
    assert (same.dtype, same.shape) == ("bool", (3,))
    assert names(net) == ["relu", "eq"]
    np.testing.assert_array_equal(value(net, same), [True, False, True])


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_with_numbers_on_either_side(name: str) -> None:
    compare = getattr(operator, name)
    net, x = with_input(3)
    for number in (1, 1.0, np.float32(1), np.int64(1)):
        net.output(f"{type(number).__name__} left", compare(number, x))
        net.output(f"{type(number).__name__} right", compare(x, number))
    for key, found in ReferenceRunner(net.trt).run({"x": GIVEN}).items():
        wanted = compare(1, GIVEN) if key.endswith("left") else compare(GIVEN, 1)
        np.testing.assert_array_equal(found, wanted, key)


@pytest.mark.parametrize("other", [None, "a", object(), [1.0]], ids=lambda one: type(one).__name__)
def test_a_comparison_with_what_is_no_number(other: Any) -> None:
    _, x = with_input(3)
    for compare in (operator.eq, operator.ne):
        with pytest.raises(NetworkError, match=r"^(eq|ne): other: found .*, expected a Tensor, a Dim, a number"):
            compare(x, other)


def test_it_is_not_an_array() -> None:
    """numpy must not take it apart."""
    net, x = with_input(3)
    array: Any = np.ones(3, np.float32)
    for operation in (operator.mul, operator.add, operator.matmul):
        for operands in ((array, x), (x, array)):
            with pytest.raises((NetworkError, TypeError), match=r"found array|unsupported operand"):
                operation(*operands)
    with pytest.raises(TypeError):
        np.exp(x)  # type: ignore[call-overload]
    assert net.trt.num_layers == 0


# Operators.


def test_arithmetic() -> None:
    net, x = with_input(3)
    made = {"add": x + 2, "radd": 2 + x, "sub": x - 2, "rsub": 2 - x, "mul": x * 2, "rmul": 2 * x, "div": x / 2}
    made |= {"rdiv": 2 / x, "neg": -x, "both": x * x - x, "pos": +x + 0, "abs": abs(x)}
    for name, tensor in made.items():
        net.output(name, tensor)
    a = GIVEN
    found = ReferenceRunner(net.trt).run({"x": a})
    wanted = [a + 2, 2 + a, a - 2, 2 - a, a * 2, 2 * a, a / 2, 2 / a, -a, a * a - a, a, abs(a)]
    for name, array in zip(made, wanted, strict=True):
        np.testing.assert_array_equal(found[name], array, name)


OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
NUMBERS = [3, 2.5, -1.5, np.float32(2.5), np.float64(2.5), np.float16(2.5), np.int64(3), np.int32(3), np.uint8(3)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{type(number).__name__} {number}")
@pytest.mark.parametrize("sign", list(OPERATIONS))
def test_a_number_on_either_side_is_as_in_torch(sign: str, number: Any) -> None:
    operation = OPERATIONS[sign]
    given = torch.tensor([0.5, 3.0, 4.25] if sign == "**" else [0.5, -3.0, 4.25, 7.0])
    net, x = with_input(len(given))
    net.output("left", operation(number, x))
    net.output("right", operation(x, number))
    found = ReferenceRunner(net.trt).run({"x": given})
    plain = number.item() if isinstance(number, np.generic) else number
    for key, wanted in (("left", operation(plain, given)), ("right", operation(given, plain))):
        torch.testing.assert_close(torch.from_numpy(found[key]), wanted, equal_nan=True)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "//", "%"])
def test_an_integer_on_either_side_of_integers_is_as_in_torch(sign: str) -> None:
    operation = OPERATIONS[sign]
    given = torch.tensor([1, 3, 5, 7], dtype=torch.int32)
    net, x = with_input(4, dtype="int32")
    net.output("left", operation(20, x))
    net.output("right", operation(x, 3))
    found = ReferenceRunner(net.trt).run({"x": given})
    for key, wanted in (("left", operation(20, given)), ("right", operation(given, 3))):
        torch.testing.assert_close(torch.from_numpy(found[key]), wanted)


@pytest.mark.parametrize("sign", ["&", "|", "^"])
def test_a_truth_on_either_side(sign: str) -> None:
    operation = {"&": operator.and_, "|": operator.or_, "^": operator.xor}[sign]
    given = np.array([True, False])
    net, x = with_input(2, dtype="bool")
    net.output("left", operation(True, x))
    net.output("right", operation(x, False))
    found = ReferenceRunner(net.trt).run({"x": given})
    np.testing.assert_array_equal(found["left"], operation(True, given))
    np.testing.assert_array_equal(found["right"], operation(given, False))
    np.testing.assert_array_equal(value(net, ~x, given), ~given)


@pytest.mark.parametrize("left", [None, b"a", True, 1j, [1.0]], ids=repr)
@pytest.mark.parametrize("sign", [sign for sign in OPERATIONS if sign != "%"])  # which formats bytes and texts
def test_what_is_no_number_on_the_left(sign: str, left: Any) -> None:
    net, x = with_input(3)
    with pytest.raises(NetworkError, match=r"found .*, expected a (Tensor, a Dim or a number|number or a T)"):
        OPERATIONS[sign](left, x)
    assert net.trt.num_layers == 0


def test_a_number_takes_the_tensors_dtype() -> None:
    for dtype in ("float16", "bfloat16"):
        net, x = with_input(3, dtype=dtype)
        assert {(1 - x * 2.5 + np.float32(2)).dtype, (2.0 / x).dtype, (2.0**x).dtype} == {dtype}
        assert not any(name.startswith("to_") for name in names(net))


def test_matrices_and_in_place_signs() -> None:
    net, x = with_input(2, 2)
    y = x
    y += 1.0
    y *= x
    assert y is not x
    given = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(value(net, y @ x.T, given), ((given + 1) * given) @ given.T)


# Two networks.


@pytest.mark.parametrize(
    "mixed",
    [
        lambda x, y: x + y,
        lambda x, y: x == y,
        lambda x, y: cat((x, y)),
        lambda x, y: matmul(x, y),
        lambda x, y: where(x > 0.0, x, y),
        lambda x, y: where(y > 0.0, x, x),
        lambda x, y: gather(x, 0, y.int()),
        lambda x, y: x[y[0].int()],
        lambda x, y: x.clamp(y),
        lambda x, y: x.masked_fill(y > 0.0, 0.0),
        lambda x, y: x.reshape(Dim(y, 0), Dim(y, 1)),
        lambda x, y: x.net.output("z", y),
        lambda x, y: x.named(y.net.root / "a"),
    ],
)
def test_tensors_of_two_networks(mixed: Any) -> None:
    _, x = with_input(2, 2)
    _, y = with_input(2, 2)
    with pytest.raises(NetworkError, match=r"Tensor\('.*', \(2,.*\), .*\) is a tensor of another network$"):
        mixed(x, y)


def test_a_module_of_one_network_and_a_tensor_of_another() -> None:
    net = Network({"a.weight": np.ones((1, 1, 1, 1)), "a.bias": np.ones(1)})
    _, x = with_input(1, 1, 2, 2)
    with pytest.raises(NetworkError, match=r"^a: conv2d: Tensor\('x', .*\) is a tensor of another network$"):
        conv2d(net.root / "a", x, 1, 1)
    with pytest.raises(NetworkError, match="another network"):
        conv2d(input=x, s=net.root / "a", out_channels=1, kernel_size=1)
    assert net.trt.num_layers == x.net.trt.num_layers == 0


# Tensors of layers that were added by hand.


def test_the_output_of_a_layer_is_named_after_its_module() -> None:
    net, x = with_input(2)
    s = net.root / "a"
    first = Tensor.of(s, net.trt.add_identity(x.trt).get_output(0))
    second = Tensor.of(s, net.trt.add_identity(x.trt).get_output(0))
    at_root = Tensor.of(net.root, net.trt.add_identity(x.trt).get_output(0))
    assert [tensor.name for tensor in (first, second, at_root)] == ["a:tensor", "a:tensor#2", "tensor"]
    assert (first.net, first.shape, first.dtype, first.layer) == (net, (2,), "float32", None)


def test_a_name_of_ones_own_is_kept() -> None:
    net, x = with_input(2)
    layer = net.trt.add_identity(x.trt)
    layer.get_output(0).name = "mine"
    assert Tensor.of(net.root / "a", layer.get_output(0)).name == "mine"


def test_a_layer_that_tensorrt_refuses() -> None:
    net, x = with_input(1, 3, 8, 8)
    kernel = np.ones((4, 3, 3), np.float32)
    with pytest.raises(NetworkError) as caught:
        Tensor.of(net.root / "a", net.trt.add_convolution_nd(x.trt, 4, (3,), kernel))
    assert str(caught.value).startswith(
        "a: found None, expected an ITensor; INetworkDefinition::addConvolutionNd: Error"
    )
    assert "\n" not in str(caught.value)


def test_a_layer_whose_output_can_not_be() -> None:
    net, x = with_input(2, 3)
    other = net.input("y", (4, 5))
    layer = net.trt.add_elementwise(x.trt, other.trt, trt.ElementWiseOperation.SUM)
    with pytest.raises(NetworkError, match="broadcast dimensions must be conformable") as caught:
        Tensor.of(net.root / "a", layer.get_output(0))
    assert "\n" not in str(caught.value)


def test_what_is_no_itensor() -> None:
    net, x = with_input(2)
    tensorrt.log.errors.append("Error Code 9: of long ago")
    for wrong, shown in (
        (net.trt.add_identity(x.trt), "an IIdentityLayer"),
        (x, "Tensor('x', (2,), float32)"),
        (3, "3"),
    ):
        with pytest.raises(NetworkError) as caught:
            Tensor.of(net.root, wrong)
        assert str(caught.value) == f"network: found {shown}, expected an ITensor"


# What is told of a tensor.


def test_sizes() -> None:
    _, x = with_input((1, 2, 3), 4, 5)
    assert (x.shape, x.rank, x.ndim, x.dim(), x.name) == ((-1, 4, 5), 3, 3, 3, "x")
    batch, *rest = x.dims
    assert isinstance(batch, Dim)
    assert rest == [4, 5]
    assert x.size(1) == x.size(-2) == 4
    assert isinstance(x.size(0), Dim)
    assert x.size()[1:] == (4, 5)
    assert with_input(2, 3)[1].numel() == 6
    assert isinstance(x.numel(), Dim)
    with pytest.raises(NetworkError, match=r"dim: found 3, expected -3 to 2 for shape \(-1, 4, 5\)"):
        x.size(3)


@pytest.mark.parametrize(
    "dtype", ["float16", np.float16, np.dtype("float16"), torch.float16, torch.half, "half"], ids=str
)
def test_dtypes_by_every_name(dtype: Any) -> None:
    net, x = with_input(2)
    y = x.to(dtype)
    assert y.dtype == "float16"
    assert y.to(y) is y
    assert x.to(y).dtype == x.type_as(y).dtype == "float16"
    assert names(net) == ["to_float16", "to_float16#2", "to_float16#3"]


def test_dtypes_that_are_none() -> None:
    _, x = with_input(2)
    for wrong in ("float64", torch.float64, float, None, 3):
        with pytest.raises(NetworkError, match=r'^network: to: found .*, expected a dtype such as "float32"$'):
            x.to(wrong)


CASTS: dict[str, Callable[[Tensor], Tensor]] = {
    "float32": Tensor.float,
    "float16": Tensor.half,
    "bfloat16": Tensor.bfloat16,
    "int32": Tensor.int,
    "int64": Tensor.long,
    "bool": Tensor.bool,
}


@pytest.mark.parametrize("dtype", list(CASTS))
def test_casts(dtype: str) -> None:
    net, x = with_input(3)
    y = CASTS[dtype](x)
    assert y.dtype == dtype
    assert CASTS[dtype](y) is y
    np.testing.assert_array_equal(value(net, y).astype(np.float32), GIVEN != 0 if dtype == "bool" else GIVEN)


def test_what_changes_nothing_adds_nothing() -> None:
    net, x = with_input(2, 3)
    for same in (x.contiguous(), x.clone(), x.detach(), +x, x.float()):
        assert same is x
    assert net.trt.num_layers == 0


def test_sizes_one_by_one_or_in_a_row() -> None:
    _, x = with_input(2, 3, 4)
    for name, sizes, shape in (
        ("reshape", (4, 6), (4, 6)),
        ("view", (4, -1), (4, 6)),
        ("permute", (2, 0, 1), (4, 2, 3)),
        ("expand", (5, 2, 3, 4), (5, 2, 3, 4)),
        ("repeat", (1, 2, 1), (2, 6, 4)),
        ("tile", (2,), (2, 3, 8)),
        ("flip", (0, 2), (2, 3, 4)),
    ):
        method = getattr(x, name)
        assert method(*sizes).shape == method(sizes).shape == method(list(sizes)).shape == shape, name


def test_it_takes_no_attributes() -> None:
    """A misspelt one would go unseen."""
    _, x = with_input(2)
    with pytest.raises(AttributeError):
        x.shpae = (1,)  # type: ignore[attr-defined]


def test_a_copy_of_a_list_holds_the_same_tensors() -> None:
    _, x = with_input(2)
    assert copy.copy([x])[0] is x
