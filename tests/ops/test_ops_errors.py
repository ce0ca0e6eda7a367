"""What an op is given wrongly is an error of one line that names the op and the argument, and never TensorRT's or
Python's own; numpy's numbers are numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tests.ops.catalogue import EXAMPLES
from tests.ops.support import PATH, flat, takes_scope
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network import OPS, Dim, Network, Scope, Tensor, module

NAMES = sorted(EXAMPLES)


class Call(NamedTuple):
    """A call of an op that is right: the network that it is made for, a tensor of it, and the arguments by name, those
    of a parameter that takes any number in a tuple."""

    net: Network
    x: Tensor
    arguments: inspect.BoundArguments

    @property
    def path(self) -> str:
        """Of the module that errors are about."""
        scope = self.arguments.arguments.get("s")
        return PATH if scope is None or scope.path == PATH else rf"({PATH}|{scope.path})"

    def again(self, op: Callable[..., Any], /, **others: Any) -> Any:
        """The same call with other values for some arguments."""
        changed = inspect.BoundArguments(self.arguments.signature, self.arguments.arguments.copy())
        changed.arguments.update(others)
        # A parameter that has been left out goes by name, so that nothing must be made up for those before it.
        positional = [name for name in changed.arguments if name in self.arguments.arguments]
        left = {name: value for name, value in changed.arguments.items() if name not in positional}
        bound = inspect.BoundArguments(self.arguments.signature, {k: changed.arguments[k] for k in positional})
        return op(*bound.args, **bound.kwargs, **left)


def parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(OPS[name].function).parameters.values())


def called(name: str, patch: pytest.MonkeyPatch) -> Call:
    """How the op's example calls it, in a module `a.b`."""
    example, real = EXAMPLES[name], OPS[name].function
    calls: list[inspect.BoundArguments] = []

    def recorder(*args: Any, **kwargs: Any) -> Any:
        calls.append(inspect.signature(real).bind(*args, **kwargs))
        return real(*args, **kwargs)

    net, given = example.network()
    s = net.root / "a" / "b"
    with patch.context() as within:
        within.setattr(ops, name, recorder)
        example.op(s, *given) if takes_scope(example.op) else example.op(*given)
    x = given[0] if given else net.input("x", (2, 3))
    return Call(net, x, calls[0])


def words(annotation: str) -> tuple[set[str], set[str]]:
    """What an annotation takes by itself, and in a row."""
    rows = re.findall(r"Sequence\[([^\]]*)\]", annotation)
    alone = re.sub(r"Sequence\[[^\]]*\]", "", annotation)
    return set(re.findall(r"\w+", alone)), {word for row in rows for word in re.findall(r"\w+", row)}


def wrong_values(call: Call, annotation: str) -> dict[str, Any]:
    """What a parameter with this annotation does not take, each with what it is."""
    alone, rows = words(annotation)
    s = call.net.root / "a" / "b"
    offered: list[tuple[str, Any, set[str], set[str]]] = [
        ("text", "no", {"str"}, set()),
        ("a fraction", 1.5, {"float"}, set()),
        ("a fraction of numpy's", np.float32(1.5), {"float"}, set()),
        ("an integer", 1, {"int", "float"}, set()),
        ("True", True, {"bool"}, set()),
        ("None", None, {"None"}, set()),
        ("a tensor", call.x, {"Tensor"}, set()),
        ("a Dim", Dim(call.x, 0), {"Dim"}, set()),
        ("a scope", s, {"Scope"}, set()),
        ("an array", np.zeros((2, 2)), set(), set()),
        ("a tensor of torch's", torch.zeros(2, 2), set(), set()),
        ("a row of text", ["a", "b"], set(), {"str"}),
        ("a row of fractions", (1.5, 2.5), set(), {"float"}),
        ("a row of None", [None], set(), {"None"}),
        ("a row of True", [True, False], set(), {"bool"}),
        ("a dictionary", {"a": 1}, set(), set()),
        ("a set", {1, 2}, set(), set()),
        ("a function", len, set(), set()),
        ("an object", object(), set(), set()),
        ("a slice", slice(1, 2), set(), set()),
    ]
    if "Array" in alone:  # whatever numpy makes numbers of
        return {"text": "no", "None": None, "rows of other lengths": [[1], [1, 2]], "an object": object()}
    return {
        what: value
        for what, value, taken, in_row in offered
        if not taken & alone and not in_row & rows and not (what == "None" and "None" in alone)
    }


def refused(call: Call, action: Callable[[], Any]) -> str:
    """The error of an action, which is one line and leaves the network as it was."""
    before = call.net.trt.num_layers
    with pytest.raises(NetworkError) as caught, call.net.within(PATH):
        action()
    assert (call.net.where, call.net.label, call.net.called) == ("", "", "")
    assert call.net.trt.num_layers == before, "layers were added first"
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 400
    assert caught.value.__cause__ is None
    assert not re.search(r"incompatible function arguments|Invoked with|object at 0x|TypeError", said), said
    return said


