"""The store of weights that a network takes from, with strict accounting both ways."""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import ManifestError, MissingWeightError, ShapeError, UnusedWeightError, WeightError, nearest
from wtsnet.manifest import WeightsManifest, manifest_path, sha256
from wtsnet.wts import read_wts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.wts import WtsFile


class Weights:
    """Named float32 weights, each to be taken by a network.

    Args:
        source: a .wts path (the manifest beside it is read when there is one), or a mapping of names to
            arrays: numpy, torch, `array.array` or anything that numpy reads. Flat arrays fit any shape of
            their size, shaped ones only their own.

    Attributes:
        path: the .wts; None for a mapping.
        manifest: what lies beside the .wts; None where nothing does.
        facts: what the manifest tells of the architecture, with `bn_eps` by module path; empty without one.
        usual_eps: of batch norms that the manifest does not tell of; None for what the definition says of each.

    Raises:
        WtsError, ManifestError: the .wts or its manifest can't be read, or the two are of different weights.
        WeightError: `source` is neither a path nor a mapping from text.
    """

    def __init__(self, source: str | os.PathLike[str] | Mapping[str, Any]) -> None:
        self.path: Path | None = None
        self.manifest: WeightsManifest | None = None
        self._values: Mapping[str, Any]
        if isinstance(source, str | os.PathLike):
            self.path = Path(source)
            self._values = file = read_wts(self.path)
            beside = manifest_path(self.path)
            if beside.exists():
                self.manifest = WeightsManifest.read(beside)
                _check_entries(file, self.manifest, beside)
        elif isinstance(source, Mapping) and all(isinstance(key, str) for key in source):
            if nested := next((key for key, value in source.items() if isinstance(value, Mapping)), None):
                raise WeightError(f"weights: {nested}: found a mapping, expected an array; give what is in it alone")
            self._values = source
        else:
            raise WeightError(f"weights: found {type(source).__name__}, expected a .wts path or a mapping of names")
        # torch.nn.DataParallel puts this in front of every name; the network has the names behind it.
        self._prefix = "module." if self._values and all(key.startswith("module.") for key in self._values) else ""
        self._taken: set[str] = set()
        self.facts: Mapping[str, Any] = {}
        self.usual_eps: float | None = None
        if self.manifest:
            self.facts = {**self.manifest.architecture, "bn_eps": self.manifest.bn_eps}

    def told(self, facts: Mapping[str, Any]) -> Weights:
        """These weights with `facts` in place of those of the manifest beside them: a plan's manifest carries its
        own."""
        self.facts = facts
        return self

    def again(self) -> Weights:
        """The same weights, none of which is taken yet."""
        fresh = copy.copy(self)
        fresh._taken = set()
        return fresh

    @property
    def origin(self) -> str:
        """What errors call this store: its file, or "weights"."""
        return str(self.path) if self.path else "weights"

    def __contains__(self, key: object) -> bool:
        return f"{self._prefix}{key}" in self._values

    def has_under(self, start: str) -> bool:
        """Whether any weight's name begins with `start`."""
        return any(key.startswith(f"{self._prefix}{start}") for key in self._values)

    def eps(self, path: str, default: float) -> float:
        """The eps of the batch norm at `path`: the manifest's, else the usual one of these weights, else `default`."""
        usual = default if self.usual_eps is None else self.usual_eps
        return float(self.facts.get("bn_eps", {}).get(f"{self._prefix}{path}", usual))

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The weight `key` as a C-contiguous float32 array of `shape`. At most one entry of `shape` may be
        -1: that size is whatever the weight holds.

        Raises:
            MissingWeightError: there is no such weight; the nearest name is given.
            ShapeError: it has another shape, or another number of values when it is flat.
        """
        array = self._array(key)
        self._taken.add(key)
        told = self._told_shape(key)
        known = array.shape if told is None else told
        wanted = shape if -1 not in shape else self._fill(shape, array.size)
        flat = told is None and len(known) == 1 and known != wanted
        if array.size != math.prod(wanted) or (known != wanted and not flat):
            found = f"{array.size} values" if flat else f"shape {known}"
            expected = f"{shape}" + ("" if -1 in shape else f" ({math.prod(shape)} values)")
            raise ShapeError(f"{self.origin}: {key}: found {found}, expected {expected}")
        result: NDArray[np.float32] = array.reshape(wanted)
        return result

    def leave(self, *keys: str) -> None:
        """Name weights that the definition leaves unused on purpose; those that are absent are ignored."""
        self._taken.update(keys)

    def leave_under(self, *paths: str) -> None:
        """Name modules all of whose weights the definition leaves unused on purpose."""
        starts = tuple(f"{path}." for path in paths)
        self._taken.update(key for key in self._names() if key.startswith(starts))

    def unused(self) -> list[str]:
        """The weights that were neither taken nor left on purpose, in file order."""
        return [key for key in self._names() if key not in self._taken]

    def check_used(self) -> None:
        """Raise UnusedWeightError when anything is unused."""
        if left := self.unused():
            shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
            raise UnusedWeightError(
                f"{self.origin}: {len(left)} of {len(self._values)} weights were never used: {shown}"
            )

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the .wts file; of a mapping, that of all names, shapes and values.

        Raises:
            ManifestError: the .wts changed since the manifest beside it was written.
        """
        if self.path is not None:
            found = sha256(self.path)
            if self.manifest and found != (expected := self.manifest.wts["sha256"]):
                raise ManifestError(
                    f"{self.path}: found sha256 {found[:12]}…, its manifest says {expected[:12]}…: export it again"
                )
            return found
        digest = hashlib.sha256()
        for key in self._names():
            array = self._array(key)
            digest.update(f"{key} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def flat(self) -> Mapping[str, NDArray[np.float32]]:
        """All weights as float32 arrays, for writing them to a .wts."""
        return {key: self._array(key) for key in self._names()}

    def _names(self) -> list[str]:
        return [key.removeprefix(self._prefix) for key in self._values]

    def _array(self, key: str) -> NDArray[np.float32]:
        try:
            value = self._values[f"{self._prefix}{key}"]
        except KeyError:
            raise MissingWeightError(
                f"{self.origin}: {key}: the network wants it, the weights lack it{nearest(key, self._names())}"
            ) from None
        try:
            return _float32(value)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WeightError(f"{self.origin}: {key}: can't be taken as float32 ({reason})") from None

    def _told_shape(self, key: str) -> tuple[int, ...] | None:
        """The shape that the manifest tells; a .wts itself tells only how many values there are."""
        entry = self.manifest.entries.get(f"{self._prefix}{key}") if self.manifest else None
        return tuple(entry["shape"]) if entry else None

    @staticmethod
    def _fill(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
        rest = math.prod(n for n in shape if n != -1)
        return tuple(size // rest if n == -1 and rest else n for n in shape)


def _float32(value: Any) -> NDArray[np.float32]:
    """Numbers as a C-contiguous float32 array of their shape.

    Raises:
        TypeError, ValueError, RuntimeError: they are no real numbers, or too large.
    """
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu().float().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"found values of type {array.dtype}")
    with np.errstate(over="ignore"):
        converted: NDArray[np.float32] = np.ascontiguousarray(array, np.float32).reshape(array.shape)
    if array.dtype != np.float32 and not np.array_equal(np.isinf(array), np.isinf(converted)):
        raise ValueError("a value is too large")
    return converted


def _check_entries(file: WtsFile, manifest: WeightsManifest, where: Path) -> None:
    """Raise ManifestError where a manifest tells of other entries than the .wts has."""
    told = {name: math.prod(entry["shape"]) for name, entry in manifest.entries.items()}
    found = {name: file.count(name) for name in file}
    for name in {**found, **told}:
        if found.get(name) != told.get(name):
            raise ManifestError(
                f"{where}: {name}: {_told(told.get(name))}, but the .wts has {_told(found.get(name))}; "
                "it belongs to other weights"
            )


def _told(count: int | None) -> str:
    return "no such entry" if count is None else f"{count} values"
