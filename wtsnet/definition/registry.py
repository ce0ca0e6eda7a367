"""The models and blocks that can be built by name.

    @model("tiny", image=Image(channels=1, size=28), task="classify")
    def tiny(s: Scope, x: Tensor) -> Tensor: ...

    @model("matcher", inputs={"left": Input(("N", 3, 64, 64)), "tokens": Input(("N", "T"), "int64")})
    def matcher(s: Scope, left: Tensor, tokens: Tensor) -> Tensor: ...

A model function takes the root scope, its inputs (by name where its parameters have these names, else in their order),
floats in the network's precision, and its variant's configuration (a frozen dataclass) when it has variants; it returns
its output, a tuple of several, or several by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wtsnet.decode import Function, collected, decoders
from wtsnet.definition.inputs import Image, Input, Takes
from wtsnet.definition.zoo import zoo
from wtsnet.errors import ModelError, WtsnetError, nearest, place_of
from wtsnet.network import Tensor
from wtsnet.network import module as module_of
from wtsnet.ops import meant
from wtsnet.pictures import Preprocess

if TYPE_CHECKING:
    from wtsnet.network import Scope, Weights


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that can be built by name.

    Attributes:
        name: such as "resnet18".
        family: the function's name in the registry, such as "resnet".
        task: what the outputs are for, such as "detect"; empty where the model does not say.
        upstream: where the PyTorch model with these weight names comes from.
        inputs: the picture or the inputs by name, or a function of the configuration that gives them.
        config: the variant's configuration, None when the model has no variants.
        function: adds the layers.
    """

    name: str
    family: str
    task: str
    upstream: str
    inputs: Takes | Callable[[Any], Takes]
    config: Any
    function: Callable[..., Any]

    @property
    def options(self) -> list[dataclasses.Field[Any]]:
        """The fields of the configuration that users may set."""
        return [f for f in dataclasses.fields(self.config) if "help" in f.metadata] if self.config is not None else []

    def configure(self, weights: Weights, options: Mapping[str, Any]) -> Any:
        """The configuration with `options` set, bound to what the weights and their manifest tell.

        Raises:
            ModelError: an option that this model does not have, or a value that it can't take.
        """
        known = {f.name: f.default for f in self.options}
        for name, value in options.items():
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise ModelError(f"{self.name}: unknown option {name!r}{_nearest_option(name, known)} ({has})")
            if not _same_kind(value, known[name]):
                expected = type(known[name]).__name__
                raise ModelError(f"{self.name}: {name}: found {value!r}, expected {expected} as in {known[name]!r}")
        if self.config is None:
            return None
        config = dataclasses.replace(self.config, **options)
        return config.bind(weights) if hasattr(config, "bind") else config

    def inputs_of(self, config: Any) -> Takes:
        """The picture, or the inputs by name, for a configuration."""
        return self.inputs(config) if callable(self.inputs) else self.inputs

    def add_to(self, s: Scope, inputs: Mapping[str, Tensor], config: Any) -> Mapping[str, Tensor]:
        """Add the layers; gives the outputs by name: a single one is `output`, those of a tuple `output0`, `output1` …

        Args:
            inputs: by name. Where the function's parameters have the same names they are given by name, else in order.

        Raises:
            ModelError: the function takes other arguments, gives no tensors, or raises an error of its own.
        """
        arguments = self._arguments(s, inputs, config)
        try:
            signature(self.function).bind(*arguments)
        except TypeError as error:
            given = f"a scope, {len(inputs)} input{'s' * (len(inputs) != 1)}" + ", the configuration" * (
                config is not None
            )
            takes = f"{getattr(self.function, '__name__', 'the function')}{signature(self.function)}"
            raise ModelError(f"{self.name}: found {takes}, expected what takes {given} ({error})") from None
        try:
            made = self.function(*arguments)
        except WtsnetError:
            raise
        except Exception as error:
            place = place_of(error)
            if not place:  # it is wtsnet's own, and a defect
                raise
            raise ModelError(f"{self.name}: {place}: {type(error).__name__}: {error}{_meant(error)}") from error
        if hasattr(made, "_asdict"):
            made = made._asdict()
        if isinstance(made, tuple | list):
            made = {f"output{i}": one for i, one in enumerate(made)}
        named = made if isinstance(made, Mapping) else {"output": made}
        for name, one in named.items():
            if not isinstance(name, str):
                raise ModelError(f"{self.name}: outputs: found the name {name!r}, expected text")
            if not isinstance(one, Tensor):
                hint = "; does the function return what it makes?" if made is None else ""
                raise ModelError(f"{self.name}: {name}: found {type(one).__name__}, expected a Tensor{hint}")
        if not named:
            raise ModelError(f"{self.name}: found no outputs, expected a Tensor or several, in a tuple or by name")
        return named

    def _arguments(self, s: Scope, inputs: Mapping[str, Tensor], config: Any) -> list[Any]:
        """What the function is given, by position."""
        positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        named = [one.name for one in signature(self.function).parameters.values() if one.kind in positional]
        own = named[1 : 1 + len(inputs)]
        ordered = [inputs[name] for name in own] if set(own) == set(inputs) else list(inputs.values())
        return [s, *ordered] if config is None else [s, *ordered, config]


