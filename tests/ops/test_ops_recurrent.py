"""Recurrent layers against torch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import as_torch, build, close, flat, layers, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network import Network
from wtsnet.proof import record, verify
from wtsnet.reference import ReferenceRunner

OPS: Mapping[str, Callable[..., Any]] = {"LSTM": ops.lstm, "GRU": ops.gru, "RNN": ops.rnn}
MANY = (1, 4, 200)
RECURRENT = ("LSTM", "GRU", "RNN")


def twin_of(kind: str, channels: int, hidden: int, **options: Any) -> nn.RNNBase:
    torch.manual_seed(0)
    made: nn.RNNBase = getattr(nn, kind)(channels, hidden, **options)
    return made.eval()


def states_of(twin: nn.RNNBase, *n: Any) -> list[tuple[Any, ...]]:
    """The shapes of its first states for a batch of (n,), or for one sequence alone."""
    rows = twin.num_layers * (2 if twin.bidirectional else 1)
    channels = [twin.proj_size or twin.hidden_size, twin.hidden_size]
    return [(rows, *n, size) for size in channels[: 2 if twin.mode == "LSTM" else 1]]


def network(
    twin: nn.RNNBase, shape: Sequence[Any], *, states: Sequence[Sequence[Any]] = (), dtype: str = "float32", **more: Any
) -> Network:
    """A network that holds the twin's op as module `a.b`; its outputs are y0, y1 …"""
    kind = twin.mode.partition("_")[0]
    net = Network({f"a.b.{key}": value for key, value in twin.state_dict().items()})
    x = net.input("x0", shape, dtype)
    given: Any = tuple(net.input(f"x{i + 1}", state, dtype) for i, state in enumerate(states))
    options = {name: getattr(twin, name) for name in ("bias", "batch_first", "bidirectional")}
    if kind == "LSTM":
        options["proj_size"] = twin.proj_size
    if given:
        options["hx"] = given if kind == "LSTM" else given[0]
    made = OPS[kind](net.root / "a" / "b", x, twin.hidden_size, twin.num_layers, **options, **more)
    for i, y in enumerate(flat(made)):
        net.output(f"y{i}", y)
    assert net.weights.unused() == []
    return net


def compare(net: Network, twin: nn.RNNBase, *given: torch.Tensor, tol: float = 1e-6) -> None:
    """The network gives what the twin gives for an input and first states."""
    x, *states = given
    with torch.inference_mode():
        wanted = flat(twin(x, *([tuple(states) if twin.mode == "LSTM" else states[0]] if states else [])))
    arrays = ReferenceRunner(net.trt).run({f"x{i}": value for i, value in enumerate(given)})
    assert len(arrays) == len(wanted)
    for i, theirs in enumerate(wanted):
        close(as_torch(arrays[f"y{i}"]), theirs, tol)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_torchs_module(kind: str, num_layers: int, bidirectional: bool) -> None:
    """Of sequences and batches of any size, from given states and from none."""
    for batch_first, bias, given in product((False, True), repeat=3):
        twin = twin_of(
            kind, 5, 6, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias
        )
        net = network(twin, (MANY, MANY, 5), states=states_of(twin, MANY) if given else ())
        assert net.outputs()[0]["shape"] == [-1, -1, 12 if bidirectional else 6]
        for length, n in ((1, 1), (1, 3), (2, 1), (9, 4)):
            x = values(*((n, length) if batch_first else (length, n)), 5)
            states = [values(*shape, seed=i) for i, shape in enumerate(states_of(twin, n))]
            compare(net, twin, x, *(states if given else ()))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("given", [False, True], ids=["from 0", "from states"])
def test_lstm_with_projections(num_layers: int, bidirectional: bool, given: bool) -> None:
    twin = twin_of("LSTM", 5, 6, num_layers=num_layers, bidirectional=bidirectional, proj_size=3)
    net = network(twin, (MANY, MANY, 5), states=states_of(twin, MANY) if given else ())
    for length, n in ((1, 1), (7, 3)):
        states = [values(*shape, seed=i) for i, shape in enumerate(states_of(twin, n))]
        compare(net, twin, values(length, n, 5), *(states if given else ()))


def test_rnn_of_relu() -> None:
    twin = twin_of("RNN", 5, 6, num_layers=2, nonlinearity="relu")
    compare(network(twin, (7, 2, 5), nonlinearity="relu"), twin, values(7, 2, 5))


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("length", [7, MANY], ids=str)
def test_one_sequence_alone(kind: str, batch_first: bool, length: Any) -> None:
    """Without a batch, whose place then counts for nothing."""
    twin = twin_of(kind, 5, 6, num_layers=2, bidirectional=True, batch_first=batch_first)
    compare(network(twin, (length, 5)), twin, values(7, 5))
    states = [values(*shape, seed=i) for i, shape in enumerate(states_of(twin))]
    compare(network(twin, (length, 5), states=states_of(twin)), twin, values(7, 5), *states)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize(("length", "n"), [(7, 3), (MANY, 3), (7, MANY)], ids=str)
