"""What pycuda does not wrap of CUDA's driver API: graphs, and other people's streams and pointers."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int, c_uint, c_ulonglong, c_void_p
from functools import cache

from wtsnet.errors import RunnerError
from wtsnet.trt import library

_DISABLE_TIMING = 2  # CU_EVENT_DISABLE_TIMING
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile does not end a capture
_DEVICE_ORDINAL = 9  # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
_SIGNATURES = {
    "cuEventCreate": (POINTER(c_void_p), c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventDestroy_v2": (c_void_p,),
    "cuStreamWaitEvent": (c_void_p, c_void_p, c_uint),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, c_ulonglong),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphDestroy": (c_void_p,),
    "cuGraphExecDestroy": (c_void_p,),
    "cuPointerGetAttribute": (c_void_p, c_int, c_ulonglong),
}


@cache
def _libcuda() -> ctypes.CDLL:
    """The library that pycuda has opened too."""
    found = ctypes.CDLL(library())
    for name, arguments in _SIGNATURES.items():
        getattr(found, name).argtypes = arguments
    return found


def _call(name: str, *arguments: object) -> None:
    if code := getattr(_libcuda(), name)(*arguments):
        text = ctypes.c_char_p()
        _libcuda().cuGetErrorString(code, ctypes.byref(text))
        raise RunnerError(f"CUDA: {name.partition('_')[0]} failed: {(text.value or str(code).encode()).decode()}")


def follow(stream: int, producer: int) -> None:
    """Make a stream wait for what another has been given so far (1: the legacy default stream, 2: this thread's)."""
    event = c_void_p()
    _call("cuEventCreate", ctypes.byref(event), _DISABLE_TIMING)
    try:
        _call("cuEventRecord", event, producer)
        _call("cuStreamWaitEvent", stream, event, 0)
    finally:
        _call("cuEventDestroy_v2", event)  # CUDA keeps it until it has happened


def begin_capture(stream: int) -> None:
    """From here on what the stream is given becomes a graph instead of being executed."""
    _call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)


def end_capture(stream: int) -> int:
    """What was captured, as a graph that can be launched.

    Raises:
        RunnerError: something can't be captured. The stream is usable again.
    """
    graph, executable = c_void_p(), c_void_p()
    _call("cuStreamEndCapture", stream, ctypes.byref(graph))
    try:
        _call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, 0)
    finally:
        _call("cuGraphDestroy", graph)
    return executable.value or 0


def launch(graph: int, stream: int) -> None:
    """Execute a captured graph on a stream."""
    _call("cuGraphLaunch", graph, stream)


def destroy(graph: int) -> None:
    """Free a captured graph."""
    _call("cuGraphExecDestroy", graph)


def device_of(address: int) -> int:
    """The number of the device whose memory an address is in.

    Raises:
        RunnerError: it is in no memory of CUDA's.
    """
    number = c_int()
    _call("cuPointerGetAttribute", ctypes.byref(number), _DEVICE_ORDINAL, address)
    return number.value
