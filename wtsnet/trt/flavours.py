"""The only file that knows which TensorRT it is: `tensorrt` or `tensorrt_rtx`.

Their network-definition API is the same, so the rest of wtsnet takes the module from `module()` and never
imports either. Set `WTSNET_TENSORRT=tensorrt` or `=tensorrt_rtx` to choose when both are installed; else the
full TensorRT is taken where it imports.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import deque
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from wtsnet.errors import TensorRTError, nearest
from wtsnet.trt.dtypes import MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAVOURS = ("tensorrt", "tensorrt_rtx")
INSTALL = "pip install tensorrt-rtx (builds with no GPU), or tensorrt (needs one)"


def module() -> Any:
    """The TensorRT in use, as a Python module.

    Raises:
        TensorRTError: none imports, or WTSNET_TENSORRT names one that does not.
    """
    wanted = os.environ.get("WTSNET_TENSORRT")
    if wanted is not None and wanted not in FLAVOURS:
        raise TensorRTError(f"WTSNET_TENSORRT: found {wanted!r}, expected one of {', '.join(FLAVOURS)}")
    names = (wanted,) if wanted else FLAVOURS
    for name in names:
        if sys.modules.get(name):
            return sys.modules[name]
        if name not in _failures:  # each is looked for once: a search that fails is slow
            try:
                return importlib.import_module(name)
            except ImportError as error:
                _failures[name] = f"{name}: {error}"
    raise TensorRTError(f"no TensorRT can be imported ({'; '.join(_failures[name] for name in names)}); {INSTALL}")


_failures: dict[str, str] = {}


def flavour() -> str:
    """`"tensorrt"` or `"tensorrt_rtx"`: which one `module()` gives."""
    return str(module().__name__)


def version() -> str:
    """The version of the TensorRT in use, such as `"1.7.1.116"`."""
    return str(module().__version__)


def dtype(name: str) -> Any:
    """TensorRT's DataType for a dtype name such as `"float16"`.

    Raises:
        TensorRTError: there is no such dtype, or this release lacks it.
    """
    found = getattr(module().DataType, MEMBERS.get(name, ""), None)
    if found is None:
        raise TensorRTError(f"dtype: unknown {name!r} in {flavour()} {version()}{nearest(name, MEMBERS)}")
    return found


@cache
def _names(trt: Any) -> dict[Any, str]:
    kinds = trt.DataType
    return {getattr(kinds, member): name for name, member in MEMBERS.items() if hasattr(kinds, member)}


def dtype_name(data_type: Any) -> str:
    """The dtype name of a TensorRT DataType: the inverse of `dtype`."""
    return _names(module())[data_type]


def enum(kind: str, member: str) -> Any:
    """A member of one of TensorRT's enums, such as `enum("PoolingType", "MAX")`.

    Raises:
        TensorRTError: this release has no such enum or member.
    """
    found = getattr(getattr(module(), kind, None), member, None)
    if found is None:
        raise TensorRTError(f"{kind}.{member}: {flavour()} {version()} has no such value")
    return found


class Log:
    """What TensorRT said lately: the errors since `errors` was last cleared, and every line while one listens."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=16)
        self.lines: list[str] | None = None

    def add(self, severity: Any, text: str) -> None:
        if severity <= module().ILogger.ERROR and "Cuda Runtime" not in text:
            self.errors.append(text)
        if self.lines is not None:
            self.lines.append(text)

    def last_error(self) -> str:
        """The last error as one line, or a stand-in when TensorRT said nothing."""
        return " ".join(self.errors[-1].split()) if self.errors else "TensorRT gave no reason"

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Collect every line that TensorRT logs inside the block, of any severity."""
        before, self.lines = self.lines, []
        try:
            yield self.lines
        finally:
            self.lines = before


log = Log()


def logger() -> Any:
    """The one logger of the process: TensorRT keeps the first one it is given and warns about any other."""
    return _logger(module())


@cache
def _logger(trt: Any) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # the base class has no type: TensorRT ships no stubs
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            log.add(severity, msg)

    return Logger()


def builder() -> Any:
    """A new `trt.Builder`.

    Raises:
        TensorRTError: this TensorRT needs a CUDA device and finds none.
    """
    log.errors.clear()
    try:
        made = module().Builder(logger())
    except (RuntimeError, TypeError) as error:
        made = None
        if not log.errors:
            log.errors.append(str(error))
    if made is None:
        raise TensorRTError(
            f"{flavour()} {version()} can't build here: {log.last_error()}; it needs a CUDA device "
            "(tensorrt_rtx builds without one)"
        )
    return made


def create_network(made: Any) -> Any:
    """A new, strongly typed INetworkDefinition of a builder."""
    return made.create_network(1 << int(module().NetworkDefinitionCreationFlag.STRONGLY_TYPED))