def test_known_sizes_stay_known(kind: str, length: Any, n: Any) -> None:
    for batch_first in (False, True):
        twin = twin_of(kind, 5, 6, num_layers=2, bidirectional=True, batch_first=batch_first)
        net = network(twin, (n, length, 5) if batch_first else (length, n, 5))
        y, *states = (output["shape"] for output in net.outputs())
        batch = n if n == 3 else -1
        outer = [length if length == 7 else -1, batch]
        assert y == [*(outer[::-1] if batch_first else outer), 12]
        assert states == [[4, batch, 6]] * len(states)
        compare(net, twin, values(*((3, 7) if batch_first else (7, 3)), 5))


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 3e-3), (torch.bfloat16, 2e-2)], ids=str)
@pytest.mark.parametrize("keeps", [False, True], ids=["as new", "forgets slowly"])
def test_half_precision_over_many_steps(kind: str, dtype: torch.dtype, tol: float, keeps: bool) -> None:
    """The error stays that of one step, since states are float32: against torch in float64 with the same rounded
    weights and inputs. Where a GRU forgets slowly, torch's own halves are off seven times as far."""
    twin = twin_of(kind, 16, 32, bidirectional=True)
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            if keeps and "bias_ih" in name and kind != "RNN":
                weight[32:64] += 3  # the forget gate of an LSTM, the update gate of a GRU
            weight.copy_(weight.to(dtype))
    x = values(100, 2, 16).to(dtype)
    net = network(twin, (100, 2, 16), dtype=str(dtype).removeprefix("torch."))
    assert {output["dtype"] for output in net.outputs()} == {str(dtype).removeprefix("torch.")}
    arrays = ReferenceRunner(net.trt).run({"x0": x})
    with torch.inference_mode():
        wanted = flat(twin.double()(x.double()))
    for i, theirs in enumerate(wanted):
        close(as_torch(arrays[f"y{i}"]).double(), theirs, tol)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_builds_with_no_gpu(kind: str, dtype: str) -> None:
    """Of 8 hidden channels or more: with fewer, of one sequence alone, TensorRT for RTX 1.7 unrolls the loop, and takes
    minutes for it."""
    twin = twin_of(kind, 5, 8, num_layers=2, bidirectional=True)
    assert build(network(twin, (MANY, MANY, 5), states=states_of(twin, MANY), dtype=dtype)) > 0
    assert build(network(twin_of(kind, 5, 8), (7, 5), dtype=dtype)) > 0


def test_builds_projections_with_no_gpu() -> None:
    assert build(network(twin_of("LSTM", 5, 8, proj_size=3), (MANY, MANY, 5))) > 0


def test_what_is_noted_of_an_lstm() -> None:
    """What PyTorch's module gives is (output, (h_n, c_n)), and none of it is inside of a loop."""
    twin = twin_of("LSTM", 5, 6, num_layers=2)
    net = network(twin, (MANY, MANY, 5))
    assert sorted(net.modules) == ["a.b[0]", "a.b[1][0]", "a.b[1][1]"]
    assert all(layer.name.startswith("a.b") for layer in layers(net))
    x = values(7, 3, 5)
    with torch.inference_mode():
        wanted = flat(twin(x))
    tensors = {net.modules[path][0].name: theirs for path, theirs in zip(sorted(net.modules), wanted, strict=True)}
    traced = dict(ReferenceRunner(net.trt).trace({"x0": x}, list(tensors)))
    assert traced.keys() == tensors.keys()
    for name, theirs in tensors.items():
        close(traced[name], theirs)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_what_is_noted_of_others(kind: str) -> None:
    net = network(twin_of(kind, 5, 6), (MANY, MANY, 5))
    assert sorted(net.modules) == ["a.b[0]", "a.b[1]"]


@pytest.mark.parametrize("kind", RECURRENT)
def test_inputs_are_multiplied_before_the_loop(kind: str) -> None:
    """A product for each direction, and in the loop one for both."""
    net = network(twin_of(kind, 5, 6, num_layers=3, bidirectional=True), (MANY, MANY, 5))
    kinds = [layer.type.name for layer in layers(net)]
    assert kinds.count("TRIP_LIMIT") == 3
    assert kinds.count("MATRIX_MULTIPLY") == 3 * (2 + 1)


def test_one_module_called_twice() -> None:
    twin = twin_of("GRU", 5, 6)
    net = Network({f"a.b.{key}": value for key, value in twin.state_dict().items()})
    x = net.input("x", (7, 2, 5))
    y, h = ops.gru(net.root / "a" / "b", x, 6)
    z, _ = ops.gru(net.root / "a" / "b", x, 6, hx=h)
    assert net.modules["a.b[0]"] == [y.trt, z.trt]
    net.output("z", z)
    given = values(7, 2, 5)
    with torch.inference_mode():
        theirs = twin(given, twin(given)[1])[0]
    close(as_torch(ReferenceRunner(net.trt).run({"x": given})["z"]), theirs)