@dataclasses.dataclass(frozen=True)
class Block:
    """A block that architecture lists name.

    Attributes:
        name: such as "C3".
        function: `function(scope, x, *args)`, or `function(scope, [x, …], *args)` with `many`.
        scaled: whether its first argument is a number of output channels, to be scaled by the width.
        deep: whether it takes the number of repeats itself, as its second argument (or a later one: a number counts
            those before it); else it is repeated.
        many: whether it takes a list of inputs.
        keywords: its keyword-only parameters: what it wants to know of the architecture (see `blocks/yolo/lists.py`).
    """

    name: str
    function: Callable[..., Any]
    scaled: bool = False
    deep: bool | int = False
    many: bool = False
    keywords: frozenset[str] = frozenset()


M = TypeVar("M", Model, Block)
T = TypeVar("T")
_MODELS: dict[str, Model] = {}
_BLOCKS: dict[str, Block] = {}


def _same_kind(value: Any, default: Any) -> bool:
    """Whether an option may take `value`: of the default's type, or an integer for a float."""
    if default is None:
        return True
    return type(value) is type(default) or (type(default) is float and type(value) is int)


# What `define` takes for every model.
_GENERAL = ("batch", "imgsz", "shapes", "precision", "fold_bn", "input", "preprocess", "task", "class_names")


def _nearest_option(name: str, known: Iterable[str]) -> str:
    if name in {field.name for field in dataclasses.fields(Preprocess)}:
        return f"; preprocess={{{name!r}: …}} sets how a picture becomes the input"
    return nearest(name, (*known, *_GENERAL))


def option(default: Any, help: str) -> Any:
    """A field of a model's configuration that users may set, to a value of its default's type."""
    return dataclasses.field(default=default, metadata={"help": help})


