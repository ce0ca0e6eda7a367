"""`wtsnet doctor`."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from functools import partial
from typing import TYPE_CHECKING

from wtsnet import trt as tensorrt
from wtsnet.cli.options import print_columns
from wtsnet.errors import WtsnetError
from wtsnet.manifest import VERSION
from wtsnet.runtime import RTX_CAPABILITIES
from wtsnet.trt import Driver, driver

if TYPE_CHECKING:
    from collections.abc import Callable


def doctor() -> None:
    """Say which TensorRTs, GPUs and drivers are here, and what therefore works.

    Example: wtsnet doctor
    """
    gpus = driver()
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    found = [("wtsnet", f"{VERSION}, {system}")]
    found += [(name, _installed(name)) for name in (*tensorrt.FLAVOURS, "torch", "pycuda")]
    found.append(("driver", ", ".join(filter(None, (gpus.cuda and f"CUDA {gpus.cuda}", gpus.problem)))))
    found += [(f"GPU {gpu.index}", f"{gpu.name}, {gpu.target}, {gpu.memory / 2**30:.0f} GiB") for gpu in gpus.gpus]
    if wanted := os.environ.get("WTSNET_TENSORRT"):
        found.append(("WTSNET_TENSORRT", wanted))
    print_columns(found)
    print()
    print_columns([("no" if problem else "yes", what, problem) for what, problem in _abilities(gpus)])


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
    gpu = gpus.gpus[0]
    if tensorrt.flavour() == "tensorrt_rtx" and gpu.capability not in {(7, 5), *RTX_CAPABILITIES}:
        return f"TensorRT-RTX does not run on {gpu.name} ({gpu.target}); install tensorrt"
    return ""


def _problem(attempt: Callable[[], object], remedy: str = "") -> str:
    try:
        attempt()
    except WtsnetError as error:
        return str(error)
    except Exception as error:  # a damaged installation raises what it likes
        return f"{' '.join(str(error).split())}; {remedy}"
    return ""


def _installed(name: str) -> str:
    try:
        module = importlib.import_module(name)
        # pycuda keeps its version elsewhere
        return str(getattr(module, "__version__", None) or importlib.metadata.version(name))
    except Exception as error:  # a damaged installation raises what it likes
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        return "not installed" if missing else f"does not import: {' '.join(str(error).split())}"
