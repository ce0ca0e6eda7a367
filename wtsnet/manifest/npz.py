"""Arrays by name in an .npz: read whole, and written one by one."""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_npz(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz by name.

    Raises:
        OSError: it can't be read.
        ValueError: it is none, a damaged one, or holds objects.
    """
    try:
        with open(path, "rb") as stream:  # numpy leaves what it opens itself open where it can't read it
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array without a name")
            return dict(file)
    except (EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error


def write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    """Write an array into an .npz under any name: np.savez takes some for its own arguments."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
