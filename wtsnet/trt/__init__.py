"""The only room that knows which TensorRT it is: `tensorrt` or `tensorrt_rtx`, its logger, dtypes, and the GPUs here.

It knows nothing of what networks are made of. Nothing is imported of TensorRT before `module()` is called.
"""

from wtsnet.trt.buildlog import BuildLog
from wtsnet.trt.device import Driver, Gpu, driver, library
from wtsnet.trt.dtypes import MEMBERS, PACKED, numpy_dtype
from wtsnet.trt.flavours import (
    FLAVOURS,
    INSTALL,
    builder,
    create_network,
    dtype,
    dtype_name,
    enum,
    flavour,
    log,
    logger,
    module,
    version,
)
from wtsnet.trt.layers import LayerView, interface, kept, module_of, view

__all__ = [
    "FLAVOURS",
    "INSTALL",
    "MEMBERS",
    "PACKED",
    "BuildLog",
    "Driver",
    "Gpu",
    "LayerView",
    "builder",
    "create_network",
    "driver",
    "dtype",
    "dtype_name",
    "enum",
    "flavour",
    "interface",
    "kept",
    "library",
    "log",
    "logger",
    "module",
    "module_of",
    "numpy_dtype",
    "version",
    "view",
]
