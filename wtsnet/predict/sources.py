"""What may be looked at: one frame, a list, files, a camera; each as items that are read when their turn comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from wtsnet.errors import ImageError
from wtsnet.pictures import Picture, as_picture, read_image
from wtsnet.predict.files import files_of, is_several

_EXPECTED = (
    "a frame (an array of uint8, (height, width) or (height, width, channels), or a PIL image), the path of a picture, "
    "a folder or a glob, a list of frames and paths, or what can be iterated over and gives them"
)


class Item(NamedTuple):
    """One picture to be read.

    where: what it is called. path, frame: the one or the other. is_array: whether it is an array, or a .npy file that
    holds one, which tells of its channels no more than how many there are.
    """

    where: str
    path: Path | None
    frame: Any
    is_array: bool = False

    def picture(self, channels: int, order: str) -> Picture:
        """The picture, (height, width, channels) uint8, red first.

        Raises:
            ImageError: it can't be read; what it is called is said.
        """
        if self.path is not None:
            return _read(self.path, channels)
        try:
            return as_picture(_array(self.frame), channels, order)
        except ImageError as error:
            raise ImageError(f"{self.where}: {str(error).removeprefix('frame: ')}") from None
        except Exception as error:  # a PIL image is read only now, and a damaged one makes it raise nearly anything
            if not isinstance(self.frame, Image.Image):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"{self.where}: not a readable picture ({reason})") from error


class Given(NamedTuple):
    """What was given to look at: "one", a "list", "files" or a "stream", and its items."""

    kind: str
    items: Iterable[Item]


def given(source: Any) -> Given:
    """What `source` is. Folders and globs are listed now; nothing is read.

    Raises:
        ImageError: it is nothing that can be looked at, a file that is not there, or a folder without pictures.
    """
    if isinstance(source, str | os.PathLike):
        if is_several(source):
            return Given("files", paths_of(file.path for file in files_of(source)))
        if not os.fspath(source):
            raise ImageError(f"found {source!r}, expected {_EXPECTED}")
        return Given("one", [_path(source)])
    if _is_frame(source):
        return Given("one", [_frame("frame", source)])
    if isinstance(source, list | tuple):
        return Given("list", _numbered(source))
    if isinstance(source, bytes | bytearray | memoryview | dict) or hasattr(source, "read"):
        raise ImageError(f"found {type(source).__name__}, expected {_EXPECTED}")
    if isinstance(source, Iterable):
        return Given("stream", _numbered(source))
    raise ImageError(f"found {type(source).__name__}, expected {_EXPECTED}")


def paths_of(found: Iterable[str | os.PathLike[str]]) -> Iterator[Item]:
    """Paths as items."""
    return map(_path, found)


def _path(path: str | os.PathLike[str]) -> Item:
    return Item(str(path), Path(path), None, Path(path).suffix.lower() == ".npy")


def _read(path: Path, channels: int) -> Picture:
    if is_several(path):
        raise ImageError(f"{path}: found a folder or a glob among pictures, expected one picture; give it alone")
    return read_image(path, channels)


def _numbered(source: Iterable[Any]) -> Iterator[Item]:
    for i, one in enumerate(source):
        if isinstance(one, str | os.PathLike):
            yield _path(one)
        else:
            yield _frame(f"frame {i}", one)


def _frame(where: str, frame: Any) -> Item:
    return Item(where, None, frame, not isinstance(frame, Image.Image))


def _is_frame(source: Any) -> bool:
    return isinstance(source, np.ndarray | Image.Image) or hasattr(source, "__array__")


def _array(frame: Any) -> Any:
    """A frame as an array, or a PIL image as it is."""
    if isinstance(frame, np.ndarray | Image.Image):
        return frame
    if not hasattr(frame, "__array__"):
        raise ImageError(f"found {type(frame).__name__}, expected {_EXPECTED.partition(', a folder')[0]}")
    try:
        return np.asarray(frame)
    except (TypeError, ValueError, RuntimeError) as error:  # of a tensor that lies on a GPU, for one
        raise ImageError(f"found {type(frame).__name__} ({error}), expected an array in the host's memory") from None