def model(
    family: str,
    *,
    image: Image | Callable[[Any], Image] | None = None,
    inputs: Mapping[str, Input] | Callable[[Any], Mapping[str, Input]] | None = None,
    task: str = "",
    upstream: str = "",
    variants: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a model function, under `family` or under the name of each of its `variants`.

    Args:
        image: the one picture that it takes, or
        inputs: what else it takes, by name, in the order of the function's parameters; either may be a function of the
            variant's configuration.
        task: what the outputs are for: one of `wtsnet.decode.TASKS`, or one that a `@decoder` reads. Where it is empty
            a model of pictures with one output (N, classes) classifies, and of any other the outputs are the result.
        upstream: where the PyTorch model with these weight names comes from.
        variants: the configuration (a frozen dataclass) of each model by its name.

    Raises:
        ModelError: not one of `image` and `inputs`, or another module has registered a model of that name.
    """
    takes = image if inputs is None else inputs
    if takes is None or (image is not None and inputs is not None):
        found = "neither" if takes is None else "both"
        raise ModelError(f"model {family!r}: found {found} of image and inputs, expected one")
    if not (callable(takes) or isinstance(takes, Image) or _are_inputs(takes)):
        raise ModelError(f"model {family!r}: found inputs {takes!r}, expected a mapping of names to Input(…)")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, config in (variants or {family: None}).items():
            _add("model", name, Model(name, family, task, upstream, takes, config, function), _MODELS)
        return function

    return register


def _are_inputs(takes: Any) -> bool:
    return isinstance(takes, Mapping) and bool(takes) and all(isinstance(one, Input) for one in takes.values())


def block(
    name: str, *, scaled: bool = False, deep: bool | int = False, many: bool = False
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Register a block for architecture lists (see `Block`). What it returns is noted as its module's output; several
    tensors as `path[0]`, `path[1]` …"""

    def register(function: Callable[..., T]) -> Callable[..., T]:
        recorded = module_of(function)
        keywords = frozenset(p.name for p in signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY)
        _add("block", name, Block(name, recorded, scaled, deep, many, keywords), _BLOCKS)
        return recorded

    return register


def _add(kind: str, name: str, made: M, known: dict[str, M]) -> None:
    """Register, again too: a cell of a notebook that is run twice, a file that has changed."""
    theirs = known[name].function.__module__ if name in known else made.function.__module__
    if theirs != made.function.__module__:
        raise ModelError(f"{kind} {name!r}: registered by {made.function.__module__}, but {theirs} has one too")
    known[name] = made


def find_block(name: str, where: str) -> Block:
    """The block that an architecture list calls `name`; torch's own go by their name without `nn.`.

    Raises:
        ModelError: there is none; `where` says where the list names it.
    """
    try:
        return _BLOCKS[name.removeprefix("torch.").removeprefix("nn.")]
    except KeyError:
        raise ModelError(
            f"{where}: unknown block {name!r}{nearest(name, _BLOCKS)}; "
            f'register it with @wtsnet.block("{name}") on a function (scope, x, *args)'
        ) from None


def find(name: str) -> Model:
    """The model called `name`, or `FILE.py:NAME` for one that a file of yours registers, or `FILE.py` for the only one
    that it does. A file that registers no model but blocks goes with a model of the zoo.

    Raises:
        ModelError: there is none; the nearest name is given.
    """
    path, name = split(name)
    if path is None:
        known, where = models(), "see: wtsnet models"
    else:
        known = _load(path).models
        where = f"{path} registers {', '.join(known) or 'no model'}"
        if not name:
            if len(known) != 1:
                raise ModelError(f"{where}; expected one, or {path.name}:NAME")
            (name,) = known
        known = known or models()
    if name not in known:
        raise ModelError(f"unknown model {name!r}{nearest(name, known)} ({where})")
    return known[name]


def split(name: str) -> tuple[Path | None, str]:
    """`FILE.py:NAME` as the file's absolute path and NAME, which is empty for `FILE.py`; any other name as None and
    itself."""
    if name.endswith(".py"):
        return Path(name).absolute(), ""
    path, separator, rest = name.rpartition(".py:")
    return (Path(f"{path}.py").absolute(), rest) if separator else (None, name)


def decoders_of(name: str) -> Mapping[str, Function]:
    """The decoders that the file of a model registers, by task, and those that were registered elsewhere.

    Raises:
        ModelError: the file can't be read or run.
    """
    path, _ = split(name)
    return decoders() if path is None else {**decoders(), **_load(path).decoders}


def models() -> Mapping[str, Model]:
    """All registered models by name, those of the zoo first."""
    _load_zoo()
    return _MODELS


@cache
def _load_zoo() -> None:
    for entry in pkgutil.iter_modules(zoo().__path__):
        importlib.import_module(f"wtsnet.models.{entry.name}")


class _File(NamedTuple):
    """What a user's file registers."""

    models: Mapping[str, Model]
    decoders: Mapping[str, Function]


def _load(path: Path) -> _File:
    """What a user's file registers; it is run once, and again when it has changed."""
    try:
        return _run(path, path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror}); expected a file that registers a model") from None


@cache
def _run(path: Path, source: bytes) -> _File:
    module = ModuleType(f"wtsnet model file {path}")  # a name that hides no other module
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    others = dict(models())
    _MODELS.clear()  # its models go by FILE.py:NAME, so they may have names that others have too
    try:
        with collected() as own:
            exec(compile(source, path, "exec"), vars(module))
        return _File(dict(_MODELS), own)
    except WtsnetError:
        raise
    except Exception as error:
        raise ModelError(f"{place_of(error) or path}: {type(error).__name__}: {error}{_meant(error)}") from error
    finally:
        _MODELS.clear()
        _MODELS.update(others)


def _meant(error: Exception) -> str:
    """Which op was meant, where one is imported that there is not: Python's error keeps no other text."""
    name = re.match(r"cannot import name '(\w+)' from 'wtsnet\.ops'", str(error))
    return meant(name[1]) if name and isinstance(error, ImportError) else ""
