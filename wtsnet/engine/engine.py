"""An engine: a plan, its manifest, and the runners that execute it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.decode import TASKS, decoders
from wtsnet.definition import OnnxFile, decoders_of, define, finished, is_onnx, merged, split
from wtsnet.engine.foreign import described
from wtsnet.engine.planfile import PlanFile, without_header
from wtsnet.errors import EngineError, ManifestError, warn
from wtsnet.manifest import PlanManifest, PlanRef, WtsRef, manifest_path, sha256, whole
from wtsnet.network import Weights
from wtsnet.runtime import make_runner
from wtsnet.wts import write_wts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wtsnet.decode import Function
    from wtsnet.network import Network
    from wtsnet.runtime import Runner


class Engine:
    """A built network.

    Made by `wtsnet.build` and `wtsnet.load`.

    Attributes:
        plan: the serialized engine, as TensorRT's other tools read it: without the header of an Ultralytics file.
        manifest: what the plan can't say, or says only on a fitting GPU. Of a plan that wtsnet did not build it has no
            model: nothing but the engine itself is known, and only a GPU runs it.
        path: where the plan lies, None for one that was never saved.
    """

    def __init__(
        self,
        plan: bytes,
        manifest: PlanManifest,
        *,
        path: Path | None = None,
        weights: Weights | None = None,
        network: Network | None = None,
    ) -> None:
        self.plan = plan
        self.manifest = manifest
        self.path = path and path.absolute()
        self._weights = weights
        self._network = network

    @classmethod
    def of_plan(cls, path: str | os.PathLike[str]) -> Engine:
        """Of a plan alone, whatever lies beside it: it is opened on this machine's first GPU, and tells its inputs,
        outputs and profile itself. NVIDIA: to deserialize an engine from an untrusted source is to run its native code.

        Raises:
            EngineError: the file can't be read or is no plan; there is no GPU here that opens it.
        """
        return _asked(Path(path), _content(Path(path)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan, and its manifest beside it as `<path>.yaml`; all whole or not at all.

        Where the engine was built from a mapping and not from a .wts file, the weights are written too, as
        `<path>.wts`: the reference runner needs them. The manifest names the weights, and the file of a model of
        one's own or of ONNX, by their path from the plan's folder.

        Raises:
            EngineError: the folder does not exist or can't be written to.
        """
        target = Path(path).absolute()
        beside = target.with_name(f"{target.name}.wts")
        mapping = self._weights is not None and self._weights.path is None
        try:
            with whole(*([beside] if mapping else []), target, manifest_path(target)) as (*wts, plan, yaml):
                plan.write_bytes(self.plan)
                if self._weights is not None and wts:
                    write_wts(wts[0], self._weights.flat())
                    weights = WtsRef(file=beside.name, sha256=sha256(wts[0]))
                else:
                    named = self.manifest.weights["file"]
                    file = None if named is None else _relative(self._file(named), target.parent)
                    weights = WtsRef(file=file, sha256=self.manifest.weights["sha256"])
                manifest = replace(
                    self.manifest,
                    model=_renamed(self.manifest.model, lambda name: _relative(self._file(name), target.parent)),
                    weights=weights,
                    plan={**self._written(), "file": target.name},
                )
                manifest.write(yaml)
        except OSError as error:
            raise EngineError(f"{os.fspath(path)}: can't be written ({error.strerror})") from None
        self.manifest = manifest
        self.path = target

    def _written(self) -> PlanRef:
        """What a manifest says of the plan's bytes; that of a file with a header tells of the header too."""
        told = self.manifest.plan
        if len(self.plan) == told["bytes"]:
            return told
        return {**told, "sha256": hashlib.sha256(self.plan).hexdigest(), "bytes": len(self.plan)}

    def network(self) -> Network:
        """The network that the plan was built from; defined again from the manifest and the weights when the
        engine was loaded.

        Raises:
            EngineError: the weights or the model's file are gone, the weights have changed, or the model has now other
                inputs or outputs (of another change of its file a warning tells); the plan is not one of wtsnet's.
        """
        if self._network is None:
            manifest = self.manifest
            if not manifest.model:
                raise EngineError(
                    f"{self.path}: wtsnet did not build it and knows nothing of its network but inputs and outputs: "
                    "only a GPU can run it"
                )
            weights, model = self.weights(), self.model()
            net = define(model, weights.told(manifest.architecture), **self.options())
            if (net.inputs(), net.outputs()) != (manifest.inputs, manifest.outputs):
                raise EngineError(
                    f"{self.path}: {model} has changed since the plan was built: it now has other inputs or outputs"
                )
            source, _ = split(model)
            if source is not None and manifest.source not in (None, sha256(source)):
                warn(
                    f"{self.path}: {source} has changed since the plan was built; torch executes what it says now "
                    f"(wtsnet rebuild {self.path})"
                )
            self._network = net
        return self._network

    def model(self) -> str:
        """The model's name, as it goes from the present folder: the file of one's own, or of ONNX, is looked for where
        the manifest says and beside the plan.

        Raises:
            EngineError: the file is gone.
        """
        return _renamed(self.manifest.model, lambda name: str(self._checked_file(name, "the model's file")))

    def weights(self) -> Weights:
        """The weights that the plan was built from.

        Raises:
            EngineError: they are gone or have changed, or were in no file.
        """
        return self._weights or self._checked_weights()

    def options(self) -> dict[str, Any]:
        """What the network was defined with, as `wtsnet.define` takes it."""
        return _options(self.manifest)

    def told(self, *, preprocess: str | Mapping[str, Any] | None = None, task: str | None = None) -> Engine:
        """The same plan with another way from a picture to its input, or another task, in its manifest.

        Args:
            preprocess, task: as for `wtsnet.define`.

        Raises:
            ModelError: a way that does not fit the input.
        """
        manifest, name = self.manifest, str(self.path or self.manifest.model)
        if preprocess is not None:
            made = merged(manifest.preprocess, preprocess, name)
            manifest = replace(manifest, preprocess=finished(manifest.inputs, name, made))
        if task is not None:
            manifest = replace(manifest, decode={**manifest.decode, "task": task})
        return Engine(self.plan, manifest, path=self.path, weights=self._weights, network=self._network)

    def decoder(self) -> Function | None:
        """What makes results of the outputs where the plan's task is one of the user's: the function that the model's
        own file registers with `wtsnet.decode.decoder`, or else one that this process has. None for the tasks that
        wtsnet reads itself, and where there is no such function.

        Raises:
            EngineError: the model's file, which has the function, is gone.
            ModelError: the model's file can't be run.
        """
        task = self.manifest.decode.get("task", "none")
        if task == "none" or task in TASKS:
            return None
        here = decoders().get(task)
        source, _ = split(_renamed(self.manifest.model, lambda name: str(self._file(name))))
        if source is None or (here is not None and not source.is_file()):
            return here
        return decoders_of(self.model()).get(task)

    def _file(self, name: str) -> Path:
        """Where a file that the manifest names is: there, or beside the plan where it lies there only."""
        if self.path is None:
            return Path(name)
        there, beside = self.path.parent / name, self.path.parent / Path(name).name
        return beside if beside.is_file() and not there.is_file() else there

    def _checked_file(self, name: str, what: str) -> Path:
        found = self._file(name)
        if not found.is_file():
            raise EngineError(f"{self.path}: needs {what} ({name}), which is neither there nor beside the plan")
        return found

    def _checked_weights(self) -> Weights:
        name, expected = self.manifest.weights["file"], self.manifest.weights["sha256"]
        if name is None:
            raise EngineError(
                f"{self.path}: needs the weights that the plan was built from, and the manifest names no .wts"
            )
        found = self._checked_file(name, "the weights that the plan was built from")
        onnx = OnnxFile(found) if is_onnx(name) else None
        if (actual := onnx.sha256 if onnx else sha256(found)) != expected:
            raise EngineError(
                f"{found}: found sha256 {actual[:12]}…, expected {expected[:12]}…: "
                f"not the weights that {self.path} was built from"
            )
        return onnx or Weights(found)

    def runner(self, kind: str = "auto", **options: Any) -> Runner:
        """A runner: call it with the inputs by name to get the outputs by name.

        Args:
            kind: "tensorrt" runs the plan on a GPU; "reference" executes the network with torch, on CUDA where torch
                finds it, else on the CPU; "auto" takes tensorrt where that can run, else reference, and one warning
                says so and what is done without. `runner.reason` says why a kind was taken.
            options: `device`: a CUDA device's number for tensorrt, "cpu" or "cuda" for reference. For tensorrt also
                `contexts`: how many calls may go on at once, from any threads; `graph`: run fixed shapes as CUDA
                graphs; `outputs`: "numpy", or "device" to leave them on the GPU.

        Raises:
            RunnerError: no such kind or option, or the plan can't run here.
        """
        return make_runner(self.plan, self.manifest, self.network, kind, **options)


