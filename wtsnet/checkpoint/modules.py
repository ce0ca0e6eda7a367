"""The records of nn.Modules: what `state_dict()` would have given, without the classes it takes.

Hooks and overrides of `state_dict` are code too, and so have no say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.checkpoint.records import PlainDict, Record, TensorRef
from wtsnet.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_DEPTH = 100
_MOST_MODULES = 100_000


def is_module(value: Any) -> bool:
    """Whether `value` was an nn.Module."""
    parts = ("_parameters", "_buffers", "_modules")
    return isinstance(value, Record) and all(isinstance(value.state.get(part), dict) for part in parts)


def walk(root: Record) -> Iterator[tuple[str, Record]]:
    """`root` and the modules in it with their dotted paths, in `state_dict()` order.

    Raises:
        CheckpointError: a child is no module, or the modules contain themselves.
    """
    stack, seen = [("", root, 0)], 0
    while stack:
        path, module, depth = stack.pop()
        yield path, module
        children = {_join(path, name): child for name, child in module.state["_modules"].items() if child is not None}
        for name, child in children.items():
            if not is_module(child):
                raise CheckpointError(f"{name!r} is {kind(child)}, not a module")
        stack.extend((name, child, depth + 1) for name, child in reversed(children.items()))
        seen += 1
        if depth > _MOST_DEPTH or seen > _MOST_MODULES:
            raise CheckpointError(f"module {path[:80]!r} contains itself, or far too many others")


def module_tensors(modules: list[tuple[str, Record]]) -> dict[str, TensorRef]:
    """The parameters and persistent buffers of `modules`, in the order of `state_dict()`.

    Raises:
        CheckpointError: one is no tensor with plain values.
    """
    refs: dict[str, TensorRef] = {}
    for path, module in modules:
        left_out = module.state.get("_non_persistent_buffers_set")  # unknown before PyTorch 1.6
        left_out = left_out if isinstance(left_out, set) else set()
        buffers = {name: value for name, value in module.state["_buffers"].items() if name not in left_out}
        for name, value in [*module.state["_parameters"].items(), *buffers.items()]:
            if isinstance(value, TensorRef):
                refs[_join(path, name)] = value
            elif value is not None:
                raise CheckpointError(f"{_join(path, name)!r} is {kind(value)}, not a tensor with plain values")
    return refs


def mapping_tensors(value: Any) -> dict[str, TensorRef]:
    """The tensors of a state dict. Plain data beside them, such as a step count, is no weight.

    Raises:
        CheckpointError: a tensor has no plain values, as a sparse or quantized one, or its name is no text.
    """
    mapping = value.items if isinstance(value, Record) else value
    refs: dict[str, TensorRef] = {}
    for name, item in mapping.items() if isinstance(mapping, dict) else ():
        if isinstance(item, TensorRef):
            refs[_join("", name)] = item
        elif isinstance(item, Record) and item.name.startswith("torch._utils._rebuild"):
            raise CheckpointError(f"{_join('', name)!r} is {kind(item)}, not a tensor with plain values")
    return refs


def bn_eps(modules: list[tuple[str, Record]]) -> Iterator[tuple[str, float]]:
    """The path and the eps of each module that looks like a batch norm: one with an eps and a running mean."""
    for path, module in modules:
        eps = module.state.get("eps")
        if isinstance(eps, float) and isinstance(module.state["_buffers"].get("running_mean"), TensorRef):
            yield path, eps


def kind(value: Any) -> str:
    """What an error calls `value`."""
    if isinstance(value, Record):
        return value.name
    return {TensorRef: "a tensor", PlainDict: "a mapping", dict: "a mapping"}.get(type(value), type(value).__name__)


def _join(path: str, name: Any) -> str:
    if not isinstance(name, str):
        raise CheckpointError(f"a name in {path or 'its tensors'} is of type {kind(name)}, not text")
    return f"{path}.{name}" if path else name
