"""wtsnet/network/dims.py: what is reckoned from sizes that only a run tells."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wtsnet.errors import NetworkError
from wtsnet.network import Dim, Network, Tensor, shape_tensor
from wtsnet.network.dims import largest, smallest
from wtsnet.ops import relu
from wtsnet.reference import ReferenceRunner

H, W = 7, 3  # what the sizes are in a run


def image() -> tuple[Network, Tensor, Dim, Dim]:
    """A network, its input of (2, H, W), and both dynamic sizes."""
    net = Network({})
    x = net.input("x", (2, (1, 8, 9), (1, 4, 9)))
    h, w = x.dims[1:]
    assert isinstance(h, Dim)
    assert isinstance(w, Dim)
    return net, x, h, w


def value(net: Network, *dims: Any) -> list[int]:
    """What sizes are in a run."""
    net.output("sizes", shape_tensor(net, dims))
    found: list[int] = ReferenceRunner(net.trt).run({"x": np.zeros((2, H, W), np.float32)})["sizes"].tolist()
    return found


REST = {"*": operator.mul, "+": operator.add, "-": operator.sub, "//": operator.floordiv, "%": operator.mod}


@pytest.mark.parametrize("name", list(REST))
@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8])
def test_arithmetic_with_integers_on_both_sides(name: str, kind: Callable[[int], Any]) -> None:
    operation = REST[name]
    net, _, h, w = image()
    right, left, small = operation(h, kind(2)), operation(kind(50), w), operation(kind(2), h)
    assert all(isinstance(dim, Dim) for dim in (right, left, small))
    assert value(net, right, left, small) == [operation(H, 2), operation(50, W), operation(2, H)]


@pytest.mark.parametrize("name", list(REST))
def test_arithmetic_of_two(name: str) -> None:
    operation = REST[name]
    net, _, h, w = image()
    assert value(net, operation(h, w), operation(w, h), operation(h, h)) == [
        operation(H, W),
        operation(W, H),
        operation(H, H),
    ]


def test_longer_reckonings() -> None:
    net, x, h, w = image()
    sizes: list[Any] = [h, w, 1]
    made = [
        (h + 2 * 1 - 3) // 2 + 1,  # a convolution's output
        -(-h // 4) * 4,
        h * w * 2,
        -h + 10,
        +h,
        sum(sizes),
        x.numel(),
        2 * x.size(-1),
    ]
    assert value(net, *made) == [(H - 1) // 2 + 1, 8, 42, 3, 7, 11, 42, 6]


def test_the_largest_and_the_smallest() -> None:
    net, _, h, w = image()
    assert value(net, largest(h, w), smallest(h, w), largest(h, 9), smallest(9, w)) == [7, 3, 9, 3]
    assert (largest(2, 3), smallest(2, 3)) == (3, 2)


def test_numbers_that_change_nothing_cost_nothing() -> None:
    _, _, h, _ = image()
    for same in (h * 1, 1 * h, h // 1, h + 0, 0 + h, h - 0, +h, h * np.int64(1)):
        assert same is h


def test_padding_up_to_another_size_is_that_size() -> None:
    """As where a map is padded to the height of another: x.h + (y.h - x.h)."""
    net, x, h, w = image()
    _, again, _ = x.dims
    assert isinstance(again, Dim)
    assert again + (w - h) is w
    assert again + (5 - h) == 5  # a number again
    assert value(net, again + (h - w), h * 2 + (w - h * 2), h + (5 - relu(x).dims[1])) == [2 * H - W, W, 5]


def test_nothing_enters_the_network_before_an_op_asks() -> None:
    net, x, h, w = image()
    assert h * w + 1 - h // 2 % 3 is not None
    assert net.trt.num_layers == 0
    x.reshape(h, 6)
    assert names(net) == ["reshape"]
    x.reshape(h, 2, w)
    assert [name.split("#")[0] for name in names(net)[1:]] == [
        "shape",
        "size",
        "dim",
        "shape",
        "size",
        "dims",
        "reshape",
    ]


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def test_a_size_is_asked_for_once() -> None:
    net, x, h, w = image()
    x.reshape(h, w, 2)
    count = net.trt.num_layers
    x.reshape(h, w, 1, 2)
    added = [name.split("#")[0] for name in names(net)[count:]]
    assert "size" not in added
    assert "shape" not in added


def test_fixed_sizes_are_one_constant() -> None:
    net, _, _, _ = image()
    found = shape_tensor(net, (2, 3))
    assert (found.shape, found.dtype, names(net)) == ((2,), "int64", ["dims"])
    assert value(net, 2, 3) == [2, 3]


def test_one_size_is_a_row_of_one() -> None:
    net, _, h, _ = image()
    assert shape_tensor(net, (h,)).shape == (1,)


@pytest.mark.parametrize(
    "compare",
    [
        lambda h, w: h == 3,
        lambda h, w: 3 == h,  # noqa: SIM300
        lambda h, w: h == w,
        lambda h, w: h != 3,
        lambda h, w: h < 3,
        lambda h, w: 3 < h,  # noqa: SIM300
        lambda h, w: h <= w,
        lambda h, w: h > np.int64(3),
        lambda h, w: np.int64(3) == h,
        lambda h, w: h >= 3,
        lambda h, w: bool(h),
        lambda h, w: 1 if h else 2,
        lambda h, w: not h,
        lambda h, w: h and w,
        lambda h, w: h in (1, 2),
        lambda h, w: max(h, 3),
        lambda h, w: range(h),
        lambda h, w: [1, 2][h],
        lambda h, w: int(h),
        lambda h, w: float(h),
        lambda h, w: (1,) * h,
        lambda h, w: (h - h) == 0,
        lambda h, w: (2 - h * w) > 1,
    ],
)
def test_a_size_that_only_a_run_tells_can_not_be_compared(compare: Any) -> None:
    _, _, h, w = image()
    with pytest.raises(NetworkError) as caught:
        compare(h, w)
    assert str(caught.value) == (
        "network: found a size of Tensor('x', (2, -1, -1), float32) that is known only at run time, expected a fixed "
        "one where Python compares or counts"
    )


def test_what_is_no_size() -> None:
    _, _, h, _ = image()
    assert h != "a"
    assert h != None  # noqa: E711
    for wrong in (1.5, None, {}):  # type: ignore[var-annotated]  # of any kind
        for operation in REST.values():
            with pytest.raises(TypeError, match="unsupported operand"):
                operation(h, wrong)
            with pytest.raises(TypeError, match="unsupported operand"):
                operation(1.5, h)
    for operation in (operator.truediv, operator.pow):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(h, 2)
    with pytest.raises(TypeError, match="not supported between"):
        h < "a"  # noqa: B015


def test_it_can_be_a_key() -> None:
    _, _, h, w = image()
    assert {h: 1, w: 2}[h] == 1
    assert len({h, w, h}) == 2


def test_of_a_tensor_of_another_network() -> None:
    net, _, _, _ = image()
    _, _, foreign, w = image()
    with pytest.raises(NetworkError, match=r"Tensor\('x', .*\) is a tensor of another network$"):
        shape_tensor(net, (foreign, 2))
    with pytest.raises(NetworkError, match="another network"):
        shape_tensor(net, (foreign * w + 1, 2))


def test_the_tensor_that_it_is_of() -> None:
    net, x, h, _ = image()
    y = relu(x)
    assert h.tensor is x
    made = 2 - y.dims[1] * 3
    assert isinstance(made, Dim)
    assert made.tensor is y
    assert repr(2 * h) == "Dim(Dim(Tensor('x', (2, -1, -1), float32), 1, 'SHAPE'), 2, 'PROD')"
    assert net.trt.num_layers == 1


def test_with_tensors() -> None:
    """A Dim is a number to a tensor, on either side."""
    net, _, h, w = image()
    one = net.constant([1.0], "float32")
    wanted = {
        "h+1": h + one,
        "1-h": one - h,
        "h-1": h - one,
        "w*1": w * one,
        "h/w": one * h / w,
        "h%2": h % (one * 2.0),
    }
    for name, tensor in wanted.items():
        assert isinstance(tensor, Tensor)
        net.output(name, tensor)
    found = ReferenceRunner(net.trt).run({"x": np.zeros((2, H, W), np.float32)})
    assert {name: array.item() for name, array in found.items()} == pytest.approx(
        {"h+1": 8, "1-h": -6, "h-1": 6, "w*1": 3, "h/w": 7 / 3, "h%2": 1}
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x / x.shape[1],
        lambda x: x * (1 / x.shape[1]),
        lambda x: x + x.shape[1],
        lambda x: x[:, x.shape[1] - 1],
        lambda x: x[:, x.shape[1]],
        lambda x: x[:, : x.shape[1]],
        lambda x: x[:, : x.shape[1] // 2],
        lambda x: x.sum(1) if x.shape[1] > 4 else x,
        lambda x: x.reshape(x.shape[0] * x.shape[1], 8),
        lambda x: x[:, -1:].expand(x.shape),
        lambda x: x[:1].expand(x.shape[0], -1, -1),
        lambda x: x.net.root.constant(np.ones((1, 1, 8))).expand(x.shape[0], -1, -1),
        lambda x: divmod(x.shape[1], 2),
        lambda x: -x.shape[1],
    ],
)
def test_the_minus_one_of_a_shape_is_not_reckoned_with(use: Any) -> None:
    """PyTorch's idioms with x.shape would give other numbers of the right shape."""
    x = Network({}).input("x", ((1, 2, 4), (1, 6, 9), 8))
    with pytest.raises(NetworkError, match=r"known only at run time, -1 in x\.shape, can't be reckoned with; x\.dims"):
        use(x)


def test_the_minus_one_of_a_shape_may_be_handed_on() -> None:
    x = Network({}).input("x", ((1, 2, 4), 6, 8))
    assert x.shape == (-1, 6, 8)
    assert -1 in x.shape
    assert x.reshape(x.shape[0], 48).shape == (-1, 48)
    assert x.expand(x.shape[0], -1, 8).shape == (-1, 6, 8)
