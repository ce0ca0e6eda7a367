"""DLPack, which torch, CuPy, JAX and others share memory by, read and written with ctypes.

The structures are those of dlpack.h (https://dmlc.github.io/dlpack/latest/c_api.html), version 1.1.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from math import prod
from typing import Any

from wtsnet.trt import numpy_dtype

CUDA, CUDA_MANAGED = 2, 13  # kDLCUDA, kDLCUDAManaged
_INT, _UINT, _FLOAT, _BFLOAT, _BOOL, _E4M3FN, _E8M0FNU = 0, 1, 2, 4, 6, 10, 14  # DLDataTypeCode
_CODES = {
    "float32": (_FLOAT, 32),
    "float16": (_FLOAT, 16),
    "bfloat16": (_BFLOAT, 16),
    "int64": (_INT, 64),
    "int32": (_INT, 32),
    "int8": (_INT, 8),
    "uint8": (_UINT, 8),
    "bool": (_BOOL, 8),
    "float8_e4m3fn": (_E4M3FN, 8),
    "float8_e8m0fnu": (_E8M0FNU, 8),
}
_DTYPES = {code: numpy_dtype(name) for name, code in _CODES.items()}
_LETTERS = {_INT: "int", _UINT: "uint", _FLOAT: "float", 5: "complex"}


class _Tensor(Structure):
    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


class _Managed(Structure):
    _fields_ = (("tensor", _Tensor), ("context", c_void_p), ("deleter", c_void_p))


class _Versioned(Structure):
    _fields_ = (
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    )


_NAME, _VERSIONED_NAME = b"dltensor", b"dltensor_versioned"
_api = ctypes.pythonapi
# Capsules are given as plain pointers: one that is being destroyed must not be referred to again.
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_new = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, ctypes.c_char_p, c_void_p)(("PyCapsule_New", _api))


def read(capsule: Any) -> tuple[int, tuple[int, ...], Any, bool, int]:
    """What a DLPack capsule holds: address, shape, dtype (a name where numpy and TensorRT have none), whether it is
    C-contiguous, and the device's number. The capsule must outlive the use of the address.

    Raises:
        ValueError: it is no unused DLPack capsule.
    """
    if _is_valid(id(capsule), _NAME):
        tensor = _Managed.from_address(_pointer(id(capsule), _NAME)).tensor
    elif _is_valid(id(capsule), _VERSIONED_NAME):
        tensor = _Versioned.from_address(_pointer(id(capsule), _VERSIONED_NAME)).tensor
    else:
        raise ValueError("not a DLPack capsule, or one that was used before")
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
    dtype: Any = _DTYPES.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    if dtype is None:
        dtype = f"{_LETTERS.get(tensor.code, f'DLPack code {tensor.code}, bits ')}{tensor.bits}"
    return (tensor.data or 0) + tensor.byte_offset, shape, dtype, is_contiguous(shape, strides), tensor.device_id


def is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...] | None, item: int = 1) -> bool:
    """Whether strides, in units of `item`, are those of a C-contiguous array."""
    if strides is None or not prod(shape):
        return True
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != item:
            return False
        item *= size
    return True


_exported: dict[int, tuple[_Managed, Any, Any]] = {}


# What these two use is bound to them, and they are never freed: a tensor may outlive this module at the end.
def _forget(pointer: int, exported: dict[int, Any] = _exported) -> None:
    exported.pop(pointer, None)


def _forget_unused(
    capsule: int, exported: dict[int, Any] = _exported, is_valid: Any = _is_valid, pointer: Any = _pointer
) -> None:
    if is_valid(capsule, b"dltensor"):
        exported.pop(pointer(capsule, b"dltensor"), None)


_delete, _destroy = (ctypes.CFUNCTYPE(None, c_void_p)(function) for function in (_forget, _forget_unused))
for _callback in (_delete, _destroy):
    _api.Py_IncRef(ctypes.py_object(_callback))


def write(owner: Any, address: int, shape: tuple[int, ...], dtype: str, device: int) -> Any:
    """A DLPack capsule of C-contiguous memory on a CUDA device, which keeps `owner` until it is used no more."""
    sizes = (c_int64 * max(len(shape), 1))(*shape)
    code, bits = _CODES[dtype]
    tensor = _Tensor(address, CUDA, device, len(shape), code, bits, 1, sizes, None, 0)
    managed = _Managed(tensor, None, ctypes.cast(_delete, c_void_p))
    pointer = ctypes.addressof(managed)
    _exported[pointer] = managed, sizes, owner
    return _new(pointer, _NAME, ctypes.cast(_destroy, c_void_p))
