"""wtsnet/network/declaring.py: what layers are called, what is noted as a module's output, and what errors say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from wtsnet import ops
from wtsnet.errors import NetworkError, WtsnetError
from wtsnet.network import OPS, Dim, Network, Scope, Tensor, module, op
from wtsnet.ops import conv2d, logical_not, relu, sigmoid, softmax, softmin, zeros

SHAPE = (1, 2, 4, 4)
WEIGHTS = {"weight": np.ones((2, 2, 1, 1)), "bias": np.zeros(2)}


def with_input(*paths: str) -> tuple[Network, Tensor]:
    """A network with the weights of a 1×1 convolution at each of these paths, and its input."""
    net = Network({f"{path}.{name}": value for path in paths for name, value in WEIGHTS.items()})
    return net, net.input("x", SHAPE)


def names(net: Network) -> list[str]:
    return [net.trt.get_layer(i).name for i in range(net.trt.num_layers)]


def noted(net: Network) -> dict[str, list[str]]:
    """By path the names of what was noted."""
    return {path: [tensor.name for tensor in tensors] for path, tensors in net.modules.items()}


@pytest.fixture
def ops_of_ones_own() -> Iterator[None]:
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


# What layers are called.


@module
def gate(s: Scope, x: Tensor) -> Tensor:
    return x * sigmoid(x)


def test_layers_are_called_as_the_module_they_are_in() -> None:
    net, x = with_input()
    s = net.root / "model" / 0
    y = gate(s, gate(s, x))
    assert names(net) == ["model.0:sigmoid", "model.0", "model.0:sigmoid#2", "model.0#2"]
    assert [net.trt.get_layer(i).get_output(0).name for i in range(4)] == names(net)
    assert repr(s) == "Scope('model.0')"
    assert repr(y) == "Tensor('model.0#2', (1, 2, 4, 4), float32)"


def test_layers_at_the_root_are_called_as_their_op_is() -> None:
    net, x = with_input("head.conv")
    y = conv2d(net.root / "head" / "conv", relu(relu(x)), 2, 1)
    (y + 1.0).reshape(2, -1)
    assert names(net) == ["relu", "relu#2", "head.conv", "constant", "add", "reshape"]


def test_an_op_with_weights_is_its_module() -> None:
    net, x = with_input("a.conv")
    conv2d(net.root / "a" / "conv", x, 2, 1)
    assert names(net) == ["a.conv"]
    assert noted(net) == {"a.conv": ["a.conv"]}


def test_layers_of_an_op_that_calls_ops_are_called_as_the_inner_ones() -> None:
    net, x = with_input()

    @module
    def block(s: Scope, x: Tensor) -> None:
        softmin(logical_not(x.flatten(1)).float(), 1)

    block(net.root / "a", x)
    assert names(net) == [
        "a:flatten",
        "a:constant",
        "a:ne",
        "a:ne#2",
        "a:logical_not",
        "a:to_float32",
        "a:softmin",
        "a:softmax",
    ]


def test_layers_are_called_as_the_innermost_module() -> None:
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        y = gate(s / "gate", relu(x))
        return relu(y) + x

    outer(net.root / "a", x)
    assert names(net) == ["a:relu", "a.gate:sigmoid", "a.gate", "a:relu#2", "a"]
    assert noted(net) == {"a.gate": ["a.gate"], "a": ["a"]}


def test_a_module_that_gives_what_one_in_it_gives() -> None:
    """The layer keeps the name of the inner one; both note it."""
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return gate(s / "gate", x)

    outer(net.root / "a", x)
    assert names(net) == ["a.gate:sigmoid", "a.gate"]
    assert noted(net) == {"a.gate": ["a.gate"], "a": ["a.gate"]}


def test_a_module_that_gives_what_it_was_given() -> None:
    """The layer is that of the module which made it; one that was made around it is free to be named."""
    net, x = with_input()

    @module
    def same(s: Scope, x: Tensor) -> Tensor:
        return x

    same(net.root / "gate" / "drop", gate(net.root / "gate", x))
    same(net.root / "drop", x)
    assert names(net) == ["gate:sigmoid", "gate"]
    assert noted(net) == {"gate": ["gate"], "gate.drop": ["gate"], "drop": ["x"]}

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return same(s / "drop", relu(x)) + 1.0

    outer(net.root / "a", x)
    assert names(net)[2:] == ["a.drop", "a:constant", "a"]


def test_a_module_elsewhere_takes_no_name() -> None:
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return relu(x).named(s.net.root / "b") + 1.0

    outer(net.root / "a", x)
    assert names(net) == ["a:relu", "a:constant", "a"]
    assert noted(net) == {"b": ["a:relu"], "a": ["a"]}


def test_a_module_whose_path_begins_as_anothers() -> None:
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return relu(x).named(s.net.root / "ab") + 1.0

    outer(net.root / "a", x)
    assert noted(net) == {"ab": ["a:relu"], "a": ["a"]}


# What is noted.


def test_a_gate_gives_one_thing() -> None:
    net, x = with_input()
    y = gate(net.root / "a", x)
    assert net.modules == {"a": [y.trt]}


def test_a_module_that_is_called_twice_notes_its_outputs_in_order() -> None:
    net, x = with_input()
    first = gate(net.root / "a", x)
    second = gate(net.root / "a", first)
    assert net.modules == {"a": [first.trt, second.trt]}
    assert noted(net) == {"a": ["a", "a#2"]}


def test_a_module_in_one_that_is_called_twice() -> None:
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return relu(gate(s / "gate", x))

    outer(net.root / "a", outer(net.root / "a", x))
    assert noted(net) == {"a.gate": ["a.gate", "a.gate#2"], "a": ["a", "a#2"]}


def test_an_op_on_the_modules_own_scope_notes_nothing() -> None:
    net, x = with_input("a")

    @module
    def conv_act(s: Scope, x: Tensor) -> Tensor:
        return relu(conv2d(s, x, 2, 1))

    y = conv_act(net.root / "a", x)
    assert names(net) == ["a:conv2d", "a"]
    assert net.modules == {"a": [y.trt]}


def test_an_op_at_the_root_notes_nothing() -> None:
    net = Network(WEIGHTS)
    relu(conv2d(net.root, net.input("x", SHAPE), 2, 1))
    assert names(net) == ["conv2d", "relu"]
    assert net.modules == {}


def test_a_module_at_the_root_notes_nothing() -> None:
    net, x = with_input()
    gate(net.root, x)
    assert names(net) == ["sigmoid", "mul"]
    assert net.modules == {}


def test_a_module_that_calls_one_on_its_own_scope() -> None:
    net, x = with_input()

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return relu(gate(s, x))

    y = outer(net.root / "a", x)
    assert net.modules == {"a": [y.trt]}
    assert names(net) == ["a:sigmoid", "a:mul", "a"]


def test_what_is_noted_for_a_module_inside_it_does_not_count() -> None:
    """A module of another path may call one on this one's scope: this one's output alone is kept."""
    net, x = with_input()

    @module
    def child(s: Scope, parent: Scope, x: Tensor) -> Tensor:
        return relu(gate(parent, x))

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return child(s / "child", s, x) + 1.0

    first = outer(net.root / "a", x)
    second = outer(net.root / "a", x)
    assert net.modules["a"] == [first.trt, second.trt]


def test_several_outputs() -> None:
    net, x = with_input()

    @module
    def two(s: Scope, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return relu(x), [sigmoid(x), x + 1.0]

    one, (other, last) = two(net.root / "a", x)
    two(net.root / "a", x)
    assert {path: tensors[0] for path, tensors in net.modules.items()} == {
        "a[0]": one.trt,
        "a[1][0]": other.trt,
        "a[1][1]": last.trt,
    }
    assert names(net)[:4] == ["a[0]", "a[1][0]", "a:constant", "a[1][1]"]
    assert noted(net)["a[0]"] == ["a[0]", "a[0]#2"]


def test_several_outputs_that_are_not_all_tensors() -> None:
    net, x = with_input()

    @module
    def two(s: Scope, x: Tensor) -> tuple[Tensor, None, int, Tensor]:
        return relu(x), None, 3, sigmoid(x)

    two(net.root / "a", x)
    assert list(net.modules) == ["a[0]", "a[3]"]


@pytest.mark.parametrize("made", [dict, lambda y: None, lambda y: 3], ids=["dict", "None", "int"])
def test_results_that_are_no_tensors_note_nothing(made: Any) -> None:
    net, x = with_input()

    @module
    def block(s: Scope, x: Tensor) -> Any:
        return made(y=relu(x))

    block(net.root / "a", x)
    assert net.modules == {}
    assert names(net) == ["a:relu"]


def test_named() -> None:
    net, x = with_input()
    s = net.root
    y = relu(x)
    assert y.named(s / "features") is y
    assert sigmoid(y).named(s / "features").name == "features#2"
    assert noted(net) == {"features": ["features", "features#2"]}
    assert names(net) == ["features", "features#2"]


def test_named_twice_keeps_its_first_name() -> None:
    net, x = with_input()
    relu(x).named(net.root / "a").named(net.root / "b")
    assert noted(net) == {"a": ["a"], "b": ["a"]}


def test_named_is_an_item_of_what_the_module_gives() -> None:
    """PyTorch's module gives several, of which this one makes the first alone: it notes itself what that is."""
    net, x = with_input()

    @module
    def attention(s: Scope, x: Tensor) -> Tensor:
        return sigmoid(relu(x)).named(s[0])

    attention(net.root / "a", x)
    attention(net.root / "a", x)
    assert noted(net) == {"a[0]": ["a[0]", "a[0]#2"]}
    assert names(net)[:2] == ["a:relu", "a[0]"]


