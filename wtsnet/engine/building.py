"""Building engines: a network and how to build it give a plan."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.decode import Decoder
from wtsnet.definition import decoders_of, define, find, is_onnx, split, weights_of
from wtsnet.engine.cache import cached, fill, key
from wtsnet.engine.engine import Engine
from wtsnet.errors import EngineError, ManifestError, nearest, warn
from wtsnet.manifest import VERSION, PlanManifest, PlanRef, WtsRef, sha256
from wtsnet.trt import driver

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from wtsnet.network import Network, Weights

    Progress = Callable[[str, int, int], None]

MIB = 1 << 20


def build(
    model: str,
    weights: str | os.PathLike[str] | Mapping[str, Any] | Weights | None = None,
    *,
    target: str | Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    flags: str | Sequence[str] = (),
    workspace: int | None = None,
    level: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Engine:
    """Build an engine in memory; `Engine.save` makes it an offline one.

    Args:
        model, weights, options: as for `wtsnet.define`: batch, imgsz, precision, fold_bn, and the model's own; an
            .onnx file as the model, with no weights, is read by TensorRT's parser.
        target: the GPUs to build for: "sm89", several as "sm86,sm89" or a list, "current". With full TensorRT, which
            builds for the GPU at hand, only "current" and "ampere_plus". None: TensorRT's default.
        cache: a folder. An engine with the same weights, model and its source, options, TensorRT and GPU is built
            once and then taken from there, by any number of processes.
        flags: TensorRT's BuilderFlags by lower-case name, such as "tf32"; several as "a,b" or a list. TF32, which
            TensorRT would set itself, is off without it: float32 means float32.
        workspace: the most scratch memory a layer may take, in MiB.
        level: TensorRT's builder optimization level, 0 to 5.
        progress: called with (phase, steps done, steps) as the build goes on.

    Raises:
        WtsnetError: as `define`; EngineError when TensorRT can't build it, with TensorRT's own words.
    """
    model = _anywhere(model)
    store = weights_of(model, weights)
    how = {"flags": _flags(flags), "workspace": workspace, "level": level, "targets": _targets(target)}
    _check_how(how)
    if cache is None:
        return _build(model, store, how, progress, options)
    entry = Path(cache) / key(model, store, how, options)
    if taken := cached(entry):
        plan: PlanRef = {**taken.manifest.plan, "file": None}
        manifest = replace(taken.manifest, model=model, weights=_reference(store), plan=plan)
        return Engine(taken.plan, manifest, weights=store)
    engine = _build(model, store, how, progress, options)
    fill(entry, engine)
    return engine


def _anywhere(model: str) -> str:
    """A model's name that holds in any folder. A misspelt one is said now, before the weights are read."""
    if is_onnx(model):
        return str(Path(model).absolute())
    entry, (source, _) = find(model), split(model)
    return f"{source}:{entry.name}" if source else model


def _build(
    model: str,
    weights: Weights,
    how: Mapping[str, Any],
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Engine:
    net = define(model, weights, **options)
    _tell_what_can_not_be_read(model, net)
    config = _config(net, how)
    tensorrt.log.errors.clear()
    with _interrupts() as interrupts:
        monitor = config.progress_monitor = _monitor(progress, interrupts)
        plan = net.builder.build_serialized_network(net.trt, config)
    if monitor.raised is not None:
        raise monitor.raised
    if plan is None:
        raise EngineError(f"{model}: TensorRT can't build it: {tensorrt.log.last_error()}")
    data = bytes(plan)
    return Engine(data, _manifest(model, net, data, how, options), weights=weights, network=net)


def _tell_what_can_not_be_read(model: str, net: Network) -> None:
    """Warn where the outputs are no result that anybody can read: now, and not when the plan is run."""
    decode = _decode(net)
    if decode["task"] != "none":
        try:
            own = decoders_of(model).get(decode["task"])
            Decoder(decode, net.facts["names"] or None, own=own).check(net.outputs())
        except ManifestError as error:
            warn(f"{model}: {error}; the plan gives its outputs as they are (wtsnet run --raw)")


def _decode(net: Network) -> dict[str, Any]:
    """What the outputs mean."""
    return {**net.facts.get("decode", {}), "task": net.facts["task"]}


def _config(net: Network, how: Mapping[str, Any]) -> Any:
    trt = tensorrt.module()
    config = net.builder.create_builder_config()
    profile = net.builder.create_optimization_profile()
    for name, shapes in net.profile.items():
        profile.set_shape(name, *shapes)
    config.add_optimization_profile(profile)
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in how["flags"]:
        config.set_flag(getattr(trt.BuilderFlag, flag.upper()))
    if how["workspace"] is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, how["workspace"] * MIB)
    if how["level"] is not None:
        config.builder_optimization_level = how["level"]
    _set_targets(config, how["targets"])
    return config


