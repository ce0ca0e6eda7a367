"""The outputs of a network as they are, in an .npz: written as they come, whatever their number."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.manifest import whole, write_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from typing_extensions import Self

PICTURE = "picture"


class RawFile:
    """An .npz of outputs by name, to be written row by row; whole, or not at all where the `with` block raises.

    Until its end the rows lie in files beside it, so memory holds one at a time. The paths of the pictures are in it as
    `picture`, where no output is called so.

    Raises:
        RunnerError: the folder can't be written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._files: dict[str, BinaryIO] = {}
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        self._pictures: list[str] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            if self._path.is_dir():
                raise IsADirectoryError(None, "is a folder")
            made = tempfile.mkdtemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        except OSError as error:
            raise RunnerError(f"{self._path}: can't be written ({error.strerror})") from None
        self._folder = Path(made)
        self._open.callback(shutil.rmtree, made, ignore_errors=True)
        return self

    def add(self, picture: str, outputs: Mapping[str, NDArray[Any]]) -> None:
        """A row: the outputs of one picture, without batch axis.

        Raises:
            RunnerError: an output has another size than in the rows before, or the disk is full.
        """
        for name, array in outputs.items():
            array = nameable(array)
            kind = array.dtype, array.shape
            if self._kinds.setdefault(name, kind) != kind:
                raise RunnerError(
                    f"{picture}: output {name!r}: found shape {array.shape}, expected {self._kinds[name][1]} as "
                    "before; outputs of several sizes can't lie in one array: run such pictures one by one"
                )
            try:
                self._file(name).write(np.ascontiguousarray(array).data)
            except OSError as error:
                raise RunnerError(f"{self._path}: can't be written ({error.strerror})") from None
        self._pictures.append(picture)

    def __str__(self) -> str:
        """Its arrays and their shapes."""
        shapes = {name: (len(self._pictures), *shape) for name, (_, shape) in self._kinds.items()}
        return f"{self._path}: {', '.join(f'{name} {shape}' for name, shape in shapes.items())}"

    def _file(self, name: str) -> BinaryIO:
        if name not in self._files:
            file = open(self._folder / str(len(self._files)), "w+b")  # noqa: SIM115  # closed with the others
            self._files[name] = self._open.enter_context(file)
        return self._files[name]

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            with self._open:
                if kind is None:
                    with whole(self._path) as (part,), zipfile.ZipFile(part, "w") as archive:
                        self._write(archive)
        except OSError as failed:
            # Closing a file writes what was left of it, which on a full disk fails again: what was said first counts.
            if kind is None:
                raise RunnerError(f"{self._path}: can't be written ({failed.strerror})") from None

    def _write(self, archive: zipfile.ZipFile) -> None:
        for name, file in self._files.items():
            dtype, shape = self._kinds[name]
            header = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": (len(self._pictures), *shape),
            }
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_2_0(member, header)
                file.seek(0)
                shutil.copyfileobj(file, member, 1 << 20)
        if PICTURE not in self._files:
            write_array(archive, PICTURE, np.array(self._pictures, np.str_))


def nameable(array: NDArray[Any]) -> NDArray[Any]:
    """An array of a dtype that an .npz can name: float32 in the place of ml_dtypes'."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array
