"""Dataclasses to YAML and back, strictly: a file that does not match its dataclass is refused, with the reason."""

from __future__ import annotations

import re
import types
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import yaml

from wtsnet.errors import ManifestError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_FLOAT = "tag:yaml.org,2002:float"
# YAML 1.1 takes 1e-5, which people and json write, for a string.
_EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def dump(head: dict[str, Any], value: Any) -> str:
    """`head`, then the fields of the dataclass instance `value`, as YAML text.

    Raises:
        ManifestError: something in it is not plain data.
    """
    members = {field.name: getattr(value, field.name) for field in fields(value)}
    try:
        text: str = yaml.dump(
            _encode({**head, **members}), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
        )
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise ManifestError(f"not plain data: {error}") from error
    return text


def load(text: bytes) -> dict[str, Any]:
    """The mapping in YAML text.

    Raises:
        ManifestError: the text is no YAML, no mapping, or has a key twice.
    """
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ManifestError(f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ManifestError(f"found {_shown(data)}, expected a mapping")
    return data


def fill(cls: type[T], data: Mapping[str, Any]) -> T:
    """An instance of the dataclass `cls` from a mapping with exactly its fields.

    The types of fields may be str, int, float, Any, TypedDicts, and list, dict and `… | None` of these.

    Raises:
        ManifestError: a key is unknown or missing, or a value has another type.
    """
    expected = {name: kind for name, kind in get_type_hints(cls).items() if get_origin(kind) is not ClassVar}
    return cls(**_members(expected, data, ""))


def _members(expected: Mapping[str, Any], data: Mapping[str, Any], where: str) -> dict[str, Any]:
    for key in data:
        if key not in expected:
            raise ManifestError(f"{_path(where, key)}: unknown key{nearest(str(key), expected)}")
    for key in expected:
        if key not in data:
            raise ManifestError(f"{_path(where, key)}: missing")
    return {key: _checked(kind, data[key], _path(where, key)) for key, kind in expected.items()}


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _path(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _checked(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # with None, the only one there is
        return None if value is None else _checked(arguments[0], value, where)
    if kind is Any or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if origin is list and isinstance(value, list):
        return [_checked(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value)]
    if origin is dict and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        if arguments[1] is Any:
            return value
        return {key: _checked(arguments[1], item, _path(where, key)) for key, item in value.items()}
    if is_typeddict(kind) and isinstance(value, dict):
        return _members(_hints(kind), value, where)
    raise ManifestError(f"{where}: found {_shown(value)}, expected {_expected(kind)}")


def _expected(kind: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a number"}
    if kind in names:
        return names[kind]
    return "a list" if get_origin(kind) is list else "a mapping"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


class _Line(dict[Any, Any]):
    """A mapping that is written on one line."""


def _encode(value: Any, depth: int = 0) -> Any:
    """Lists for tuples, and a `_Line` for each inner mapping that is short enough to read as one."""
    if isinstance(value, dict):
        mapping = {key: _encode(item, depth + 1) for key, item in value.items()}
        deep = any(isinstance(item, dict) or _is_table(item) for item in mapping.values())
        return mapping if depth < 2 or deep else _Line(mapping)
    return [_encode(item, depth + 1) for item in value] if isinstance(value, (list, tuple)) else value


def _is_table(value: Any) -> bool:
    """Whether `value` is a list of nothing but lists or mappings, which takes a line for each."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, (list, dict)) for item in value)


def _represent_list(dumper: Any, value: list[Any]) -> yaml.Node:
    node: yaml.Node = dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=not _is_table(value))
    return node


def _represent_dict(dumper: Any, value: dict[Any, Any]) -> yaml.Node:
    line = isinstance(value, _Line)
    node: yaml.Node = dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=line)
    return node


def _construct_dict(loader: Any, node: Any) -> dict[Any, Any]:
    mapping: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    if len(mapping) < len(node.value):  # PyYAML itself would take the last
        keys = [key.value for key, _ in node.value]
        key, line = next((key.value, key.start_mark.line) for key, _ in node.value if keys.count(key.value) > 1)
        raise yaml.YAMLError(f"the key {key!r} occurs twice, first in line {line + 1}")
    return mapping


# libyaml's parser and emitter are ten times as fast, where PyYAML was built with them.
_Loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_dict)
_Dumper: Any = type(
    "_Dumper",
    (getattr(yaml, "CSafeDumper", yaml.SafeDumper),),
    {"ignore_aliases": lambda self, data: True},
)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(dict, _represent_dict)
_Dumper.add_representer(_Line, _represent_dict)
for _class in (_Loader, _Dumper):
    # The writer needs it too, to put quotes around text that looks like such a number.
    _class.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+.0123456789"))
