"""What wtsnet's source uses of TensorRT's API, read from its syntax: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The variables that hold objects of TensorRT's, in each file that has such.
OBJECTS: dict[str, dict[str, str]] = {
    "wtsnet/engine/building.py": {
        "config": "IBuilderConfig",
        "profile": "IOptimizationProfile",
        "net.builder": "Builder",
    },
    "wtsnet/cli/inspect.py": {"net.trt": "INetworkDefinition"},
    "wtsnet/network/network.py": {"net.trt": "INetworkDefinition", "x.trt": "ITensor", "out.trt": "ITensor"},
    "wtsnet/definition/onnxparser.py": {
        "parser": "OnnxParser",
        "error": "ParserError",
        "net.trt": "INetworkDefinition",
        "layer": "ILayer",
        "tensor": "ITensor",
    },
    "wtsnet/reference/graph.py": {"network": "INetworkDefinition"},
    "wtsnet/network/summary.py": {"net.trt": "INetworkDefinition", "layer": "ILayer", "tensor": "ITensor"},
    "wtsnet/runtime/ports.py": {"engine": "ICudaEngine"},
    "wtsnet/runtime/slot.py": {"engine": "ICudaEngine", "self._execution": "IExecutionContext"},
    "wtsnet/runtime/tensorrt.py": {"runtime": "Runtime"},
}
MODULES = ("trt", "module()", "tensorrt.module()")


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


def used() -> list[Use]:
    """Everything that wtsnet and its models use."""
    files = sorted(file for folder in ("wtsnet", "models") for file in (ROOT / folder).rglob("*.py"))
    return [use for file in files for use in uses(file.read_text("utf-8"), file.relative_to(ROOT).as_posix())]


def uses(source: str, file: str) -> Iterator[Use]:
    """Everything that a file uses."""
    tree = ast.parse(source)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _by_name(node, node.func.attr, f"{file}:{node.lineno}")
        elif isinstance(node, ast.Attribute):
            yield from _by_attribute(node, calls.get(id(node)), OBJECTS.get(file, {}), f"{file}:{node.lineno}")


def _by_name(call: ast.Call, method: str, where: str) -> Iterator[Use]:
    """`scope.emit("add_x", …, attribute=…)` and `scope.enum("Kind", "MEMBER")`."""
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return
    if method == "emit":
        yield Use("INetworkDefinition", first.value, _count(call.args[1:]), where)
        attributes = [keyword.arg for keyword in call.keywords if keyword.arg not in ("suffix", "inputs", None)]
        yield from (Use(f"{first.value}()", str(name), None, where) for name in attributes)
    if method == "enum":
        for part in ast.walk(call.args[1]):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isupper():
                yield Use(first.value, part.value, None, where)


def _by_attribute(node: ast.Attribute, call: ast.Call | None, objects: dict[str, str], where: str) -> Iterator[Use]:
    """`config.set_flag(…)`, `trt.Weights`, `trt.BuilderFlag.TF32`."""
    owner = ast.unparse(node.value)
    if owner in objects:
        yield Use(objects[owner], node.attr, _count(call.args) if call else None, where)
    elif owner in MODULES and node.attr[0].isupper():
        yield Use("", node.attr, None, where)
    elif any(owner.startswith(f"{module}.") for module in MODULES) and not node.attr.startswith("_"):
        kind = owner.rpartition(".")[2]
        if kind[0].isupper():
            yield Use(kind, node.attr, None, where)


def _count(arguments: list[ast.expr]) -> int | None:
    return None if any(isinstance(argument, ast.Starred) for argument in arguments) else len(arguments)