def test_named_inside_a_module_that_gives_no_tensor() -> None:
    net, x = with_input()

    @module
    def heads(s: Scope, x: Tensor) -> dict[str, Tensor]:
        return {"y": relu(x).named(s)}

    heads(net.root / "a", x)
    assert noted(net) == {"a": ["a"]}


def test_named_wants_a_scope_of_its_own_network() -> None:
    net, x = with_input()
    with pytest.raises(NetworkError, match=r"^network: named: found 'a', expected a Scope$"):
        x.named("a")  # type: ignore[arg-type]
    other, _ = with_input()
    with pytest.raises(NetworkError, match=r"^a: Tensor\('x', .*\) is a tensor of another network$"):
        x.named(other.root / "a")
    assert net.modules == other.modules == {}


def test_a_module_that_gives_a_tensor_of_another_network() -> None:
    net, _ = with_input()
    _, foreign = with_input()
    with pytest.raises(NetworkError, match=r"^a: Tensor\('mul', .*\) is a tensor of another network$"):
        gate(net.root / "a", foreign)
    assert net.modules == {}


def test_an_exception_inside_a_module_leaves_the_state_as_it_was() -> None:
    net, x = with_input("a.conv")

    @module
    def broken(s: Scope, x: Tensor, k: int) -> Tensor:
        conv2d(s / "conv", x, 2, k)
        return relu(softmax(x, 7))

    for size, message in ((7, "a.conv.weight"), (1, "^a: softmax: dim: found 7")):
        with pytest.raises(WtsnetError, match=message):
            broken(net.root / "a", x, size)
        assert (net.where, net.label, net.called) == ("", "", "")
    gate(net.root / "b", x)
    assert names(net)[-2:] == ["b:sigmoid", "b"]


