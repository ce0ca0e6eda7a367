"""What makes a function an op or a module: checked arguments, named layers, recorded results.

    @op("torch.nn.functional.relu")
    def relu(input: Tensor) -> Tensor: ...

    @op("torch.nn.Linear")
    def linear(s: Scope, input: Tensor, out_features: int, bias: bool = True) -> Tensor: ...

    @module
    def block(s: Scope, x: Tensor) -> Tensor: ...

Layers are named after the module that they are made in: that whose scope the innermost function of the last two kinds
was given. What such a function gives back is noted as its module's output, and the layer that made it takes the
module's own name. Whatever else is made on the way is `path:op`, and is no module's output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, formatannotation, signature
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from wtsnet.errors import NetworkError, nearest
from wtsnet.network.checks import CLASSES, Kind, Mismatch, kind_of, shown

if TYPE_CHECKING:
    from wtsnet.network.network import Network
    from wtsnet.network.scope import Scope

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Op:
    """An op.

    Attributes:
        function: adds its layers.
        twin: what PyTorch calls it, dotted; empty where PyTorch has no such function.
        weights: whether it takes weights, and so the scope of its module.
    """

    function: Callable[..., Any]
    twin: str
    weights: bool


OPS: dict[str, Op] = {}
"""Every op by its name."""


def op(twin: str = "", *, creates: bool = False) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a function an op. A first parameter `Scope` is that of the PyTorch module that it stands for; other ops take
    tensors alone, which know their network.

    Args:
        twin: the PyTorch function or module that it is as.
        creates: whether it stands for no module, and takes a scope only because it has no tensor to know the network
            by.
    """

    def register(function: Callable[P, T]) -> Callable[P, T]:
        name = function.__name__
        arguments = _Arguments(name, signature(function))
        weights = arguments.scoped and not creates

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            net, path, given, named = arguments.checked(args, kwargs)
            before = net.label, net.called
            net.label, net.called = name, net.called or name
            try:
                if weights:
                    return _inside(net, path, lambda: function(*given, **named))
                return function(*given, **named)
            finally:
                net.label, net.called = before

        OPS[name] = Op(call, twin, weights)
        return call

    return register


