"""PyTorch weights to TensorRT engines without ONNX: .wts in, network by hand, plan out, and proof.

Importing wtsnet loads neither torch nor TensorRT nor pycuda: each name below loads what it needs when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from wtsnet.decode import decoder as decoder
    from wtsnet.definition import Image as Image
    from wtsnet.definition import Input as Input
    from wtsnet.definition import block as block
    from wtsnet.definition import define as define
    from wtsnet.definition import model as model
    from wtsnet.definition import option as option
    from wtsnet.engine import Engine as Engine
    from wtsnet.engine import build as build
    from wtsnet.engine import load as load
    from wtsnet.engine import rebuild as rebuild
    from wtsnet.errors import WtsError as WtsError
    from wtsnet.errors import WtsnetError as WtsnetError
    from wtsnet.errors import WtsnetWarning as WtsnetWarning
    from wtsnet.network import Dim as Dim
    from wtsnet.network import Network as Network
    from wtsnet.network import Scope as Scope
    from wtsnet.network import Tensor as Tensor
    from wtsnet.network import module as module
    from wtsnet.predict import Predictor as Predictor
    from wtsnet.proof import record as record
    from wtsnet.reference import ReferenceRunner as ReferenceRunner
    from wtsnet.wts import read_wts as read_wts
    from wtsnet.wts import write_wts as write_wts

_HOMES = {
    "__version__": "manifest",
    "build": "engine",
    "decoder": "decode",
    "define": "definition",
    "Engine": "engine",
    "load": "engine",
    "rebuild": "engine",
    "WtsError": "errors",
    "WtsnetError": "errors",
    "WtsnetWarning": "errors",
    "Dim": "network",
    "Network": "network",
    "Scope": "network",
    "Tensor": "network",
    "module": "network",
    "Predictor": "predict",
    "record": "proof",
    "ReferenceRunner": "reference",
    "Image": "definition",
    "Input": "definition",
    "block": "definition",
    "model": "definition",
    "option": "definition",
    "read_wts": "wts",
    "write_wts": "wts",
}

__all__ = [
    "Dim",
    "Engine",
    "Image",
    "Input",
    "Network",
    "Predictor",
    "ReferenceRunner",
    "Scope",
    "Tensor",
    "WtsError",
    "WtsnetError",
    "WtsnetWarning",
    "__version__",
    "block",
    "build",
    "decoder",
    "define",
    "load",
    "model",
    "module",
    "option",
    "read_wts",
    "rebuild",
    "record",
    "write_wts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wtsnet' has no attribute {name!r}")
    # No submodule may be called as one of these names: importing it would hide the name.
    room = importlib.import_module(f"wtsnet.{_HOMES[name]}")
    return getattr(room, "VERSION" if name == "__version__" else name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