def test_an_exception_of_pythons_inside_an_op_leaves_the_state_as_it_was(ops_of_ones_own: None) -> None:
    @op()
    def broken(s: Scope, input: Tensor) -> Tensor:
        raise KeyError("mine")

    net, x = with_input()
    with pytest.raises(KeyError, match="mine"):
        broken(net.root / "a", x)
    assert (net.where, net.label, net.called, net.modules) == ("", "", "", {})


def test_the_place_is_that_of_the_module_again_behind_one_in_it() -> None:
    net, x = with_input()
    seen = []

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        seen.append(net.where)
        y = gate(s / "gate", x)
        seen.append(net.where)
        return relu(y)

    outer(net.root / "a", x)
    assert seen == ["a", "a"]
    assert net.where == ""


# Arguments and errors.

UNTYPED: Any = ops  # what is wrong here a type checker sees too


def test_a_module_wants_its_scope_first() -> None:
    _, x = with_input()
    with pytest.raises(NetworkError) as caught:
        gate(x, x)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "gate: found Tensor('x', (1, 2, 4, 4), float32), expected the scope of its module first, as in "
        'gate(s / "name", …)'
    )


def test_errors_carry_the_path_of_the_module_and_the_op_that_was_called() -> None:
    net, x = with_input("a.b.conv")

    @module
    def block(s: Scope, x: Tensor, what: str) -> Tensor:
        if what == "argument":
            return relu("x")  # type: ignore[arg-type]
        if what == "layer":
            return softmax(x, 4)
        if what == "sum":
            return x + x.flatten()[:3]
        if what == "weights":
            return conv2d(s / "conv", x, 2, 7)
        if what == "inner":
            return x.argmax(7)
        return conv2d(s / "lost", x, 2, 1)

    s = net.root / "a" / "b"
    for what, message in {
        "argument": "relu: input: found 'x', expected a Tensor",  # no tensor, no network, no path
        "layer": "a.b: softmax: dim: found 4, expected -4 to 3 for shape (1, 2, 4, 4)",
        "sum": "a.b: add: found shapes (1, 2, 4, 4) and (3,), expected sizes that are equal or 1",
        "inner": "a.b: argmax: dim: found 7, expected -4 to 3 for shape (1, 2, 4, 4)",
    }.items():
        with pytest.raises(NetworkError) as caught:
            block(s, x, what)
        assert str(caught.value) == message
    for what in ("weights", "lost"):
        with pytest.raises(WtsnetError, match=r"a\.b\.(conv|lost)\.weight"):
            block(s, x, what)


