"""The dtypes of tensors, by name: numpy's names, and those of ml_dtypes for what numpy lacks."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

MEMBERS = {
    "float32": "FLOAT",
    "float16": "HALF",
    "bfloat16": "BF16",
    "int64": "INT64",
    "int32": "INT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
    "float8_e4m3fn": "FP8",
    "float8_e8m0fnu": "E8M0",
    "int4": "INT4",
    "float4_e2m1fn": "FP4",
}
"""Dtype name -> the member of TensorRT's DataType."""

PACKED = ("int4", "float4_e2m1fn")
"""Two values a byte in TensorRT; one in a numpy array."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a dtype name.

    Raises:
        KeyError: there is no such dtype.
    """
    MEMBERS[name]
    return np.dtype(getattr(ml_dtypes, name, name))
