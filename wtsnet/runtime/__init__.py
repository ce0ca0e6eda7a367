"""Runners: what executes an engine. Called with arrays by input name, they return arrays by output name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wtsnet import trt
from wtsnet.device import driver
from wtsnet.errors import RunnerError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wtsnet.engine import Engine
    from wtsnet.manifest import Input

KINDS = ("auto", "tensorrt", "reference")


class Runner(Protocol):
    """Executes an engine.

    Attributes:
        kind: "tensorrt" or "reference".
        reason: why this kind was taken, as one line.
    """

    kind: str
    reason: str

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """The outputs by name, for arrays by input name.

        Raises:
            RunnerError: an input is missing, unknown, or of a shape or dtype that the engine does not take.
        """

    def close(self) -> None:
        """Free what the runner holds."""


def make_runner(engine: Engine, kind: str = "auto", **options: Any) -> Runner:
    """See `Engine.runner`."""
    if kind not in KINDS:
        raise RunnerError(f"runner: found {kind!r}, expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    problem = "" if kind == "reference" else why_not_tensorrt(engine)
    if kind == "tensorrt" and problem:
        raise RunnerError(f"the plan can't run here: {problem}; runner('reference') executes the network with torch")
    if kind == "reference" or problem:
        from wtsnet.runtime.reference import EngineReferenceRunner

        _check_options("reference", options, ("device",))
        return EngineReferenceRunner(engine, problem or "asked for", **options)
    from wtsnet.runtime.tensorrt import TensorRTRunner

    _check_options("tensorrt", options, ())
    return TensorRTRunner.from_plan(engine.plan, engine.manifest, f"{driver().gpus[0].name} fits the plan")


def _check_options(kind: str, options: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in options:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise RunnerError(
                f"runner: unknown option {name!r}{nearest(name, known)} (the {kind} runner takes {takes})"
            )


def why_not_tensorrt(engine: Engine) -> str:
    """Why the plan can't run on this machine's GPU; empty when it can."""
    found = driver()
    if found.problem:
        return found.problem
    if misfit := engine.misfit(found.gpus[0]):
        return misfit
    if engine.manifest.tensorrt["flavour"] != trt.flavour():
        return f"the plan is for {engine.manifest.tensorrt['flavour']}, installed is {trt.flavour()}"
    try:
        import pycuda.driver  # noqa: F401  # whether it can be imported is the question
    except ImportError as error:
        return f"pycuda can't be imported ({error}); pip install pycuda"
    return ""


def check_inputs(specs: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The given inputs as C-contiguous arrays of the dtypes and within the profile that an engine takes.

    Raises:
        RunnerError: a name, shape or dtype does not fit; what the engine takes is said.
    """
    for name in given:
        if name not in specs:
            raise RunnerError(f"input {name!r}: unknown{nearest(name, specs)} (the engine takes {_takes(specs)})")
    arrays = {}
    for name, spec in specs.items():
        if name not in given:
            raise RunnerError(f"input {name!r}: missing (the engine takes {_takes(specs)})")
        try:
            array = _array(given[name])
        except (TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise RunnerError(f"input {name!r}: {reason}; expected {spec['dtype']} {_shape_text(spec)}") from None
        if not _fits(spec, array.shape):
            raise RunnerError(f"input {name!r}: found shape {array.shape}, expected {_shape_text(spec)}")
        if not _holds(np.dtype(spec["dtype"]), array):
            raise RunnerError(f"input {name!r}: found {array.dtype}, which {spec['dtype']} can't hold")
        with np.errstate(over="ignore"):  # as everywhere in numpy and torch, a large float64 is infinite as float32
            arrays[name] = np.ascontiguousarray(array, spec["dtype"])
    return arrays


def _array(value: Any) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a torch tensor, without importing torch; numpy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    return np.asarray(value)


def _holds(dtype: np.dtype[Any], array: NDArray[Any]) -> bool:
    """Whether the values survive a cast: floats to floats, integers to floats or to integers that hold them."""
    if array.dtype == dtype:
        return True
    if array.dtype.kind not in "fiub" or dtype.kind not in ("f" if array.dtype.kind == "f" else "fiu"):
        return False
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    return limits is None or not array.size or bool(limits.min <= array.min() and array.max() <= limits.max)


def _fits(spec: Input, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(spec["min"]) and all(
        low <= size <= high for low, size, high in zip(spec["min"], shape, spec["max"], strict=True)
    )


def _takes(specs: Mapping[str, Input]) -> str:
    return ", ".join(f"{name} {spec['dtype']} {_shape_text(spec)}" for name, spec in specs.items())


def _shape_text(spec: Input) -> str:
    sizes = (str(a) if a == b else f"{a}..{b}" for a, b in zip(spec["min"], spec["max"], strict=True))
    return f"({', '.join(sizes)})"
