"""The two networks of a comparison: from an .onnx file, a plan or MODEL:FILE.wts, opened and ready to be run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet.definition import Image, OnnxFile, define, is_onnx, parse
from wtsnet.engine import Engine, load
from wtsnet.errors import VerifyError, nearest
from wtsnet.network import Network
from wtsnet.proof.fitting import inputs_of
from wtsnet.runtime import reference_runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.manifest import Input

    Source = str | os.PathLike[str] | Network | Engine
    Arrays = Mapping[str, NDArray[Any]]

# What `define` takes for an ONNX file that is compared; for a model it takes anything.
_OF_ONNX = ("batch", "imgsz", "shapes", "preprocess")


@dataclass(frozen=True)
class Side:
    """A network that can be run.

    Attributes:
        name: for errors.
        inputs: what it takes, by name.
        preprocess: how a picture becomes its input; empty where nothing says.
        precision: what its layers compute in, as in `proof/verifying.py`'s TOLERANCES.
        run: its outputs by name, for its inputs by name.
    """

    name: str
    inputs: Mapping[str, Input]
    preprocess: Mapping[str, Any]
    precision: str
    run: Callable[[Arrays], Arrays]


def open_sides(a: Source, b: Source, *, device: str | None, runner: str, options: Mapping[str, Any]) -> list[Side]:
    """Both sides; the arguments are those of `wtsnet.proof.compare`.

    Raises:
        VerifyError: no such file, or an option that neither takes.
        WtsnetError: as `define` and `load`.
    """
    sources = (a, b)
    told = " and ".join(map(_name, sources))
    for name, value in options.items():
        if not any(_takes(source, name) for source in sources):
            raise VerifyError(f"{name}: found {value!r}, which {told} do not take")
    if runner != "reference" and not any(map(_is_plan, sources)):
        raise VerifyError(f"runner: found {runner!r}, which is for plans; {told} are none")
    sides = [_open(source, device, runner, _own(source, sources, options)) for source in sources]
    for name in options.get("shapes") or ():
        known = [known for side in sides for known in side.inputs]
        if name not in known:
            raise VerifyError(f"shape: unknown input {name!r}{nearest(name, known)} ({told} have {', '.join(known)})")
    return sides


def _name(source: Source) -> str:
    if isinstance(source, Network):
        return "a Network"
    return str(source.path or source.manifest.model) if isinstance(source, Engine) else os.fspath(source)


def _is_plan(source: Source) -> bool:
    if isinstance(source, Network | Engine):
        return isinstance(source, Engine)
    return not is_onnx(source) and Path(source).suffix not in (".wts", ".py") and Path(source).is_file()


def _takes(source: Source, option: str) -> bool:
    if isinstance(source, Network) or _is_plan(source):
        return False
    return option in _OF_ONNX or not is_onnx(source)


def _own(source: Source, sources: tuple[Source, Source], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a source takes. Where both take shapes, each has those of its own inputs."""
    taken = {name: value for name, value in options.items() if _takes(source, name)}
    if taken.get("shapes") and all(_takes(one, "shapes") for one in sources):
        names = _input_names(_name(source), taken)
        taken["shapes"] = {name: shape for name, shape in taken["shapes"].items() if name in names}
    return taken


def _input_names(name: str, options: Mapping[str, Any]) -> list[str]:
    if is_onnx(name):
        definition = parse(OnnxFile(name))[0].trt
        return [definition.get_input(i).name for i in range(definition.num_inputs)]
    _, takes = inputs_of(*_model(name), options)
    return [takes.name] if isinstance(takes, Image) else list(takes)


def _open(source: Source, device: str | None, runner: str, options: Mapping[str, Any]) -> Side:
    name = _name(source)
    if isinstance(source, Network):
        return _of_network(name, source, device)
    if isinstance(source, Engine):
        return _of_engine(name, source, device, runner)
    if is_onnx(name):
        return _of_network(name, define(name, **options), device)
    if _is_plan(name):
        return _of_engine(name, load(name), device, runner)
    return _of_network(name, define(*_model(name), **options), device)


def _model(name: str) -> tuple[str, str]:
    """The model and the weights that a side names."""
    model, weights = split(name)
    if not weights and name.endswith(".py"):
        raise VerifyError(f"{name}: found no weights, expected {name}:FILE.wts")
    if Path(name).is_file():
        raise VerifyError(f"{name}: a .wts does not say which network it is of; expected MODEL:{name}")
    if not weights:
        raise VerifyError(f"{name}: no such file; expected an .onnx file, a plan, or MODEL:FILE.wts")
    return model, weights


def split(text: str) -> tuple[str, str]:
    """MODEL and FILE of `MODEL:FILE`, where MODEL may be `FILE.py:NAME`, or `FILE.py` before a FILE.wts for the only
    model in it; FILE is empty where there is none."""
    file, separator, rest = text.partition(".py:")
    if not separator:
        model, _, weights = text.partition(":")
        return model, weights
    name, _, weights = rest.partition(":")
    of_the_only_one = rest[1:3] == ":\\" if weights else rest.endswith(".wts")  # "C:\\x.wts" is of Windows
    return (f"{file}.py", rest) if of_the_only_one else (f"{file}.py:{name}", weights)


def _of_network(name: str, net: Network, device: str | None) -> Side:
    def run(given: Arrays) -> Arrays:
        with reference_runner(net.trt, device or "cpu") as made:
            return made.run(given)

    return Side(
        name, {spec["name"]: spec for spec in net.inputs()}, net.facts.get("preprocess", {}), net.precision, run
    )


def _of_engine(name: str, engine: Engine, device: str | None, runner: str) -> Side:
    manifest, reference = engine.manifest, runner == "reference"
    where = device or ("cpu" if reference else None)

    def run(given: Arrays) -> Arrays:
        with closing(engine.runner(runner, **({} if where is None else {"device": where}))) as made:
            return made(**given)

    precision = engine.network().precision if reference else str(manifest.options.get("precision", "fp32"))
    return Side(name, {spec["name"]: spec for spec in manifest.inputs}, manifest.preprocess, precision, run)
