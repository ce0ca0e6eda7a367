"""An engine asked for what it takes and gives: the way to a plan of which nothing else is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.errors import RunnerError
from wtsnet.runtime.choosing import why_no_gpu

if TYPE_CHECKING:
    from wtsnet.runtime.ports import Told


def ask(plan: bytes, device: int = 0) -> Told:
    """Open a plan on a CUDA device and have it tell its inputs and outputs. What is in the plan runs.

    Raises:
        RunnerError: there is no such device here, or what opens a plan on it is not installed.
        EngineError: TensorRT can't open it, or it has a tensor that no array is like.
    """
    if problem := why_no_gpu(device):
        raise RunnerError(problem)
    from wtsnet.runtime import cuda
    from wtsnet.runtime.ports import told
    from wtsnet.runtime.tensorrt import opened

    runtime, engine = opened(plan, device)
    try:
        return told(engine)
    finally:
        with cuda.device(device):
            del engine
            del runtime  # in this order
