"""The store of weights that a network takes from, with strict accounting both ways."""

from __future__ import annotations

import hashlib
import math
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import MissingWeightError, ShapeError, UnusedWeightError, nearest
from wtsnet.files import sha256
from wtsnet.manifest import WeightsManifest, manifest_path
from wtsnet.wts import read_wts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


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
    """

    def __init__(self, source: str | os.PathLike[str] | Mapping[str, Any]) -> None:
        self.path: Path | None = None
        self.manifest: WeightsManifest | None = None
        self._values: Mapping[str, Any]
        if isinstance(source, str | os.PathLike):
            self.path = Path(source)
            self._values = read_wts(self.path)
            beside = manifest_path(self.path)
            if beside.exists():
                self.manifest = WeightsManifest.read(beside)
        else:
            self._values = source
        self._taken: set[str] = set()
        self.facts: Mapping[str, Any] = {}
        if self.manifest:
            self.facts = {**self.manifest.architecture, "bn_eps": self.manifest.bn_eps}

    def told(self, facts: Mapping[str, Any]) -> Weights:
        """These weights with `facts` in place of those of the manifest beside them: a plan's manifest carries its
        own."""
        self.facts = facts
        return self

    @property
    def origin(self) -> str:
        """What errors call this store: its file, or "weights"."""
        return str(self.path) if self.path else "weights"

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def eps(self, path: str, default: float) -> float:
        """The eps of the batch norm at `path`: the manifest's, else `default`."""
        return float(self.facts.get("bn_eps", {}).get(path, default))

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The weight `key` as a C-contiguous float32 array of `shape`. At most one entry of `shape` may be
        -1: that size is whatever the weight holds.

        Raises:
            MissingWeightError: there is no such weight; the nearest name is given.
            ShapeError: it has another shape, or another number of values when it is flat.
        """
        array = self._array(key)
        self._taken.add(key)
        known = self._shape(key, array)
        wanted = shape if -1 not in shape else self._fill(shape, array.size)
        flat = len(known) == 1 and known != wanted and self._untold(key)
        if array.size != math.prod(wanted) or (known != wanted and not flat):
            found = f"{array.size} values" if flat else f"shape {known}"
            expected = f"{shape}" + ("" if -1 in shape else f" ({math.prod(shape)} values)")
            raise ShapeError(f"{self.origin}: {key}: found {found}, expected {expected}")
        result: NDArray[np.float32] = array.reshape(wanted)
        return result

    def leave(self, *keys: str) -> None:
        """Name weights that the definition leaves unused on purpose; those that are absent are ignored."""
        self._taken.update(keys)

    def unused(self) -> list[str]:
        """The weights that were neither taken nor left on purpose, in file order."""
        return [key for key in self._values if key not in self._taken]

    def check_used(self) -> None:
        """Raise UnusedWeightError when anything is unused."""
        if left := self.unused():
            shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
            raise UnusedWeightError(
                f"{self.origin}: {len(left)} of {len(self._values)} weights were never used: {shown}"
            )

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the .wts file; of a mapping, that of all names, shapes and values."""
        if self.path is not None:
            return sha256(self.path)
        digest = hashlib.sha256()
        for key in self._values:
            array = self._array(key)
            digest.update(f"{key} {array.size}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def flat(self) -> Mapping[str, NDArray[np.float32]]:
        """All weights as float32 arrays, for writing them to a .wts."""
        return {key: self._array(key) for key in self._values}

    def _array(self, key: str) -> NDArray[np.float32]:
        try:
            value = self._values[key]
        except KeyError:
            raise MissingWeightError(
                f"{self.origin}: {key}: the network wants it, the weights lack it{nearest(key, self._values)}"
            ) from None
        if hasattr(value, "detach"):  # a torch tensor, without importing torch
            value = value.detach().cpu().float().numpy()
        array: NDArray[np.float32] = np.ascontiguousarray(value, dtype=np.float32).reshape(np.shape(value))
        return array

    def _untold(self, key: str) -> bool:
        """Whether nothing but the number of values is known of the weight's shape."""
        return not (self.manifest and key in self.manifest.entries)

    def _shape(self, key: str, array: NDArray[np.float32]) -> tuple[int, ...]:
        if self.manifest and key in self.manifest.entries:
            return tuple(self.manifest.entries[key]["shape"])
        return array.shape

    @staticmethod
    def _fill(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
        rest = math.prod(n for n in shape if n != -1)
        return tuple(size // rest if n == -1 and rest else n for n in shape)
