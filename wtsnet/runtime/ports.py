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

    from wtsnet.manifest import Input, Output


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


@dataclass(frozen=True)
class Told:
    """What an engine itself tells of what goes in and out, in the words of a manifest.

    Attributes:
        inputs, outputs: with the shapes of the first optimization profile.
        values: for each input that decides shapes its (min, opt, max) values in that profile.
    """

    inputs: list[Input]
    outputs: list[Output]
    values: dict[str, list[list[int]]]


def ports_of(engine: Any, expected: Collection[str]) -> tuple[list[Port], list[Port]]:
    """The inputs and the outputs of an ICudaEngine.

    Args:
        expected: the names of the inputs that its manifest tells.

    Raises:
        EngineError: it has other inputs, or a tensor of a 4-bit dtype.
    """
    inputs, outputs = _ports(engine)
    if odd := {port.name for port in inputs}.symmetric_difference(expected):
        raise EngineError(f"input {min(odd)!r}: it is either not in the plan or not in its manifest")
    return inputs, outputs


def told(engine: Any) -> Told:
    """What an ICudaEngine tells.

    Raises:
        EngineError: a tensor has a 4-bit dtype, or lies in memory in another way than an array does.
    """
    linear = tensorrt.module().TensorFormat.LINEAR
    inputs, outputs = _ports(engine)
    for port in (*inputs, *outputs):
        if (found := engine.get_tensor_format(port.name)) != linear:
            raise EngineError(
                f"tensor {port.name!r}: found the format {found.name}, which no array has; expected LINEAR"
            )
    return Told(
        [_input(engine, port) for port in inputs],
        [{"name": port.name, "dtype": port.dtype.name, "shape": list(port.shape)} for port in outputs],
        {port.name: engine.get_tensor_profile_values(0, port.name) for port in inputs if port.host},
    )


def _input(engine: Any, port: Port) -> Input:
    # What decides shapes has a profile of its values: its own shape is fixed.
    ranged = -1 in port.shape
    low, usual, high = engine.get_tensor_profile_shape(port.name, 0) if ranged else [port.shape] * 3
    return {
        "name": port.name,
        "dtype": port.dtype.name,
        "shape": list(port.shape),
        "min": list(low),
        "opt": list(usual),
        "max": list(high),
    }


def _ports(engine: Any) -> tuple[list[Port], list[Port]]:
    trt = tensorrt.module()
    inputs: list[Port] = []
    outputs: list[Port] = []
    for name in [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]:
        host = engine.get_tensor_location(name) == trt.TensorLocation.HOST
        port = Port(name, _dtype(engine, name), tuple(engine.get_tensor_shape(name)), host)
        (outputs if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT else inputs).append(port)
    return inputs, outputs


def _dtype(engine: Any, name: str) -> np.dtype[Any]:
    dtype = tensorrt.dtype_name(engine.get_tensor_dtype(name))
    if dtype in PACKED:
        raise EngineError(f"tensor {name!r}: found dtype {dtype}, which has no array; cast it in the network")
    return numpy_dtype(dtype)
