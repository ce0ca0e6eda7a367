"""PyTorch weights to TensorRT engines without ONNX: .wts in, network by hand, plan out, and proof.

Importing wtsnet loads neither torch nor TensorRT nor pycuda: each name below loads what it needs when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wtsnet.builder import build as build
    from wtsnet.definition import define as define
    from wtsnet.engine import Engine as Engine
    from wtsnet.engine import load as load
    from wtsnet.errors import WtsError as WtsError
    from wtsnet.errors import WtsnetError as WtsnetError
    from wtsnet.network import Network as Network
    from wtsnet.network import Scope as Scope
    from wtsnet.network import Tensor as Tensor
    from wtsnet.reference import ReferenceRunner as ReferenceRunner
    from wtsnet.registry import Image as Image
    from wtsnet.registry import block as block
    from wtsnet.registry import model as model
    from wtsnet.registry import option as option
    from wtsnet.wts import read_wts as read_wts
    from wtsnet.wts import write_wts as write_wts

_HOMES = {
    "build": "builder",
    "define": "definition",
    "Engine": "engine",
    "load": "engine",
    "WtsError": "errors",
    "WtsnetError": "errors",
    "Network": "network",
    "Scope": "network",
    "Tensor": "network",
    "ReferenceRunner": "reference",
    "Image": "registry",
    "block": "registry",
    "model": "registry",
    "option": "registry",
    "read_wts": "wts",
    "write_wts": "wts",
}

__all__ = [
    "Engine",
    "Image",
    "Network",
    "ReferenceRunner",
    "Scope",
    "Tensor",
    "WtsError",
    "WtsnetError",
    "__version__",
    "block",
    "build",
    "define",
    "load",
    "model",
    "option",
    "read_wts",
    "write_wts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wtsnet' has no attribute {name!r}")
    # No submodule may be called as one of these names: importing it would hide the name.
    return getattr(importlib.import_module(f"wtsnet.{_HOMES[name]}"), name)
