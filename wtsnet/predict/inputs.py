"""Inputs that are no pictures: read from a file, and what comes of them written to one."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.manifest import read_npz, whole, write_array
from wtsnet.pictures import Letterbox, Preprocess
from wtsnet.predict.raw import nameable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.manifest import PlanManifest


def place_of_inputs(manifest: PlanManifest, inputs: Mapping[str, Any]) -> Letterbox | None:
    """Where a picture lies that fills the input of an engine; None where that is no picture, nor a batch of such."""
    arrays = [np.asarray(array) for array in inputs.values()]
    if len(arrays) != 1 or arrays[0].ndim != 4:
        return None
    if manifest.preprocess:
        size = Preprocess.from_dict(manifest.preprocess).size_of(arrays[0])
    else:
        height, width = arrays[0].shape[1:3] if manifest.inputs[0]["dtype"] == "uint8" else arrays[0].shape[2:]
        size = height, width
    return Letterbox(1.0, 0, 0, size, size)


def count_of(outputs: Mapping[str, NDArray[Any]]) -> int:
    """How many rows a batch of outputs has; 1 where none of them has an axis."""
    return next((len(array) for array in outputs.values() if array.ndim), 1)


def read_inputs(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz by name.

    Raises:
        RunnerError: it can't be read, or is none.
    """
    name = os.fspath(path)
    try:
        return read_npz(path)
    except OSError as error:
        raise RunnerError(f"{name}: can't be read ({error.strerror or error})") from None
    except ValueError as error:
        raise RunnerError(f"{name}: expected an .npz of the inputs by name ({error})") from None


def save_outputs(path: str | os.PathLike[str], outputs: Mapping[str, NDArray[Any]]) -> None:
    """Write outputs by name as an .npz, whole or not at all.

    Raises:
        RunnerError: the folder can't be written to.
    """
    try:
        with whole(path) as (part,), zipfile.ZipFile(part, "w") as archive:
            for name, array in outputs.items():
                write_array(archive, name, nameable(array))
    except OSError as error:
        raise RunnerError(f"{os.fspath(path)}: can't be written ({error.strerror})") from None