def test_errors_at_the_root_say_network() -> None:
    _, x = with_input()
    with pytest.raises(NetworkError, match=r"^network: softmax: dim: found 4"):
        softmax(x, 4)


def test_errors_name_the_op_that_was_called_and_not_the_one_that_it_calls(ops_of_ones_own: None) -> None:
    @op("torch.nn.functional.mine")
    def mine(input: Tensor, dim: int) -> Tensor:
        return softmax(input, dim)

    net, x = with_input()
    with pytest.raises(NetworkError, match=r"^network: mine: dim: found 4"):
        mine(x, 4)
    mine(x, 1)
    assert names(net) == ["softmax"]


def test_all_by_name() -> None:
    net, x = with_input("a")
    conv2d(kernel_size=1, input=x, out_channels=2, s=net.root / "a")
    assert noted(net) == {"a": ["a"]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x: UNTYPED.softmax(x), "softmax: dim: missing; it is softmax(input, dim, *, dtype=None)"),
        (lambda s, x: UNTYPED.softmax(x, "1"), "softmax: dim: found '1', expected an integer"),
        (
            lambda s, x: UNTYPED.softmax(x, 1, 2),
            "softmax: found 3 arguments by position, expected at most 2; by name: dtype",
        ),
        (
            lambda s, x: UNTYPED.softmax(x, 1, dtyp="float16"),
            "softmax: unknown argument 'dtyp'; did you mean 'dtype'?; it is softmax(input, dim, *, dtype=None)",
        ),
        (lambda s, x: UNTYPED.softmax(x, 1, dim=1), "softmax: dim: found twice, by position and by name"),
        (
            lambda s, x: UNTYPED.softmax(x, 1, dtype="flaot16"),
            "softmax: dtype: found 'flaot16', expected a dtype such as",
        ),
        (
            lambda s, x: UNTYPED.linear(x, 3),
            "linear: found Tensor('x', (1, 2, 4, 4), float32) first, expected a scope: linear(s / \"",
        ),
        (lambda s, x: UNTYPED.linear(s, x), "a: linear: out_features: missing; it is linear(s, input, out_features"),
        (lambda s, x: UNTYPED.relu(s, x), "relu: found a scope first, expected none: relu(input) has no weights"),
        (lambda s, x: UNTYPED.einsum("ij", x, 3), "einsum: operands: found 3, expected a Tensor"),
        (lambda s, x: UNTYPED.meshgrid(x, None), "meshgrid: tensors: found None, expected a Tensor"),
        (
            lambda s, x: UNTYPED.einsum("ij"),
            "einsum: found no tensor, expected at least one: a tensor knows its network",
        ),
    ],
)
def test_calls_that_are_refused(call: Any, message: str) -> None:
    net, x = with_input()
    with pytest.raises(NetworkError) as caught:
        call(net.root / "a", x)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert net.trt.num_layers == 0


