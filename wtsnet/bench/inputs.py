"""The inputs of a benchmark: chosen within a plan's profile, and put where they are measured from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError, nearest
from wtsnet.proof import given_inputs, random_inputs
from wtsnet.runtime import Inputs, ties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input
    from wtsnet.runtime import Runner


def bench_arrays(
    takes: Sequence[Input],
    given: str | os.PathLike[str] | Mapping[str, Any] | None,
    batch: int | None,
    shapes: Mapping[str, Sequence[int]] | None,
    axes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, NDArray[Any]]:
    """The inputs of an engine by name, of its dtypes and within its profile.

    Args:
        takes, axes: what it takes, and the names of axes, as in its manifest.
        given, batch, shapes: see `wtsnet.bench.bench`.

    Raises:
        RunnerError, VerifyError: see there.
    """
    engine = Inputs(takes, {}, axes)
    chosen = _chosen(takes, batch, shapes, engine, axes or {})
    if given is None:
        _check_shapes(engine, chosen, batch)
        fixed: list[Any] = [{**spec, **dict.fromkeys(("min", "opt", "max"), chosen[spec["name"]])} for spec in takes]
        values = random_inputs([(spec, spec) for spec in fixed], 0)
    else:
        if batch is not None or shapes:
            raise RunnerError("batch and shapes are of random inputs; the inputs that are given have their own")
        if not isinstance(given, Mapping) and Path(given).suffix.lower() != ".npz":
            raise RunnerError(f"{os.fspath(given)}: expected an .npz of the inputs by name")
        values = given_inputs([(spec, spec) for spec in takes], given, {})
    arrays = engine.checked({spec["name"]: value for spec, (value, _) in zip(takes, values, strict=True)})
    _check_shapes(engine, {name: array.shape for name, array in arrays.items()})
    return arrays


def _chosen(
    takes: Sequence[Input],
    batch: int | None,
    shapes: Mapping[str, Sequence[int]] | None,
    engine: Inputs,
    axes: Mapping[str, Sequence[str]],
) -> dict[str, tuple[int, ...]]:
    """The shape of each input: the profile's usual one but for what is asked for."""
    chosen = {spec["name"]: tuple(spec["opt"]) for spec in takes}
    if batch is not None and shapes:
        raise RunnerError(f"batch: found {batch}, and shapes too, which have their batch; give one of the two")
    if batch is not None:
        batched = {name: labels.index("N") for name, labels in axes.items() if "N" in labels}
        first = {spec["name"]: spec for spec in takes if spec["opt"]}
        ranged = {name: 0 for name, spec in first.items() if spec["min"][0] < spec["max"][0]}
        for name, axis in (batched or ranged or dict.fromkeys(first, 0)).items():
            chosen[name] = _with(chosen[name], axis, batch)
        if not first:
            raise RunnerError(f"batch: found {batch}, but no input has a batch axis (the engine takes {engine})")
    for name, shape in (shapes or {}).items():
        if name not in chosen:
            raise RunnerError(f"input {name!r}: unknown{nearest(name, chosen)} (the engine takes {engine})")
        chosen[name] = tuple(shape)
    for places in ties(axes).values():  # an input that is given no shape goes along
        told = [chosen[name][axis] for name, axis in places if name in (shapes or {}) and axis < len(chosen[name])]
        for name, axis in places if told else ():
            if name not in (shapes or {}):
                chosen[name] = _with(chosen[name], axis, told[0])
    return chosen


def _with(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return *shape[:axis], size, *shape[axis + 1 :]


def _check_shapes(engine: Inputs, shapes: Mapping[str, tuple[int, ...]], batch: int | None = None) -> None:
    """Refuse what the engine does not take at once: a runner would cut it into pieces."""
    for name, shape in shapes.items():
        if not engine.specs[name].fits(shape):
            axis = "" if batch is None else "; the batch is the first axis: where it is another, give shapes instead"
            raise RunnerError(f"input {name!r}: found shape {shape}, expected {engine.specs[name].sizes}{axis}")


def in_host_memory(runner: Runner, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The arrays where the runner takes them from fastest."""
    frame = {}
    for name, array in arrays.items():
        frame[name] = runner.empty(name, array.shape)
        frame[name][...] = array
    return frame
