"""Building engines: a network and how to build it give a plan."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet import __version__
from wtsnet import trt as tensorrt
from wtsnet.definition import define
from wtsnet.device import driver
from wtsnet.engine import Engine, load
from wtsnet.errors import EngineError, WtsnetError, nearest
from wtsnet.manifest import Input, Output, PlanManifest
from wtsnet.registry import find
from wtsnet.weights import Weights

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from wtsnet.network import Network

    Progress = Callable[[str, int, int], None]

MIB = 1 << 20


def build(
    model: str,
    weights: str | os.PathLike[str] | Mapping[str, Any],
    *,
    target: str | Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    flags: Sequence[str] = (),
    workspace: int | None = None,
    level: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Engine:
    """Build an engine in memory; `Engine.save` makes it an offline one.

    Args:
        model, weights, options: as for `wtsnet.define`: batch, imgsz, precision, fold_bn, and the model's own.
        target: the GPUs to build for: "sm89", several as "sm86,sm89" or a list, "current". With full TensorRT, which
            builds for the GPU at hand, only "current" and "ampere_plus". None: TensorRT's default.
        cache: a folder. An engine with the same weights, model, options, TensorRT and GPU is built once and then
            taken from there, by any number of processes.
        flags: TensorRT's BuilderFlags by lower-case name, such as "tf32". TF32, which TensorRT would set itself, is
            off without it: float32 means float32.
        workspace: the most scratch memory a layer may take, in MiB.
        level: TensorRT's builder optimization level, 0 to 5.
        progress: called with (phase, steps done, steps) as the build goes on.

    Raises:
        WtsnetError: as `define`; EngineError when TensorRT can't build it, with TensorRT's own words.
    """
    find(model)  # a misspelt name is said before the weights are read
    store = weights if isinstance(weights, Weights) else Weights(weights)
    targets = _targets(target)
    how = {"flags": sorted(flags), "workspace": workspace, "level": level}
    if cache is None:
        return _build(model, store, targets, how, progress, options)
    entry = Path(cache) / _key(model, store, targets, how, options)
    plan = entry / "engine.plan"
    if not plan.exists():
        _fill(entry, _build(model, store, targets, how, progress, options), store)
    engine = load(plan)
    return Engine(engine.plan, engine.manifest, path=plan, weights=store)


def _build(
    model: str,
    weights: Weights,
    targets: list[str],
    how: Mapping[str, Any],
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Engine:
    net = define(model, weights, **options)
    config = _config(net, targets, how)
    if progress is not None:
        config.progress_monitor = _monitor(progress)
    tensorrt.log.errors.clear()
    plan = net.builder.build_serialized_network(net.trt, config)
    if plan is None:
        raise EngineError(f"{model}: TensorRT can't build it: {tensorrt.log.last_error()}")
    data = bytes(plan)
    return Engine(data, _manifest(model, net, data, targets, how, options), weights=weights, network=net)


def _config(net: Network, targets: list[str], how: Mapping[str, Any]) -> Any:
    trt = tensorrt.module()
    config = net.builder.create_builder_config()
    profile = net.builder.create_optimization_profile()
    for name, shapes in net.profile.items():
        profile.set_shape(name, *shapes)
    config.add_optimization_profile(profile)
    config.clear_flag(trt.BuilderFlag.TF32)
    known = [name for name in dir(trt.BuilderFlag) if name.isupper()]
    for flag in how["flags"]:
        if flag.upper() not in known:
            raise EngineError(f"flag: unknown {flag!r}{nearest(flag.upper(), known)} ({', '.join(known).lower()})")
        config.set_flag(getattr(trt.BuilderFlag, flag.upper()))
    if how["workspace"] is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, how["workspace"] * MIB)
    if how["level"] is not None:
        config.builder_optimization_level = how["level"]
    _set_targets(config, targets)
    return config


def _targets(target: str | Sequence[str] | None) -> list[str]:
    """The targets as a list of lower-case names; "8.9" and "sm_89" are "sm89"."""
    if target is None:
        return []
    named = target.split(",") if isinstance(target, str) else list(target)
    names = [name.strip().lower().replace("_", "") if "ampere" not in name else name.strip() for name in named]
    return [f"sm{name.replace('.', '')}" if name.replace(".", "").isdigit() else name for name in names]


def _set_targets(config: Any, targets: list[str]) -> None:
    trt = tensorrt.module()
    if not targets:
        return
    if not hasattr(config, "set_compute_capability"):
        if targets == ["ampere_plus"]:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        elif targets != ["current"]:
            raise EngineError(
                f"target: found {', '.join(targets)}, expected current or ampere_plus: "
                f"{tensorrt.flavour()} builds for the GPU at hand (tensorrt_rtx builds for others)"
            )
        return
    known = [name.lower() for name in dir(trt.ComputeCapability) if name.startswith(("SM", "CURRENT"))]
    config.num_compute_capabilities = len(targets)
    for index, name in enumerate(targets):
        if name not in known:
            raise EngineError(f"target: unknown {name!r}{nearest(name, known)} (known: {', '.join(known)})")
        if not config.set_compute_capability(getattr(trt.ComputeCapability, name.upper()), index):
            raise EngineError(f"target: {name}: {tensorrt.log.last_error()}")


def _manifest(
    model: str,
    net: Network,
    plan: bytes,
    targets: list[str],
    how: Mapping[str, Any],
    options: Mapping[str, Any],
) -> PlanManifest:
    gpu = next(iter(driver().gpus), None)
    if gpu is not None:
        targets = [gpu.target if name == "current" else name for name in targets]
    return PlanManifest(
        wtsnet=__version__,
        model=model,
        options=dict(options),
        weights={"file": str(net.weights.path) if net.weights.path else None, "sha256": net.weights.sha256},
        architecture=dict(net.weights.facts),
        tensorrt={"flavour": tensorrt.flavour(), "version": tensorrt.version()},
        target=targets,
        gpu=None if gpu is None else {"name": gpu.name, "compute_capability": "{}.{}".format(*gpu.capability)},
        flags=how["flags"],
        inputs=[_input(tensor, net.profile[tensor.name]) for tensor in _tensors(net.trt, "input")],
        outputs=[_output(tensor) for tensor in _tensors(net.trt, "output")],
        plan={"file": None, "sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan)},
        preprocess=net.facts["preprocess"],
        decode={"task": net.facts["task"], **net.facts.get("decode", {})},
        names=net.facts["names"],
    )


def _tensors(definition: Any, side: str) -> list[Any]:
    return [getattr(definition, f"get_{side}")(i) for i in range(getattr(definition, f"num_{side}s"))]


def _output(tensor: Any) -> Output:
    return {"name": tensor.name, "dtype": tensorrt.dtype_name(tensor.dtype), "shape": list(tensor.shape)}


def _input(tensor: Any, profile: Sequence[Sequence[int]]) -> Input:
    low, opt, high = (list(shape) for shape in profile)
    return {**_output(tensor), "min": low, "opt": opt, "max": high}


def _monitor(progress: Progress) -> Any:
    trt = tensorrt.module()

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]  # TensorRT ships no stubs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress(phase_name, step + 1, self.steps[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            progress(phase_name, self.steps[phase_name], self.steps[phase_name])

    return Monitor()


def _key(model: str, weights: Weights, targets: list[str], how: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Everything that decides what the plan holds, as 32 hex digits."""
    gpu = next(iter(driver().gpus), None)
    code = find(model).function.__code__
    parts = {
        "model": model,
        "code": hashlib.sha256(code.co_code + repr(code.co_consts).encode()).hexdigest(),
        "weights": weights.sha256,
        "facts": dict(weights.facts),
        "options": dict(options),
        "targets": targets,
        "how": dict(how),
        "wtsnet": __version__,
        "tensorrt": [tensorrt.flavour(), tensorrt.version()],
        "gpu": gpu and [gpu.name, gpu.target],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _fill(entry: Path, engine: Engine, weights: Weights) -> None:
    """Put an engine into the cache: a whole folder is renamed, so another process sees all of it or nothing. Where
    two build at once, the second finds the folder there and leaves it."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    except OSError as error:
        raise EngineError(f"{entry.parent}: can't be used as a cache ({error.strerror})") from None
    try:
        engine.save(made / "engine.plan")
        with suppress(OSError):
            made.rename(entry)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not (entry / "engine.plan").exists():
        raise WtsnetError(f"{entry}: the engine could not be put into the cache")
