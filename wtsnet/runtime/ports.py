"""The inputs and outputs of an engine, as TensorRT tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError
from wtsnet.trt import PACKED, numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Port:
    """An input or output of an engine.

    Attributes:
        name, dtype: its own.
        shape: -1 for a size that is known only when the engine runs.
        host: whether TensorRT reads or writes it on the host: a tensor that decides shapes.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    host: bool


def ports_of(engine: Any, expected: Collection[str]) -> tuple[list[Port], list[Port]]:
    """The inputs and the outputs of an ICudaEngine.

    Args:
        expected: the names of the inputs that its manifest tells.

    Raises:
        EngineError: it has other inputs, or a tensor of a 4-bit dtype.
    """
    trt = tensorrt.module()
    inputs: list[Port] = []
    outputs: list[Port] = []
    for name in [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]:
        host = engine.get_tensor_location(name) == trt.TensorLocation.HOST
        port = Port(name, _dtype(engine, name), tuple(engine.get_tensor_shape(name)), host)
        (outputs if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT else inputs).append(port)
    if odd := {port.name for port in inputs}.symmetric_difference(expected):
        raise EngineError(f"input {min(odd)!r}: it is either not in the plan or not in its manifest")
    return inputs, outputs


def _dtype(engine: Any, name: str) -> np.dtype[Any]:
    dtype = tensorrt.dtype_name(engine.get_tensor_dtype(name))
    if dtype in PACKED:
        raise EngineError(f"tensor {name!r}: found dtype {dtype}, which has no array; cast it in the network")
    return numpy_dtype(dtype)