def load(path: str | os.PathLike[str], trust: bool = False) -> Engine:
    """Load a plan with its manifest, without opening the plan: no GPU is needed.

    Args:
        trust: where no manifest lies beside the plan, do as `Engine.of_plan`, which opens the plan: for plans from a
            source that is trusted. (`wtsnet manifest` does so once, and writes the manifest.)

    Raises:
        EngineError: the plan is missing, no plan, or changed since its manifest was written, or was built by another
            flavour or release of TensorRT than the one that is installed; as `Engine.of_plan`.
        ManifestError: the manifest is missing or malformed.
    """
    path = Path(path)
    data, beside = _content(path), manifest_path(path)
    if not beside.exists():
        return _without_manifest(path, data, trust)
    manifest = PlanManifest.read(beside)
    expected = manifest.plan["sha256"]
    if (actual := hashlib.sha256(data).hexdigest()) != expected:
        raise EngineError(
            f"{path}: found sha256 {actual[:12]}…, expected {expected[:12]}…: "
            "the plan changed since its manifest was written"
        )
    if problem := _release_problem(manifest, path):
        raise EngineError(f"{path}: {problem}")
    return Engine(without_header(data), manifest, path=path)


def _without_manifest(path: Path, data: bytes, trust: bool) -> Engine:
    if trust:
        return _asked(path, data)
    try:
        PlanFile.of(data)
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from None
    raise ManifestError(
        f"{path}: no manifest beside it ({path.name}.yaml); on a GPU that the plan fits, `wtsnet manifest {path}` "
        "writes one, and wtsnet.load(…, trust=True) does without; both open the plan, which runs what is in it: "
        "only for plans from a source that you trust"
    )