def module(function: Callable[Concatenate[Scope, P], T]) -> Callable[Concatenate[Scope, P], T]:
    """Make a function of one's own stand for the PyTorch module at its scope: what it gives back is that module's
    output, or each of its outputs where it is a tuple or list."""

    @wraps(function)
    def call(s: Scope, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not isinstance(s, CLASSES["Scope"]):
            raise NetworkError(
                f"{function.__name__}: found {shown(s)}, expected the scope of its module first, as in "
                f'{function.__name__}(s / "name", …)'
            )
        return _inside(s.net, s.path, lambda: function(s, *args, **kwargs))

    return call


def _inside(net: Network, path: str, made: Callable[[], T]) -> T:
    """What `made` gives, its layers being named after `path`, as that module's output."""
    if path == net.where:  # a part of a module, which as a whole gives something else; or the whole network
        return made()
    calls, items = len(net.modules.get(path, ())), net.items.get(path, 0)
    with net.within(path):
        result = made()
    if not path or not isinstance(result, (CLASSES["Tensor"], tuple, list)):  # there is nothing to note
        return result
    if path in net.modules:
        del net.modules[path][calls:]  # what was made inside never counts
        if not calls:
            del net.modules[path]
    if net.items.get(path, 0) == items:  # else the function said itself what its items are
        net.record(path, result)
    return result


class _Arguments:
    """The parameters of an op, and what each takes."""

    def __init__(self, name: str, found: Signature) -> None:
        self.name = name
        self.signature = found
        self.kinds: dict[str, Kind] = {}
        self.positional: list[tuple[str, Kind]] = []
        self.rest: tuple[str, Kind] | None = None
        self.required: list[str] = []
        for parameter in found.parameters.values():
            kind = kind_of(_text(parameter.annotation))
            if parameter.kind is Parameter.VAR_POSITIONAL:
                self.rest = parameter.name, kind
                continue
            self.kinds[parameter.name] = kind
            if parameter.kind is not Parameter.KEYWORD_ONLY:
                self.positional.append((parameter.name, kind))
            if parameter.default is Parameter.empty:
                self.required.append(parameter.name)
        first = next(iter(found.parameters.values()))
        self.first, self.scoped = first.name, _text(first.annotation) == "Scope"

    def checked(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Network, str, list[Any], dict[str, Any]]:
        """The network, the path of the scope, and the arguments, converted to what the annotations say.

        Raises:
            NetworkError: an argument that is none, is missing, or is not what its annotation says.
        """
        every = (*args, *kwargs.values())
        if self.scoped and args and not isinstance(args[0], CLASSES["Scope"]):
            raise self.error(every, f'found {shown(args[0])} first, expected a scope: {self.name}(s / "name", …)')
        if not self.scoped and args and isinstance(args[0], CLASSES["Scope"]):
            raise self.error(every, f"found a scope first, expected none: {self} has no weights")
        given = []
        for i, value in enumerate(args):
            if i < len(self.positional):
                name, kind = self.positional[i]
                given.append(self._taken(every, name, kind, value))
            elif self.rest is not None:
                given.append(self._taken(every, *self.rest, value))
            else:
                only = [name for name in self.kinds if name not in dict(self.positional)]
                by_name = f"; by name: {', '.join(only)}" if only else ""
                raise self.error(
                    every, f"found {len(args)} arguments by position, expected at most {len(self.positional)}{by_name}"
                )
        before = {name for name, _ in self.positional[: len(args)]}
        named = {}
        for name, value in kwargs.items():
            if name not in self.kinds:
                raise self.error(every, f"unknown argument {name!r}{nearest(name, self.kinds)}; it is {self}")
            if name in before:
                raise self.error(every, f"{name}: found twice, by position and by name")
            named[name] = self._taken(every, name, self.kinds[name], value)
        for name in self.required:
            if name not in before and name not in named:
                raise self.error(every, f"{name}: missing; it is {self}")
        owners = list(_owners((*given, *named.values())))
        if not owners:
            raise self.error(every, "found no tensor, expected at least one: a tensor knows its network")
        net = owners[0].net
        for owner in owners:
            if owner.net is not net:
                raise self.error(every, f"{owner!r} is a tensor of another network")
        path = (given[0] if given else named[self.first]).path if self.scoped else ""
        return net, path, given, named

    def _taken(self, every: tuple[Any, ...], name: str, kind: Kind, value: Any) -> Any:
        try:
            return kind.take(value)
        except Mismatch:
            raise self.error(every, f"{name}: found {shown(value)}, expected {kind.one}") from None

    def error(self, every: tuple[Any, ...], text: str) -> NetworkError:
        """An error about a call with these arguments."""
        owner = next(_owners(every), None)
        where = "" if owner is None else (owner.path if self.scoped and hasattr(owner, "path") else owner.net.where)
        return NetworkError(f"{where}: {self.name}: {text}" if where else f"{self.name}: {text}")

    def __str__(self) -> str:
        shown = [str(p.replace(annotation=Parameter.empty)) for p in self.signature.parameters.values()]
        keyword = [i for i, p in enumerate(self.signature.parameters.values()) if p.kind is Parameter.KEYWORD_ONLY]
        if keyword and self.rest is None:
            shown.insert(keyword[0], "*")
        return f"{self.name}({', '.join(shown)})"


def _text(annotation: Any) -> str:
    """An annotation as it is written; in a file that evaluates its own, they are classes here."""
    return re.sub(r"[\w.]+\.", "", annotation if isinstance(annotation, str) else formatannotation(annotation))


def _owners(values: Any) -> Iterator[Any]:
    """The scopes and tensors among arguments, also among several that are one argument: they know their network."""
    for value in values:
        if isinstance(value, (CLASSES["Scope"], CLASSES["Tensor"])):
            yield value
        elif isinstance(value, tuple | list):
            yield from _owners(value)
