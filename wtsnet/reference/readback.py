"""TensorRT's network read back: layers, tensors and weights, from any release's INetworkDefinition.

TensorRT is never imported here: `wtsnet.trt.view` finds the module that a network belongs to from its own type.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wtsnet.errors import RunnerError
from wtsnet.trt import MEMBERS, PACKED, LayerView

# torch's dtype for a value at run time. torch has no 4-bit arithmetic: INT4 values are held as int8 (-8 … 7),
# FP4 values as float32 (0 … ±6).
TORCH_DTYPES: dict[str, torch.dtype] = {
    name: {"int4": torch.int8, "float4_e2m1fn": torch.float32}.get(name) or getattr(torch, name) for name in MEMBERS
}
_NAMES = {member: name for name, member in MEMBERS.items()}
_FP4_VALUES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's name, shape (-1 where an extent is only known at run time) and dtype ("float32", …)."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name!r}: {self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Node:
    """One layer, ready to be compiled: the layer and what goes in and out of it.

    `inputs` holds None for an optional input that is not connected.
    """

    name: str
    kind: str
    layer: LayerView
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec, ...]
    device: torch.device

    def __str__(self) -> str:
        return f"layer {self.name!r} ({self.kind})"

    def has(self, index: int) -> bool:
        """Whether the optional input `index` is connected."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def dtype(self, output: int = 0) -> torch.dtype:
        """The dtype that TensorRT gives to an output."""
        return TORCH_DTYPES[self.outputs[output].dtype]

    def weights(self, name: str, place: int, shape: Sequence[int] | None = None) -> torch.Tensor | None:
        """One of the layer's weights on the device, or None where it has none: attribute `name`, or the array
        at `place` of those that wtsnet gave the layer; see `read_weights`."""
        value = getattr(self.layer, name)
        if value is not None and value.size and not isinstance(value, np.ndarray) and place < len(self.layer.arrays):
            return _of_array(self.layer.arrays[place], shape).to(self.device)
        tensor = read_weights(value, shape)
        return None if tensor is None else tensor.to(self.device)


def spec_of(tensor: Any) -> TensorSpec:
    """The description of an ITensor. Raises RunnerError where TensorRT itself finds no shape for it."""
    try:
        return TensorSpec(tensor.name, tuple(tensor.shape), _NAMES[tensor.dtype.name])
    except (RuntimeError, ValueError) as error:
        raise RunnerError(f"tensor {tensor.name!r} has no shape: TensorRT refuses the layers before it") from error


def read_dims(value: Any) -> tuple[int, ...] | None:
    """Dims as a tuple; None where a layer has none: RTX 1.7 says so itself, 1.4 gives Dims of length -1."""
    try:
        return None if value is None else tuple(value)
    except ValueError:
        return None


def read_weights(value: Any, shape: Sequence[int] | None = None) -> torch.Tensor | None:
    """Weights as a torch tensor that shares their memory, reshaped to `shape`; None where there are none.

    `value` is what an attribute such as `kernel` returns: a flat numpy array, or a `Weights` for the dtypes
    that numpy lacks (bfloat16, fp8, int4, fp4).
    """
    if value is None or value.size == 0:
        return None
    if isinstance(value, np.ndarray):
        flat = torch.from_numpy(value if value.flags.writeable else value.copy())
    else:
        flat = _without_numpy(value)
    return flat if shape is None else flat.reshape(tuple(shape))


def _of_array(array: NDArray[Any], shape: Sequence[int] | None) -> torch.Tensor:
    """An array of a dtype that numpy lacks."""
    name = array.dtype.name
    if name in PACKED:  # torch lacks it too
        flat = torch.from_numpy(array.reshape(-1).astype(np.float32)).to(TORCH_DTYPES[name])
    else:
        bits = array.reshape(-1).view(np.uint8)
        flat = torch.from_numpy(bits if bits.flags.writeable else bits.copy()).view(TORCH_DTYPES[name])
    return flat if shape is None else flat.reshape(tuple(shape))


class _Weights(ctypes.Structure):
    """nvinfer1::Weights, as NvInferRuntimeBase.h lays it out."""

    _fields_ = (("type", ctypes.c_int32), ("values", ctypes.c_void_p), ("count", ctypes.c_int64))


def _without_numpy(value: Any) -> torch.Tensor:
    """A `Weights` of a dtype that numpy lacks, of a network that others made.

    The Python class shows dtype and size but no address, so the C++ struct is read: pybind11 keeps a pointer to
    it right behind the object's header. What the struct says of itself is compared with what the class says.
    """
    pointer = ctypes.c_void_p.from_address(id(value) + object.__basicsize__).value
    held = _Weights.from_address(pointer) if pointer else _Weights()
    if held.type != int(value.dtype) or held.count != value.size or not held.values:
        raise RunnerError(f"can't read weights of dtype {value.dtype.name}: this TensorRT lays them out otherwise")
    name = _NAMES[value.dtype.name]
    dtype = TORCH_DTYPES[name]
    packed = name in PACKED
    count = math.ceil(value.size / 2) if packed else value.size
    width = 1 if packed else dtype.itemsize
    raw = np.frombuffer((ctypes.c_uint8 * (count * width)).from_address(held.values), np.uint8)
    flat = torch.from_numpy(raw)
    if not packed:
        return flat.view(dtype)
    codes = torch.stack((flat & 15, flat >> 4), 1).flatten()[: value.size]  # low half first
    if name == "int4":
        return ((codes ^ 8).to(torch.int8) - 8).to(torch.int8)  # sign-extended
    return _FP4_VALUES[codes.long()]