def test_numbers_of_numpys_are_numbers(ops_of_ones_own: None) -> None:
    taken: list[Any] = []

    @op()
    def mine(input: Tensor, n: int, x: float, sizes: int) -> Tensor:
        taken.extend((n, x, sizes))
        return input

    _, x = with_input()
    assert mine(x, np.int64(3), np.float32(0.5), sizes=np.uint8(2)) is x
    assert taken == [3, 0.5, 2]
    assert [type(value) for value in taken] == [int, float, int]


def test_an_op_of_ones_own(ops_of_ones_own: None) -> None:
    @op("torch.nn.functional.double")
    def double(input: Tensor) -> Tensor:
        return input * 2.0

    @op("torch.nn.Double", creates=True)
    def twos(s: Scope, size: int) -> Tensor:
        return zeros(s, (size,)) + 2.0

    assert OPS["double"].function is double
    assert (OPS["double"].twin, OPS["double"].weights) == ("torch.nn.functional.double", False)
    assert not OPS["twos"].weights
    net, x = with_input()
    assert double(x).shape == x.shape
    assert twos(net.root / "a", 3).shape == (3,)
    assert net.modules == {}


def test_an_annotation_that_nobody_knows_fails_at_once(ops_of_ones_own: None) -> None:
    with pytest.raises(TypeError, match=r"^annotation 'dict\[str, int\]': expected one of int, float, bool, str, None"):

        @op()
        def mine(input: Tensor, sizes: dict[str, int]) -> Tensor:
            return input

    assert "mine" not in OPS


def test_a_file_may_evaluate_its_annotations(ops_of_ones_own: None) -> None:
    """One without `from __future__ import annotations`: they are classes, and no texts."""
    made: dict[str, Any] = {"op": op, "Tensor": Tensor, "Scope": Scope, "Dim": Dim}
    source = """
from collections.abc import Sequence
@op()
def mine(s: Scope, input: Tensor, sizes: Sequence[int | Dim] | None = None, *, x: float = 1) -> Tensor:
    return input * x
"""
    exec(compile(source, "mine.py", "exec", dont_inherit=True), made)
    net, x = with_input()
    made["mine"](net.root / "a", x, (1, x.dims[0]), x=2.0)
    assert noted(net) == {"a": ["a"]}
    with pytest.raises(NetworkError, match=r"^a: mine: sizes: found 'x', expected integers, Dims or None$"):
        made["mine"](net.root / "a", x, "x")
