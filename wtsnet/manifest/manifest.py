"""The YAML file beside a .wts or a plan: what the file itself can't say.

`x.wts` has `x.wts.yaml`, `x.plan` has `x.plan.yaml`. Reading is strict: an unknown key, a missing one and a value
of another type are errors, so a slip in a file edited by hand does not pass unseen. Hence every key that a later
wtsnet adds takes a new `format` number, by which this one knows that it can't read the file; only the free
mappings (`architecture`, `options`, `preprocess`, `decode`) may grow without one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypedDict, TypeVar

from wtsnet.errors import ManifestError
from wtsnet.manifest import yamlfile
from wtsnet.manifest.files import whole

# The newest format of each kind, and what a plan's manifest did not have before it.
_FORMATS = {"weights": 1, "plan": 2}
_SINCE_2: dict[str, Any] = {"source": None, "workspace": None, "level": None, "axes": {}}
M = TypeVar("M", bound="_Manifest")


def manifest_path(path: str | os.PathLike[str]) -> Path:
    """Where the manifest of the .wts or the plan at `path` is: beside it, as `x.wts.yaml` for `x.wts`."""
    return Path(f"{os.fspath(path)}.yaml")


class _Manifest:
    kind: ClassVar[str]

    def to_yaml(self) -> str:
        """The text of the file.

        Raises:
            ManifestError: a free mapping holds something other than plain data.
        """
        return yamlfile.dump({"kind": self.kind, "format": _FORMATS[self.kind]}, self)

    @classmethod
    def read(cls: type[M], path: str | os.PathLike[str]) -> M:
        """Read a manifest of this kind.

        Raises:
            ManifestError: as `read_manifest`, or it is of the other kind.
        """
        manifest = read_manifest(path)
        if not isinstance(manifest, cls):
            raise ManifestError(f"{os.fspath(path)}: kind: found {manifest.kind!r}, expected {cls.kind!r}")
        return manifest

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises:
            ManifestError: as `to_yaml`, or the file can't be written.
        """
        text = self.to_yaml()
        try:
            with whole(path) as (part,):
                part.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ManifestError(f"{os.fspath(path)}: can't be written: {error.strerror or error}") from error


class Source(TypedDict):
    """The checkpoint that a .wts came from: its name without a folder, its sha256, and the key taken."""

    file: str
    sha256: str
    key: str | None


class WtsRef(TypedDict):
    """A .wts: its path from the manifest's folder (None for weights from no file) and its sha256. Of a plan of an ONNX
    file that file, and what `wtsnet.definition.OnnxFile.sha256` says of it."""

    file: str | None
    sha256: str


class Entry(TypedDict):
    """One tensor as it was in the checkpoint: its shape and the name of its torch dtype."""

    shape: list[int]
    dtype: str


@dataclass(slots=True)
class WeightsManifest(_Manifest):
    """What goes with a .wts.

    Attributes:
        wtsnet: the version of wtsnet that wrote it.
        source: where the weights came from.
        wts: the file that this goes with.
        architecture: the facts found in the checkpoint (see `wtsnet/checkpoint/facts.py`).
        bn_eps: the eps of each batch norm by module path.
        entries: each entry of the .wts, in its order.
    """

    kind: ClassVar[str] = "weights"
    wtsnet: str
    source: Source
    wts: WtsRef
    architecture: dict[str, Any]
    bn_eps: dict[str, float]
    entries: dict[str, Entry]


class TensorRT(TypedDict):
    """The TensorRT that built a plan: `tensorrt` or `tensorrt_rtx`, and its version."""

    flavour: str
    version: str


class Gpu(TypedDict):
    """The GPU that a plan was built on; its compute capability as in `8.9`."""

    name: str
    compute_capability: str


class Input(TypedDict):
    """A network input. A dynamic axis is -1 in `shape`; `min`, `opt` and `max` are the profile's shapes."""

    name: str
    dtype: str
    shape: list[int]
    min: list[int]
    opt: list[int]
    max: list[int]


class Output(TypedDict):
    """A network output. A dynamic axis is -1."""

    name: str
    dtype: str
    shape: list[int]


class PlanRef(TypedDict):
    """A plan: its name without a folder (None as long as it is no file), its sha256 and its size."""

    file: str | None
    sha256: str
    bytes: int


@dataclass(slots=True)
class PlanManifest(_Manifest):
    """What goes with a plan.

    Attributes:
        wtsnet: the version of wtsnet that wrote it.
        model: the name it was defined by, as in `yolov5s`; the path of an ONNX file.
        source: the sha256 of the file of a model of one's own; None for any other.
        options: what it was defined with, by the names of the command line (`batch`, `imgsz`, `precision` …).
        weights: the .wts that it was built from.
        architecture: the facts of the checkpoint that its definition took.
        tensorrt: what built it.
        target: the GPUs it was built for, as in `sm_89`; empty for the one it was built on.
        gpu: the GPU it was built on; None if it was built without one.
        flags: the builder flags that were set.
        workspace: the most scratch memory a layer may take, in MiB; None for TensorRT's default.
        level: the builder's optimization level; None for TensorRT's default.
        inputs: the network's inputs.
        axes: the names of the axes of inputs that have some, by the input's name; empty for an axis without a name.
            Axes of one name have one size.
        outputs: the network's outputs.
        plan: the file that this goes with.
        preprocess: how a picture becomes the input.
        decode: what the outputs mean.
        names: the names of the classes, in the order of their index; may be empty.
    """

    kind: ClassVar[str] = "plan"
    wtsnet: str
    model: str
    source: str | None
    options: dict[str, Any]
    weights: WtsRef
    architecture: dict[str, Any]
    tensorrt: TensorRT
    target: list[str]
    gpu: Gpu | None
    flags: list[str]
    workspace: int | None
    level: int | None
    inputs: list[Input]
    axes: dict[str, list[str]]
    outputs: list[Output]
    plan: PlanRef
    preprocess: dict[str, Any]
    decode: dict[str, Any]
    names: list[str]


_KINDS: dict[str, type[WeightsManifest | PlanManifest]] = {"weights": WeightsManifest, "plan": PlanManifest}


def read_manifest(path: str | os.PathLike[str]) -> WeightsManifest | PlanManifest:
    """Read a manifest; its `kind` says which.

    Raises:
        ManifestError: there is no such file, it is no YAML, or a key or value is not what it must be.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ManifestError(f"{os.fspath(path)}: can't be read: {error.strerror or error}") from error
    try:
        data = yamlfile.load(text)
        kind, number = data.pop("kind", None), data.pop("format", None)
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ManifestError(f"kind: found {kind!r}, expected {' or '.join(map(repr, _KINDS))}")
        known = _FORMATS[kind]
        if type(number) is not int or number < 1:
            raise ManifestError(f"format: found {number!r}, expected a number from 1 to {known}")
        if number > known:
            newer = f"written by wtsnet {data.get('wtsnet')}; this one reads up to {known}"
            raise ManifestError(f"format: found {number}, {newer}")
        if kind == "plan" and number < 2:
            data = _SINCE_2 | data
        return yamlfile.fill(_KINDS[kind], data)
    except ManifestError as error:
        raise ManifestError(f"{os.fspath(path)}: {error}") from error