def _asked(path: Path, data: bytes) -> Engine:
    """The engine of a plan's file, which tells itself what it takes."""
    try:
        return Engine(without_header(data), described(data, path.name), path=path)
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path}: can't be read ({error.strerror})") from None


def _release_problem(manifest: PlanManifest, path: Path) -> str:
    """Why the installed TensorRT can't run the plan at `path`; empty when it can, as far as releases go.

    A plan runs on the release that built it. Full TensorRT's version-compatible plans also run on later releases of
    the same major version, and those of 10 on 11 (NVIDIA's support matrix, "Engine Portability").
    """
    flavour, version = manifest.tensorrt["flavour"], manifest.tensorrt["version"]
    here = f"{tensorrt.flavour()} {tensorrt.version()}"
    again = f"build it again{f': wtsnet rebuild {path}' if manifest.model else ''}"
    if flavour != tensorrt.flavour():
        return (
            f"built by {flavour} {version}, which {here} can't run; install {flavour} "
            f"(both are there? WTSNET_TENSORRT={flavour}), or {again}"
        )
    built, installed = _release(version), _release(tensorrt.version())
    if built == installed:
        return ""
    if "version_compatible" in manifest.flags and built < installed and installed[0] - built[0] <= (built[0] == 10):
        return ""
    return f"built by {flavour} {version}, which {here} can't run; {again}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _relative(file: Path, folder: Path) -> str:
    """The path from `folder`, so that both can move together; absolute where there is none (Windows' drives)."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        return str(file.absolute())


def _renamed(model: str, rename: Callable[[str], str]) -> str:
    """`FILE.py:NAME` with another FILE.py, an .onnx file with another name; any other name as it is."""
    if is_onnx(model):
        return rename(model)
    file, separator, name = model.rpartition(".py:")
    return f"{rename(f'{file}.py')}:{name}" if separator else model


def _options(manifest: PlanManifest) -> dict[str, Any]:
    """A manifest's options as `define` takes them: YAML has lists where they are tuples."""

    def tuples(value: Any) -> Any:
        return tuple(tuples(item) for item in value) if isinstance(value, list) else value

    return {name: tuples(value) for name, value in manifest.options.items()}
