"""Arguments of ops, checked against the op's own annotations: a wrong one is an error of one line that names it.

An annotation is read as text, so that it may name what is imported for type checkers alone. It is made of the words
in `KINDS`, `Sequence[…]` of them, and `|` between them; an op with any other word fails when it is defined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np

from wtsnet.errors import NetworkError, nearest
from wtsnet.network.dims import Dim, Late
from wtsnet.trt import MEMBERS

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor

# What annotations call a dtype, an array, and an index of `x[…]`. What they hold is converted before an op sees it: a
# dtype is its name then.
DType: TypeAlias = Any
Index: TypeAlias = Any
Array: TypeAlias = Any

# The classes that annotations name, put here by the files that define them, which are built on this one.
CLASSES: dict[str, type] = {}
_ALTERNATIVE = re.compile(r"[^|\[\]]+(?:\[[^\]]*\])?")
_TORCH_NAMES = {"half": "float16", "float": "float32", "int": "int32", "long": "int64"}


class Mismatch(Exception):
    """A value that is not what an annotation says."""


class Kind(NamedTuple):
    """What an annotation takes: in words, for one and for several, and what converts a value to it."""

    one: str
    many: str
    take: Callable[[Any], Any]


def _integer(value: Any) -> int:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return value if isinstance(value, Late) else int(value)
    raise Mismatch


def _number(value: Any) -> Any:
    if isinstance(value, Late):
        value.refuse()
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return value.item() if isinstance(value, np.generic) else value
    raise Mismatch


def _boolean(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise Mismatch


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Mismatch


def _nothing(value: Any) -> None:
    if value is not None:
        raise Mismatch


def _dim(value: Any) -> Dim:
    if isinstance(value, Dim):
        return value
    raise Mismatch


def _index(value: Any) -> Any:
    return value


def dtype_name(value: Any) -> str:
    """The name of a dtype that is given by name, as numpy's or as torch's: "float32", np.float32, torch.float32.

    Raises:
        Mismatch: it is none that TensorRT knows.
    """
    if isinstance(value, type) and issubclass(value, np.generic):
        value = np.dtype(value)
    name = value if isinstance(value, str) else getattr(value, "name", None) or str(value)
    name = name.removeprefix("torch.")
    name = _TORCH_NAMES.get(name, name)
    if name not in MEMBERS or not (isinstance(value, str | np.dtype) or type(value).__name__ == "dtype"):
        raise Mismatch
    return name


def as_dtype_name(value: Any) -> str:
    """`dtype_name`, for what is no argument of an op.

    Raises:
        NetworkError: it is none that TensorRT knows.
    """
    try:
        return dtype_name(value)
    except Mismatch:
        found = value if isinstance(value, str) else repr(value)
        raise NetworkError(
            f'dtype: found {found}, expected one such as "float32"{nearest(str(found), MEMBERS)}'
        ) from None


def _instance(name: str) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if isinstance(value, CLASSES[name]):
            return value
        raise Mismatch

    return take


def is_tensor(value: Any) -> TypeGuard[Tensor]:
    """Whether it is a Tensor of a network."""
    return isinstance(value, CLASSES["Tensor"])


KINDS: dict[str, Kind] = {
    "int": Kind("an integer", "integers", _integer),
    "float": Kind("a number", "numbers", _number),
    "bool": Kind("True or False", "booleans", _boolean),
    "str": Kind("text", "texts", _text),
    "None": Kind("None", "Nones", _nothing),
    "Dim": Kind("a Dim", "Dims", _dim),
    "DType": Kind('a dtype such as "float32"', "dtypes", dtype_name),
    "Index": Kind("an index", "indices", _index),
    "Array": Kind("an array", "arrays", _index),
    "Tensor": Kind("a Tensor", "Tensors", _instance("Tensor")),
    "Scope": Kind("a Scope", "Scopes", _instance("Scope")),
}


def kind_of(annotation: str) -> Kind:
    """What a parameter with this annotation takes.

    Raises:
        TypeError: the annotation is not made of words that are known.
    """
    parts = [part.strip() for part in _ALTERNATIVE.findall(_merged(annotation)) if part.strip()]
    kinds = [_one(part) for part in parts]
    if len(kinds) == 1:
        return kinds[0]

    def take(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.take(value)
            except Mismatch:
                continue
        raise Mismatch

    return Kind(_listed(kind.one for kind in kinds), _listed(kind.many for kind in kinds), take)


def _merged(annotation: str) -> str:
    """The annotation with the bars inside of brackets as commas, so that the outer ones can be split at."""
    return re.sub(r"\[([^\]]*)\]", lambda match: f"[{match[1].replace('|', ',')}]", annotation)


def _one(part: str) -> Kind:
    if part in KINDS:
        return KINDS[part]
    if not part.startswith("Sequence[") or not part.endswith("]"):
        raise TypeError(f"annotation {part!r}: expected one of {', '.join(KINDS)}, or a Sequence of them")
    inner = kind_of(part.removeprefix("Sequence[").removesuffix("]").replace(",", "|"))

    def take(value: Any) -> tuple[Any, ...]:
        # A tensor of the network has a length too, but to take it apart would add layers.
        none = str | bytes | Mapping | Set | CLASSES["Tensor"] | CLASSES["Scope"]
        if isinstance(value, none) or not isinstance(value, Iterable):
            raise Mismatch
        return tuple(inner.take(item) for item in value)

    return Kind(inner.many, inner.many, take)


def _listed(words: Iterable[str]) -> str:
    """Alternatives in a row, also those that are in a row already: "an integer, integers, Dims or None"."""
    *first, last = dict.fromkeys(word for several in words for word in re.split(", | or ", several))
    return f"{', '.join(first)} or {last}" if first else last


def shown(value: Any) -> str:
    """A value in an error, in one line."""
    text = " ".join(repr(value).split())
    if text.startswith("<"):  # says no more than where in memory it is
        name = type(value).__name__
        text = f"an {name}" if name[0] in "AEIOaeio" else f"a {name}"
    return text if len(text) <= 80 else f"{text[:77]}…"
