"""Recurrent layers, each a TensorRT loop over the sequence.

The inputs of all steps are multiplied with their weights before the loop; in it is only what depends on the state.
Both directions of a layer go through one loop, beside one another: what is in it is (directions, N, channels). In half
precision the products alone are of halves. States are float32, for what is rounded off them at every step adds up
where the gates keep it: in 100 steps of a GRU that forgets slowly, to twenty times the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, Tensor, op, shape_tensor
from wtsnet.network.functions import relu, sigmoid, tanh
from wtsnet.network.product import multiply
from wtsnet.network.shape import cat, cut, reshape, to, unsqueeze
from wtsnet.ops.affine import affine

if TYPE_CHECKING:
    from wtsnet.network import Network, Scope

    States = Sequence[Tensor]
    Cell = Callable[["_Layer", Tensor, States], States]


@op("torch.nn.LSTM")
def lstm(
    s: Scope,
    input: Tensor,
    hidden_size: int,
    num_layers: int = 1,
    *,
    hx: Sequence[Tensor] | None = None,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Long short-term memory (Hochreiter & Schmidhuber 1997): (L, N, C) to output and (h_n, c_n).

    With `batch_first`, input and output are (N, L, C); one sequence alone is (L, C). The output holds h of the last
    layer, both directions behind one another; h_n and c_n, (num_layers·directions, N, channels), hold the last states
    of all layers. The sequences of a batch are equally long: PyTorch's packed ones there are not.

    Args:
        hx: the first states (h_0, c_0), as h_n and c_n are; 0 where it is None.
        bidirectional: whether every layer goes through the sequence from its end, too.
        proj_size: how many channels h is projected to (Sak et al. 2014); with 0, it is not.
    """
    if proj_size and not 0 < proj_size < hidden_size:
        raise input.error(f"proj_size: found {proj_size}, expected 0 or more, and less than hidden_size, {hidden_size}")
    if hx is not None and len(hx) != 2:
        raise input.error(f"hx: found {len(hx)} tensors, expected two, (h_0, c_0)")

    def cell(layer: _Layer, x: Tensor, states: States) -> States:
        i, f, g, o = layer.parts(x + layer.own(states[0]))
        c = sigmoid(f) * states[1] + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (layer.product("weight_hr", h, proj_size) if proj_size else h), c

    sizes = (proj_size or hidden_size, hidden_size)
    y, (h, c) = _recurrent(s, input, cell, 4, sizes, num_layers, hx, bias, batch_first, bidirectional)
    return y, (h, c)


