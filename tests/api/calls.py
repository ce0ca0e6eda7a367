"""What wtsnet's source uses of TensorRT's API, read from its syntax: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The variables that hold objects of TensorRT's, in each file that has such.
OBJECTS: dict[str, dict[str, str]] = {
    "wtsnet/cli/inspect.py": {"net.trt": "INetworkDefinition"},
    "wtsnet/definition/onnxparser.py": {
        "parser": "OnnxParser",
        "error": "ParserError",
        "net.trt": "INetworkDefinition",
        "layer": "ILayer",
        "tensor": "ITensor",
    },
    "wtsnet/engine/building.py": {
        "config": "IBuilderConfig",
        "profile": "IOptimizationProfile",
        "net.builder": "Builder",
    },
    "wtsnet/network/network.py": {
        "self.trt": "INetworkDefinition",
        "layer": "ILayer",
        "x.layer": "ILayer",
        "tensor": "ITensor",
        "inner": "ITensor",
        "x.trt": "ITensor",
        "out.trt": "ITensor",
    },
    "wtsnet/network/summary.py": {"net.trt": "INetworkDefinition", "tensor": "ITensor"},
    "wtsnet/network/tensor.py": {
        "trt": "ITensor",
        "itensor": "ITensor",
        "self.trt": "ITensor",
        "out.trt": "ITensor",
        "self.layer": "ILayer",
    },
    "wtsnet/ops/recurrent.py": {
        "net.trt": "INetworkDefinition",
        "loop": "ILoop",
        "part": "ILoopBoundaryLayer",
        "trip": "ITripLimitLayer",
        "state.layer": "IRecurrenceLayer",
        "out.trt": "ITensor",
    },
    "wtsnet/proof/verifying.py": {"net.trt": "INetworkDefinition"},
    "wtsnet/reference/graph.py": {"network": "INetworkDefinition"},
    "wtsnet/runtime/ports.py": {"engine": "ICudaEngine"},
    "wtsnet/runtime/slot.py": {"engine": "ICudaEngine", "self._execution": "IExecutionContext"},
    "wtsnet/runtime/tensorrt.py": {"runtime": "Runtime"},
    "wtsnet/trt/flavours.py": {"made": "Builder"},
    "wtsnet/trt/layers.py": {"network": "INetworkDefinition"},
}
MODULES = ("trt", "module()", "tensorrt.module()")
FILES = sorted(file for folder in ("wtsnet", "models") for file in (ROOT / folder).rglob("*.py"))


@dataclass(frozen=True)
class Use:
    """A use of one of TensorRT's names.

    Attributes:
        kind: the class or enum; empty for the module. `add_x()` stands for the class of the layer that it adds.
        member: what is used of it.
        arguments: how many it is called with, where it is called and they can be counted.
        where: file and line.
    """

    kind: str
    member: str
    arguments: int | None = None
    where: str = ""


@dataclass
class Helper:
    """A function that hands on what it is given.

    Attributes:
        names: of its parameters, in order.
        enums: by a parameter's name the enum that it is a member of.
        layer: the method that its further keywords are attributes for, such as "add_activation".
    """

    names: list[str] = field(default_factory=list)
    enums: dict[str, str] = field(default_factory=dict)
    layer: str = ""


def used() -> list[Use]:
    """Everything that wtsnet and its models use."""
    sources = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in FILES}
    public: dict[str, Helper] = {}
    for source in sources.values():
        public |= {name: made for name, made in helpers(source).items() if f"\ndef {name}(" in source}
    return [use for file, source in sources.items() for use in uses(source, file, public)]


def helpers(source: str) -> dict[str, Helper]:
    """The functions that hand a parameter on to `enum("Kind", parameter)`, keywords to `emit("add_x", **keywords)`."""
    found: dict[str, Helper] = {}
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        rest = function.args.kwarg.arg if function.args.kwarg else ""
        made = Helper([arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)])
        for call in ast.walk(function):
            match call:
                case ast.Call(ast.Attribute(_, "enum"), [ast.Constant(str(kind)), ast.Name(name)]):
                    if name in made.names:
                        made.enums[name] = kind
                case ast.Call(ast.Attribute(_, "emit"), [ast.Constant(str(method)), *_], keywords):
                    if any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == rest for k in keywords):
                        made.layer = method
        if made.enums or made.layer:
            found[function.name] = made
    return found


def uses(source: str, file: str, known: Mapping[str, Helper] | None = None) -> Iterator[Use]:
    """Everything that a file uses; `known` are the helpers of other files."""
    tree = ast.parse(source)
    known = {**(known or {}), **helpers(source)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            known |= {alias.asname: known[alias.name] for alias in node.names if alias.asname and alias.name in known}
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        where = f"{file}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if isinstance(node.func, ast.Attribute):
                yield from _by_name(node, name, where)
            if name in known:
                yield from _by_helper(node, known[name], where)
        if isinstance(node, ast.Attribute):
            yield from _by_attribute(node, calls.get(id(node)), OBJECTS.get(file, {}), where)


def _by_name(call: ast.Call, method: str, where: str) -> Iterator[Use]:
    """`net.emit("add_x", …, attribute=…)` and `tensorrt.enum("Kind", "MEMBER")`."""
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return
    if method == "emit":
        yield Use("INetworkDefinition", first.value, _count(call.args[1:]), where)
        attributes = [keyword.arg for keyword in call.keywords if keyword.arg not in ("label", "inputs", None)]
        yield from (Use(f"{first.value}()", str(name), None, where) for name in attributes)
    if method == "enum":
        yield from _members(first.value, call.args[1], where)


def _by_helper(call: ast.Call, helper: Helper, where: str) -> Iterator[Use]:
    """`unary("EXP", x)`, `activation("CLIP", x, alpha=0.0)`."""
    given = dict(zip(helper.names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    for name, kind in helper.enums.items():
        if name in given:
            yield from _members(kind, given[name], where)
    if helper.layer:
        yield from (Use(f"{helper.layer}()", name, None, where) for name in given if name not in helper.names)


def _members(kind: str, value: ast.expr, where: str) -> Iterator[Use]:
    """The members that an expression names, as `"MAX" if largest else "MIN"` names two."""
    for part in ast.walk(value):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isupper():
            yield Use(kind, part.value, None, where)


def _by_attribute(node: ast.Attribute, call: ast.Call | None, objects: dict[str, str], where: str) -> Iterator[Use]:
    """`config.set_flag(…)`, `trt.Weights`, `trt.BuilderFlag.TF32`."""
    owner = ast.unparse(node.value)
    if owner in objects:
        if not node.attr.startswith("__"):
            yield Use(objects[owner], node.attr, _count(call.args) if call else None, where)
    elif owner in MODULES and node.attr[0].isupper():
        yield Use("", node.attr, None, where)
    elif any(owner.startswith(f"{module}.") for module in MODULES) and not node.attr.startswith("_"):
        kind = owner.rpartition(".")[2]
        if kind[0].isupper():
            yield Use(kind, node.attr, None, where)


def _count(arguments: list[ast.expr]) -> int | None:
    return None if any(isinstance(argument, ast.Starred) for argument in arguments) else len(arguments)