def _flags(flags: str | Sequence[str]) -> list[str]:
    """The flags as a sorted list of lower-case names."""
    named = flags.split(",") if isinstance(flags, str) else flags
    names = sorted({name.strip().lower() for name in named})
    known = [name.lower() for name in dir(tensorrt.module().BuilderFlag) if name.isupper()]
    for name in names:
        if name not in known:
            raise EngineError(f"flag: unknown {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    return names


def _check_how(how: Mapping[str, Any]) -> None:
    for name, low, high in (("workspace", 1, MIB), ("level", 0, 5)):
        value = how[name]
        if value is not None and (type(value) is not int or not low <= value <= high):
            raise EngineError(f"{name}: found {value!r}, expected a whole number from {low} to {high}")


def _targets(target: str | Sequence[str] | None) -> list[str]:
    """The targets as a list of lower-case names; "8.9" and "sm_89" are "sm89"."""
    if target is None:
        return []
    named = target.split(",") if isinstance(target, str) else list(target)
    names = [name.strip().lower().replace("sm_", "sm") for name in named]
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
        if name == "current" and (problem := driver().problem):
            raise EngineError(f"target: current: {problem}")
        if not config.set_compute_capability(getattr(trt.ComputeCapability, name.upper()), index):
            raise EngineError(f"target: {name}: {tensorrt.log.last_error()}")


def _manifest(
    model: str,
    net: Network,
    plan: bytes,
    how: Mapping[str, Any],
    options: Mapping[str, Any],
) -> PlanManifest:
    gpu = next(iter(driver().gpus), None)
    return PlanManifest(
        wtsnet=VERSION,
        model=model,
        source=_source_of(model),
        options={name: _plain(value) for name, value in options.items()},
        weights=_reference(net.weights),
        architecture=dict(net.weights.facts),
        tensorrt={"flavour": tensorrt.flavour(), "version": tensorrt.version()},
        target=[gpu.target if gpu and name == "current" else name for name in how["targets"]],
        gpu=None if gpu is None else {"name": gpu.name, "compute_capability": "{}.{}".format(*gpu.capability)},
        flags=how["flags"],
        workspace=how["workspace"],
        level=how["level"],
        inputs=net.inputs(),
        axes=net.axes,
        outputs=net.outputs(),
        plan={"file": None, "sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan)},
        preprocess=net.facts["preprocess"],
        decode=_decode(net),
        names=net.facts["names"],
    )


def _source_of(model: str) -> str | None:
    """The sha256 of the file of a model of one's own."""
    source, _ = split(model)
    return None if source is None else sha256(source)


def _reference(weights: Weights) -> WtsRef:
    return WtsRef(file=str(weights.path.absolute()) if weights.path else None, sha256=weights.sha256)


def _plain(value: Any) -> Any:
    """An option as YAML gives it back: numpy's numbers as Python's, tuples as lists."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C, and deliver it when the block ends: in the log callback TensorRT would swallow it."""
    caught: list[int] = []
    if current_thread() is not main_thread():  # signals go to the main thread
        yield caught
        return
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
        if caught:
            signal.raise_signal(signal.SIGINT)


def _monitor(progress: Progress | None, interrupts: list[int]) -> Any:
    """An IProgressMonitor, which ends the build after an interrupt. An exception can't pass through TensorRT: it is
    kept in `raised`, and ends the build too."""
    trt = tensorrt.module()

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]  # TensorRT ships no stubs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.raised: BaseException | None = None

        def report(self, phase: str, done: int) -> None:
            if progress is not None and self.raised is None:
                try:
                    progress(phase, done, self.steps[phase])
                except BaseException as error:
                    self.raised = error

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            self.report(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self.report(phase_name, step + 1)
            return self.raised is None and not interrupts

        def phase_finish(self, phase_name: str) -> None:
            self.report(phase_name, self.steps[phase_name])

    return Monitor()