@pytest.mark.parametrize("name", NAMES)
def test_wrong_types(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = called(name, monkeypatch)
    op = OPS[name].function
    for parameter in parameters(name):
        several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        for what, value in wrong_values(call, parameter.annotation).items():
            given = (*call.arguments.arguments[parameter.name][:-1], value) if several else value
            if parameter.annotation == "Scope" and parameter.name == "s":
                said = refused(call, partial(call.again, op, s=given))
                wanted = rf"({call.path}: )?{name}: found .* first, expected a scope: {name}\(s / \"name\", …\)"
            else:
                said = refused(call, partial(call.again, op, **{parameter.name: given}))
                wanted = rf"({call.path}: )?{name}: {parameter.name}: found .*, expected .*"
            if what == "a scope" and not several and parameter.name == parameters(name)[0].name:
                wanted = rf"{call.path}: {name}: found a scope first, expected none: {name}\(.*\) has no weights"
            assert re.fullmatch(wanted, said), f"{parameter.name}, given {what}: {said}"
            others = [v for k, v in call.arguments.arguments.items() if k != parameter.name]
            if any(isinstance(v, Tensor | Scope) for v in others):
                assert re.match(f"{call.path}: ", said), said


@pytest.mark.parametrize("name", NAMES)
def test_arguments_that_are_none_or_too_many(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, op = called(name, monkeypatch), OPS[name].function
    mine = parameters(name)
    whole = rf"{name}\({', '.join(p.name for p in mine[:1]) if mine[0].kind is not mine[0].VAR_POSITIONAL else ''}"
    last = mine[-1].name
    near = f"{last}e" if len(last) > 2 else f"{last}_"
    if len(last) > 2:
        said = refused(call, lambda: call.again(op, **{near: 1}))
        assert re.match(
            rf"{call.path}: {name}: unknown argument '{near}'(; did you mean '\w+'\?)?; it is {whole}", said
        ), said
    said = refused(call, lambda: call.again(op, suffix="part"))
    assert re.match(rf"{call.path}: {name}: unknown argument 'suffix'.*; it is {whole}", said), said
    if all(p.kind is not p.VAR_POSITIONAL for p in mine):
        most = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in mine)
        values = list(call.arguments.arguments.values())
        if len(call.arguments.args) == most:  # nothing must be made up
            said = refused(call, lambda: op(*call.arguments.args, *values[:1]))
            assert f"{name}: found {most + 1} arguments by position, expected at most {most}" in said
        required = [p.name for p in mine if p.default is p.empty]
        for missing in required[1:]:
            rest = {k: v for k, v in call.arguments.arguments.items() if k != missing}
            said = refused(call, partial(op, **rest))
            assert re.match(rf"{call.path}: {name}: {missing}: missing; it is {whole}", said), said
        first = mine[0].name
        said = refused(call, lambda: op(*call.arguments.args, **call.arguments.kwargs, **{first: values[0]}))
        assert re.fullmatch(f"{call.path}: {name}: {first}: found twice, by position and by name", said)


def of_numpy(value: Any, annotation: str = "") -> Any:
    """Python's numbers as numpy's, also in a row."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, tuple | list) and value and all(type(v) is int for v in value):
        return np.array(value) if "Sequence[int" in annotation else [np.int32(v) for v in value]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_numpys_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same layers come of them."""
    made = []
    for change in (lambda value, _: value, of_numpy):
        call = called(name, monkeypatch)
        before = call.net.trt.num_layers
        given = {
            p.name: change(call.arguments.arguments[p.name], p.annotation)
            for p in parameters(name)
            if p.name in call.arguments.arguments and "Array" not in p.annotation
        }
        with call.net.within(PATH):
            outputs = flat(call.again(OPS[name].function, **given))
        kinds = [call.net.trt.get_layer(i).type.name for i in range(before, call.net.trt.num_layers)]
        made.append((kinds, [(y.shape, y.dtype) for y in outputs]))
    assert made[0] == made[1]


def test_errors_carry_the_path_of_the_module_they_are_in() -> None:
    """Also where the module's function has made a mistake between two ops, and in a module in a module."""

    @module
    def inner(s: Scope, x: Tensor) -> Tensor:
        return ops.conv2d(s / "conv", ops.relu(x), 4, 3, padding="no")

    @module
    def outer(s: Scope, x: Tensor) -> Tensor:
        return inner(s / "stage" / 1, x).softmax(9)

    net = Network({"model.stage.1.conv.weight": np.zeros((4, 3, 3, 3)), "model.stage.1.conv.bias": np.zeros(4)})
    x = net.input("x", (1, 3, 8, 8))
    with pytest.raises(NetworkError) as caught:
        outer(net.root / "model", x)
    assert str(caught.value) == ("model.stage.1.conv: conv2d: padding: found 'no', expected numbers, 'same' or 'valid'")
    assert net.where == ""

    @module
    def late(s: Scope, x: Tensor) -> Tensor:
        return ops.relu(x).softmax(9)

    with pytest.raises(NetworkError) as caught:
        late(net.root / "model" / "head", x)
    assert str(caught.value) == "model.head: softmax: dim: found 9, expected -4 to 3 for shape (1, 3, 8, 8)"
    with pytest.raises(NetworkError) as caught:
        ops.relu(x).softmax(9)
    assert str(caught.value) == "network: softmax: dim: found 9, expected -4 to 3 for shape (1, 3, 8, 8)"


def test_what_is_walked() -> None:
    """All words of annotations are known to the walk."""
    known = {"Array", "Dim", "DType", "None", "Scope", "Tensor", "bool", "float", "int", "str"}
    found = {word for name in NAMES for p in parameters(name) for part in words(p.annotation) for word in part}
    assert found == known


def test_long_values_are_cut() -> None:
    net = Network({})
    x = net.input("x", (2, 3))
    wrong: Any = "x" * 500
    with pytest.raises(NetworkError) as caught:
        ops.softmax(x, wrong)
    assert len(str(caught.value)) < 150
    with pytest.raises(NetworkError, match=r"^softmax: dim: found array\(\[\[0, 0\], \[0, 0\]\]\), expected an int"):
        ops.softmax(x, np.zeros((2, 2), int))  # type: ignore[arg-type]  # on purpose
