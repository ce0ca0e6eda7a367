"""An engine: a plan, its manifest, and the runners that execute it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.definition import OnnxFile, define, is_onnx
from wtsnet.errors import EngineError
from wtsnet.manifest import PlanManifest, WtsRef, manifest_path, sha256, whole
from wtsnet.network import Weights
from wtsnet.runtime import make_runner
from wtsnet.wts import write_wts

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Network
    from wtsnet.runtime import Runner


class Engine:
    """A built network.

    Made by `wtsnet.build` and `wtsnet.load`.

    Attributes:
        plan: the serialized engine, as TensorRT's other tools read it.
        manifest: what the plan can't say, or says only on a fitting GPU.
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
                    plan={**self.manifest.plan, "file": target.name},
                )
                manifest.write(yaml)
        except OSError as error:
            raise EngineError(f"{os.fspath(path)}: can't be written ({error.strerror})") from None
        self.manifest = manifest
        self.path = target

    def network(self) -> Network:
        """The network that the plan was built from; defined again from the manifest and the weights when the
        engine was loaded.

        Raises:
            EngineError: the weights or the model's file are gone or have changed.
        """
        if self._network is None:
            manifest = self.manifest
            weights = self._weights or self._checked_weights()
            model = _renamed(manifest.model, lambda name: str(self._checked_file(name, "the model's file")))
            net = define(model, weights.told(manifest.architecture), **_options(manifest))
            if (net.inputs(), net.outputs()) != (manifest.inputs, manifest.outputs):
                raise EngineError(
                    f"{self.path}: {model} has changed since the plan was built: it now has other inputs or outputs"
                )
            self._network = net
        return self._network

    def _file(self, name: str) -> Path:
        """Where a file that the manifest names is: there, or beside the plan where it lies there only."""
        if self.path is None:
            return Path(name)
        there, beside = self.path.parent / name, self.path.parent / Path(name).name
        return beside if beside.is_file() and not there.is_file() else there

    def _checked_file(self, name: str, what: str) -> Path:
        found = self._file(name)
        if not found.is_file():
            raise EngineError(
                f"{self.path}: the reference runner needs {what} ({name}), which is neither there nor beside the plan"
            )
        return found

    def _checked_weights(self) -> Weights:
        name, expected = self.manifest.weights["file"], self.manifest.weights["sha256"]
        if name is None:
            raise EngineError(f"{self.path}: the reference runner needs weights, and the manifest names no .wts")
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
                finds it, else on the CPU; "auto" takes tensorrt where that can run, and `runner.reason` says why.
            options: `device`: a CUDA device's number for tensorrt, "cpu" or "cuda" for reference. For tensorrt also
                `contexts`: how many calls may go on at once, from any threads; `graph`: run fixed shapes as CUDA
                graphs; `outputs`: "numpy", or "device" to leave them on the GPU.

        Raises:
            RunnerError: no such kind, or the plan can't run here.
        """
        return make_runner(self.plan, self.manifest, self.network, kind, **options)


def load(path: str | os.PathLike[str]) -> Engine:
    """Load a plan with its manifest, without opening the plan: no GPU is needed.

    Raises:
        EngineError: the plan is missing or changed since its manifest was written, or was built by another flavour
            or release of TensorRT than the one that is installed.
        ManifestError: the manifest is missing or malformed.
    """
    path = Path(path)
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path}: can't be read ({error.strerror})") from None
    manifest = PlanManifest.read(manifest_path(path))
    expected = manifest.plan["sha256"]
    if (actual := hashlib.sha256(plan).hexdigest()) != expected:
        raise EngineError(
            f"{path}: found sha256 {actual[:12]}…, expected {expected[:12]}…: "
            "the plan changed since its manifest was written"
        )
    if problem := _release_problem(manifest):
        raise EngineError(f"{path}: {problem}")
    return Engine(plan, manifest, path=path)


def _release_problem(manifest: PlanManifest) -> str:
    """Why the installed TensorRT can't run a plan; empty when it can, as far as releases go.

    A plan runs on the release that built it. Full TensorRT's version-compatible plans also run on later releases of
    the same major version, and those of 10 on 11 (NVIDIA's support matrix, "Engine Portability").
    """
    flavour, version = manifest.tensorrt["flavour"], manifest.tensorrt["version"]
    here = f"{tensorrt.flavour()} {tensorrt.version()}"
    if flavour != tensorrt.flavour():
        return (
            f"built by {flavour} {version}, which {here} can't run; build it again, or install {flavour} "
            f"(both are there? WTSNET_TENSORRT={flavour})"
        )
    built, installed = _release(version), _release(tensorrt.version())
    if built == installed:
        return ""
    if "version_compatible" in manifest.flags and built < installed and installed[0] - built[0] <= (built[0] == 10):
        return ""
    return f"built by {flavour} {version}, which {here} can't run; build it again"


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
