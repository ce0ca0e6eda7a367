"""Engines that are built once: a folder with an entry for each, named by everything that decides what it holds."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.definition import find, is_onnx, zoo
from wtsnet.engine.engine import Engine, load
from wtsnet.errors import EngineError, ManifestError
from wtsnet.manifest import sha256
from wtsnet.trt import driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wtsnet.network import Weights

_PLAN = "engine.plan"


def key(model: str, weights: Weights, how: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Everything that decides what a plan holds, as 32 hex digits.

    Raises:
        EngineError: the model's source is in no file, so that a change of it would pass unseen.
    """
    gpu = next(iter(driver().gpus), None)
    parts = {
        "model": ".onnx" if is_onnx(model) else model,  # an ONNX file is its content
        "sources": _sources(model),
        "weights": weights.sha256,
        "facts": dict(weights.facts),
        "options": dict(options),
        "read": {name: sha256(value) for name, value in options.items() if _is_file(value)},
        "how": dict(how),
        "tensorrt": [tensorrt.flavour(), tensorrt.version()],
        "gpu": gpu and [gpu.name, gpu.target],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _is_file(value: Any) -> bool:
    """Whether an option names a file, whose content then counts."""
    return isinstance(value, str) and bool(value) and Path(value).is_file()


def cached(entry: Path) -> Engine | None:
    """The engine of an entry; None where there is none that can be loaded."""
    with suppress(EngineError, ManifestError):
        return load(entry / _PLAN)
    return None


def fill(entry: Path, engine: Engine) -> None:
    """Put an engine into the cache. A whole folder is renamed, so another process sees all of it or nothing. Where two
    build at once, the second finds the first one's there and leaves it.

    Raises:
        EngineError: the folder can't be written to.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    except OSError as error:
        raise EngineError(f"{entry.parent}: can't be used as a cache ({error.strerror})") from None
    try:
        Engine(engine.plan, engine.manifest).save(made / _PLAN)
        if cached(entry) is None:
            shutil.rmtree(entry, ignore_errors=True)  # what is there, if anything, is damaged
            with suppress(OSError):  # another process was faster
                made.rename(entry)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sources(model: str) -> str:
    """The sha256 of wtsnet's own sources and of those that the model's module uses, installed packages left out. An
    ONNX file has no sources."""
    roots = [Path(__file__).parents[1], *map(Path, zoo().__path__)]
    ours = {file for root in roots for ending in ("py", "yaml") for file in root.rglob(f"*.{ending}")}
    theirs = set() if is_onnx(model) else _sources_of(model)
    digest = hashlib.sha256()
    for file in sorted(ours | theirs):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _sources_of(model: str) -> set[Path]:
    """The files that a model is defined in."""
    module = sys.modules[find(model).function.__module__]
    if module.__dict__.get("__file__") is None:
        raise EngineError(f"cache: {model} is defined in no file, so a change of it would pass unseen; build without")
    return {Path(str(used.__file__)) for used in (module, *_used(module, set()))}


def _used(module: ModuleType, seen: set[str]) -> Iterator[ModuleType]:
    """A module and those that what it names comes from, however deep; neither wtsnet's nor installed ones."""
    file, top = getattr(module, "__file__", None), module.__name__.partition(".")[0]
    if module.__name__ in seen or file is None or top == "wtsnet" or top in sys.stdlib_module_names:
        return
    seen.add(module.__name__)
    if {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts) and Path(file).is_file():
        yield module
        for value in list(vars(module).values()):
            home = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
            if home is not None:
                yield from _used(home, seen)
