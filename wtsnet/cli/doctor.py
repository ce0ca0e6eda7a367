"""`wtsnet doctor`."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from wtsnet import __version__
from wtsnet import trt as tensorrt
from wtsnet.device import Driver, driver
from wtsnet.errors import WtsnetError

if TYPE_CHECKING:
    from collections.abc import Callable


def doctor() -> None:
    """Say which TensorRTs, GPUs and drivers are here, and what therefore works.

    Example: wtsnet doctor
    """
    gpus = driver()
    found = Table(box=None, pad_edge=False, show_header=False)
    found.add_row(
        "wtsnet", f"{__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name in (*tensorrt.FLAVOURS, "torch", "pycuda"):
        found.add_row(name, _installed(name))
    found.add_row("driver", f"CUDA {gpus.cuda}" if gpus.cuda else gpus.problem)
    for gpu in gpus.gpus:
        found.add_row(f"GPU {gpu.index}", f"{gpu.name}, {gpu.target}, {gpu.memory / 2**30:.0f} GiB")
    if wanted := os.environ.get("WTSNET_TENSORRT"):
        found.add_row("WTSNET_TENSORRT", wanted)
    works = Table(box=None, pad_edge=False, show_header=False)
    for what, problem in _abilities(gpus):
        works.add_row("yes" if not problem else "no", what, problem)
    console = Console()
    console.print(found)
    console.print()
    console.print(works)


def _abilities(gpus: Driver) -> list[tuple[str, str]]:
    """What one may want to do, and why it can't be done here."""
    build = _problem(tensorrt.builder)
    torch = _problem(partial(importlib.import_module, "torch"), "pip install torch")
    pycuda = gpus.problem or _problem(partial(importlib.import_module, "pycuda.driver"), "pip install pycuda")
    return [
        ("read and write .wts", ""),
        ("export checkpoints", torch),
        ("define networks and build plans", build),
        ("run and verify with the reference runtime", build or torch),
        ("run plans with TensorRT", _problem(tensorrt.module) or pycuda or _unfit(gpus)),
    ]


def _unfit(gpus: Driver) -> str:
    capability = gpus.gpus[0].capability
    if tensorrt.flavour() == "tensorrt_rtx" and capability[0] in (9, 10):
        return f"TensorRT-RTX does not run on {gpus.gpus[0].target} (data-centre GPUs): install tensorrt there"
    return ""


def _problem(attempt: Callable[[], object], remedy: str = "") -> str:
    try:
        attempt()
    except WtsnetError as error:
        return str(error)
    except ImportError as error:
        return f"{error}; {remedy}"
    return ""


def _installed(name: str) -> str:
    try:
        return str(importlib.import_module(name).__version__)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        return "not installed" if missing else f"does not import: {error}"
    except AttributeError:  # pycuda keeps its version elsewhere
        return importlib.metadata.version(name)
