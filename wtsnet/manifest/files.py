"""Files that appear whole or not at all, and their sha256."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def whole(*paths: str | os.PathLike[str]) -> Iterator[tuple[Path, ...]]:
    """Give one temporary path for each of `paths`, and rename them all into place when the block succeeds.

    The temporary files lie in the same folders, so each rename is atomic. When the block raises, they are
    removed and whatever stood at `paths` before is untouched.

    Raises:
        OSError: a folder does not exist or can't be written to, or a path is that of a folder or device.
    """
    targets = [Path(path) for path in paths]
    temporary: list[Path] = []
    try:
        for target in targets:
            if target.exists() and not target.is_file():
                raise OSError(errno.EEXIST, "Is no regular file", str(target))
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
            os.close(handle)
            temporary.append(Path(name))
        yield tuple(temporary)
        for part, target in zip(temporary, targets, strict=True):
            part.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
            part.replace(target)
    finally:
        for part in temporary:
            with suppress(FileNotFoundError):
                part.unlink()


def is_among(target: str | os.PathLike[str], paths: Iterable[str | os.PathLike[str]]) -> bool:
    """Whether a file is one of others, by whatever name or link."""
    return os.path.exists(target) and any(os.path.exists(path) and os.path.samefile(target, path) for path in paths)


def sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of the file's bytes, as 64 lower-case hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    # The only portable way to read the mask is to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