@pytest.mark.parametrize(
    ("kind", "shape", "given", "message"),
    [
        ("LSTM", (7,), {}, r"a\.b: lstm: input: found shape \(7,\), expected \(L, N, C\) or \(L, C\), C being fixed"),
        ("GRU", (7, 2, 3, 5), {}, r"input: found shape \(7, 2, 3, 5\), expected \(L, N, C\) or \(L, C\)"),
        ("RNN", (7, 2, MANY), {}, r"input: found shape \(7, 2, -1\), expected .*, C being fixed"),
        ("LSTM", (7, 2, 5), {"hidden_size": 0}, "hidden_size: found 0, expected at least 1"),
        ("GRU", (7, 2, 5), {"num_layers": 0}, "num_layers: found 0, expected at least 1"),
        ("LSTM", (7, 2, 5), {"proj_size": 6}, "proj_size: found 6, expected 0 or more, and less than hidden_size, 6"),
        ("LSTM", (7, 2, 5), {"proj_size": -1}, "proj_size: found -1, expected 0 or more"),
        ("RNN", (7, 2, 5), {"nonlinearity": "gelu"}, "nonlinearity: found 'gelu', expected 'tanh' or 'relu'"),
        ("LSTM", (7, 2, 5), {"hidden_size": 8}, r"weight_ih_l0"),
    ],
)
def test_wrong_arguments(kind: str, shape: Any, given: dict[str, Any], message: str) -> None:
    twin = twin_of(kind, 5, 6)
    net = Network({f"a.b.{key}": value for key, value in twin.state_dict().items()})
    with pytest.raises(Exception, match=message):
        OPS[kind](net.root / "a" / "b", net.input("x", shape), **{"hidden_size": 6, **given})


@pytest.mark.parametrize(
    ("shapes", "dtype", "message"),
    [
        ([(1, 2, 6)], "float32", r"hx: found 1 tensors, expected two, \(h_0, c_0\)"),
        ([(1, 2, 6), (1, 2, 5)], "float32", r"hx: found Tensor\('h1', .*\), expected \(1, 2, 6\) float32"),
        ([(2, 2, 6), (1, 2, 6)], "float32", r"hx: found .*, expected \(1, 2, 6\) float32"),
        ([(1, 6), (1, 6)], "float32", r"hx: found .*, expected \(1, 2, 6\) float32"),
        ([(1, 2, 6), (1, 2, 6)], "float16", r"hx: found .*float16\), expected \(1, 2, 6\) float32"),
    ],
)
def test_wrong_states(shapes: list[tuple[int, ...]], dtype: str, message: str) -> None:
    twin = twin_of("LSTM", 5, 6)
    net = Network({f"a.b.{key}": value for key, value in twin.state_dict().items()})
    states = [net.input(f"h{i}", shape, dtype) for i, shape in enumerate(shapes)]
    with pytest.raises(NetworkError, match=message):
        ops.lstm(net.root / "a" / "b", net.input("x", (7, 2, 5)), 6, hx=states)


CRNN = """
from wtsnet import Image, model, module
from wtsnet.ops import conv2d, linear, lstm, max_pool2d, relu


@module
def features(s, x):
    return max_pool2d(relu(conv2d(s / 0, x, 4, 3, padding=1)), 2)


@model("crnn", image=Image(channels=1, size=(8, 32)), task="read")
def crnn(s, x):
    x = features(s / "features", x)
    y, _ = lstm(s / "rnn", x.permute(3, 0, 1, 2).flatten(2), 6, 2, bidirectional=True)
    return linear(s / "fc", y, 11)
"""


class Crnn(nn.Module):
    """Lines of text, column by column (Shi et al. 2015), and small."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.rnn = nn.LSTM(16, 6, 2, bidirectional=True)
        self.fc = nn.Linear(12, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 8, W) to (W / 2, N, 11)."""
        y, _ = self.rnn(self.features(x).permute(3, 0, 1, 2).flatten(2))
        logits: torch.Tensor = self.fc(y)
        return logits


def test_a_network_that_reads(tmp_path: Path) -> None:
    """A model of one's own, module by module against PyTorch's."""
    torch.manual_seed(0)
    twin = Crnn()
    (tmp_path / "mine.py").write_text(CRNN)
    record(twin, values(2, 1, 8, 40), tmp_path / "golden.npz")
    report = verify(f"{tmp_path / 'mine.py'}:crnn", twin.state_dict(), tmp_path / "golden.npz", tolerance=1e-5)
    assert report.first is None
    names = ["features.0", "features", "rnn[0]", "rnn[1][0]", "rnn[1][1]", "fc", "output 0"]
    assert [row.name for row in report.rows] == names
    assert report.skipped == ["features.1", "features.2"]