@op("torch.nn.GRU")
def gru(
    s: Scope,
    input: Tensor,
    hidden_size: int,
    num_layers: int = 1,
    *,
    hx: Tensor | None = None,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units (Cho et al. 2014): (L, N, C) to output and h_n; see `lstm`.

    As PyTorch's, they reset the product of the state, not the state itself.
    """

    def cell(layer: _Layer, x: Tensor, states: States) -> States:
        (h,) = states
        (r, z, n), (own_r, own_z, own_n) = layer.parts(x), layer.parts(layer.own(h))
        n = tanh(n + sigmoid(r + own_r) * own_n)
        return (n + sigmoid(z + own_z) * (h - n),)

    first = None if hx is None else (hx,)
    y, (h,) = _recurrent(s, input, cell, 3, (hidden_size,), num_layers, first, bias, batch_first, bidirectional)
    return y, h


@op("torch.nn.RNN")
def rnn(
    s: Scope,
    input: Tensor,
    hidden_size: int,
    num_layers: int = 1,
    *,
    nonlinearity: str = "tanh",
    hx: Tensor | None = None,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> tuple[Tensor, Tensor]:
    """A recurrent network (Elman 1990) of "tanh" or "relu": (L, N, C) to output and h_n; see `lstm`."""
    if nonlinearity not in ("tanh", "relu"):
        raise input.error(f"nonlinearity: found {nonlinearity!r}, expected 'tanh' or 'relu'")
    act = tanh if nonlinearity == "tanh" else relu

    def cell(layer: _Layer, x: Tensor, states: States) -> States:
        return (act(x + layer.own(states[0])),)

    first = None if hx is None else (hx,)
    y, (h,) = _recurrent(s, input, cell, 1, (hidden_size,), num_layers, first, bias, batch_first, bidirectional)
    return y, h


def _recurrent(
    s: Scope,
    x: Tensor,
    cell: Cell,
    gates: int,
    sizes: tuple[int, ...],
    num_layers: int,
    hx: Sequence[Tensor] | None,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Tensor, list[Tensor]]:
    """The output, and the last value of each state: they have `sizes` channels, and h is the first.

    `cell` gives a layer's next states for its inputs, multiplied and (directions, N, gates·channels), and its states.
    """
    if x.rank not in (2, 3) or x.shape[-1] == -1:
        raise x.error(f"input: found shape {x.shape}, expected (L, N, C) or (L, C), C being fixed")
    for name, number in (("hidden_size", sizes[-1]), ("num_layers", num_layers)):
        if number < 1:
            raise x.error(f"{name}: found {number}, expected at least 1")
    order = (1, 0, 2) if batch_first and x.rank == 3 else tuple(range(x.rank))
    length, *n = (x.dims[axis] for axis in order[:-1])
    suffixes = ("", "_reverse") if bidirectional else ("",)
    directions, batch = len(suffixes), _Batch(x.net, n[0] if n else 1)
    if hx is None:
        first = [batch.zeros(directions, channels) for channels in sizes]
    else:
        expected = [(num_layers * directions, *n, channels) for channels in sizes]
        first = [_first_states(x, h, shape) for h, shape in zip(hx, expected, strict=True)]
    count = reshape(shape_tensor(x.net, (length,)), ())
    dims = _unknown(length, 1, batch.n, x.shape[-1])
    y = x.net.emit("add_shuffle", x, first_transpose=order, reshape_dims=dims, zero_is_placeholder=True)
    lasts = []
    for index in range(num_layers):
        layer = _Layer(s, batch, [f"_l{index}{suffix}" for suffix in suffixes], gates, sizes[-1], x.dtype, bias)
        start = index * directions
        states = [
            state if state.shape[0] == directions else cut(state, 0, start, start + directions) for state in first
        ]
        y, last = _loop(layer, cell, layer.inputs(y), states, count)
        lasts.append(last)
    dims = _unknown(length, *n, y.shape[-1])
    y = x.net.emit("add_shuffle", y, reshape_dims=dims, zero_is_placeholder=True, second_transpose=order)
    ends = [to(_joined(of_all, 0), x.dtype) for of_all in zip(*lasts, strict=True)]
    return y, ends if n else [reshape(end, (end.shape[0], end.shape[2])) for end in ends]


def _first_states(x: Tensor, h: Tensor, expected: tuple[int | Dim, ...]) -> Tensor:
    """The first states that were given, as (num_layers·directions, N, channels), float32."""
    fits = len(h.shape) == len(expected) and all(
        isinstance(want, Dim) or size in (-1, want) for size, want in zip(h.shape, expected, strict=True)
    )
    if not fits or h.dtype != x.dtype or h.net is not x.net:
        shape = ", ".join("N" if isinstance(want, Dim) else str(want) for want in expected)
        raise x.error(f"hx: found {h!r}, expected ({shape}) {x.dtype} of this network")
    return to(h if h.rank == 3 else unsqueeze(h, 1), "float32")


def _loop(layer: _Layer, cell: Cell, inputs: list[Tensor], first: list[Tensor], count: Tensor) -> tuple[Tensor, States]:
    """A layer's output (L, 1, N, channels), for inputs likewise of each direction, and its last states."""
    net = layer.batch.net
    loop = net.trt.add_loop()

    def added(label: str, part: Any) -> Tensor:
        """The output of a layer at the loop's border, which only the loop itself can add."""
        if part is None:
            raise net.error(f"{label}: {tensorrt.log.last_error()}")
        part.name = net.unique(f"{net.where}:{label}" if net.where else label)
        out = Tensor(net, part.get_output(0), part)
        out.trt.name = part.name
        return out

    def output(label: str, x: Tensor, kind: str) -> Tensor:
        part = loop.add_loop_output(x.trt, tensorrt.enum("LoopOutput", kind), 0)
        if part is not None and kind != "LAST_VALUE":
            part.set_input(1, count.trt)
        return added(label, part)

    tensorrt.log.errors.clear()
    trip = loop.add_trip_limit(count.trt, tensorrt.enum("TripLimit", "COUNT"))
    trip.name = net.unique(f"{net.where}:trips" if net.where else "trips")
    states = [added("state", loop.add_recurrence(state.trt)) for state in first]
    steps = [added("step", loop.add_iterator(x.trt, 0, i == 1)) for i, x in enumerate(inputs)]
    following = cell(layer, to(_joined(steps, 0), "float32"), states)
    for state, value in zip(states, following, strict=True):
        state.layer.set_input(1, value.trt)
    h = to(following[0], inputs[0].dtype)
    outputs = []
    for i in range(len(inputs)):
        own = h if len(inputs) == 1 else layer.batch.piece(h, (i, 0, 0), (1, h.shape[2]))
        outputs.append(output("output", own, "REVERSE" if i == 1 else "CONCATENATE"))
    return _joined(outputs, 3), [output("last", state, "LAST_VALUE") for state in states]


class _Batch:
    """What goes round in a loop, (directions, N, channels).

    Attributes:
        n: the size N.
    """

    def __init__(self, net: Network, n: int | Dim) -> None:
        self.net = net
        self.n = n
        self.sizes: dict[tuple[int, int], Tensor] = {}  # one shape tensor for all pieces of a size

    def piece(self, x: Tensor, start: tuple[int, int, int], size: tuple[int, int], step: int = 1) -> Tensor:
        """`size` directions and channels of `x` from `start` on; one value for all of them where `step` is 0."""
        directions, channels = size
        shape, steps = (directions, self.n, channels), (step,) * 3
        if not isinstance(self.n, Dim):
            return self.net.emit("add_slice", x, start, shape, steps, label="piece")
        if size not in self.sizes:
            self.sizes[size] = shape_tensor(self.net, shape)
        return self.net.emit("add_slice", x, start, (0, 0, 0), steps, label="piece", inputs={2: self.sizes[size]})

    def zeros(self, directions: int, channels: int) -> Tensor:
        """A state of 0."""
        zero = self.net.constant(np.zeros((1, 1, 1)), "float32", label="zero")
        return self.piece(zero, (0, 0, 0), (directions, channels), step=0)


@dataclass(frozen=True)
class _Layer:
    """The weights of one layer, of all its directions.

    Attributes:
        ends: what their names end with, for each direction.
        gates: how many parts of `hidden_size` a product has.
        dtype: of the products.
    """

    s: Scope
    batch: _Batch
    ends: list[str]
    gates: int
    hidden_size: int
    dtype: str
    bias: bool

    @property
    def width(self) -> int:
        """The channels of a product."""
        return self.gates * self.hidden_size

    def inputs(self, x: Tensor) -> list[Tensor]:
        """The products of all inputs, for each direction."""
        return [
            affine(
                x,
                self.s.take(f"weight_ih{end}", self.width, x.shape[-1]),
                self.s.take(f"bias_ih{end}", self.width) if self.bias else None,
            )
            for end in self.ends
        ]

    def own(self, h: Tensor) -> Tensor:
        """The product of the state."""
        y = self.product("weight_hh", h, self.width)
        if not self.bias:
            return y
        bias = np.stack([self.s.take(f"bias_hh{end}", self.width).reshape(1, -1) for end in self.ends])
        return y + self.s.net.constant(bias, "float32", label="bias_hh")

    def product(self, name: str, h: Tensor, width: int) -> Tensor:
        """A product of `h`, for each direction with its own weight (width, channels)."""
        weight = np.stack([self.s.take(f"{name}{end}", width, h.shape[2]) for end in self.ends])
        kernel = self.s.net.constant(weight, self.dtype, label=name)
        return to(multiply(to(h, self.dtype), kernel, transpose_b=True), "float32")

    def parts(self, x: Tensor) -> list[Tensor]:
        """A product's part for each gate."""
        size = len(self.ends), self.hidden_size
        return [self.batch.piece(x, (0, 0, start), size) for start in range(0, self.width, self.hidden_size)]


def _joined(tensors: Sequence[Tensor], dim: int) -> Tensor:
    return cat(tensors, dim) if len(tensors) > 1 else tensors[0]


def _unknown(length: int | Dim, *rest: int | Dim) -> tuple[int, ...]:
    """Sizes as a shuffle takes them: 0 for the input's own first, -1 for another that is known only at run time."""
    return (0 if isinstance(length, Dim) else length, *(-1 if isinstance(size, Dim) else size for size in rest))
