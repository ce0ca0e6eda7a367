"""pycuda.driver and libcuda made of Python: device memory is the host's, and streams do their work when waited for.

What a real driver would answer with an error or with silent corruption is an assertion here: a call without a current
context, a freed or foreign address, an asynchronous copy from pageable memory, a stream that is ordered with the
legacy default stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wtsnet.errors import RunnerError
from wtsnet.runtime import libcuda

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Error(Exception):
    pass


class OutOfMemory(Error, MemoryError):
    pass


class Cuda(ModuleType):
    """pycuda.driver.

    Attributes:
        memory: by address, what is allocated on the device.
        pinned: the same of page-locked memory.
        streams: by handle.
        producers: what is to be done yet on streams that are not ours, by handle.
        limit: how many bytes the device has.
        fail: the name of the call that is to fail.
        lost: whether every call fails from then on, as after an illegal address.
        log: the names of calls, in order.
    """

    Error = Error
    MemoryError = OutOfMemory

    def __init__(self) -> None:
        super().__init__("pycuda.driver")
        self.current = threading.local()
        self.memory: dict[int, Bytes] = {}
        self.pinned: dict[int, Bytes] = {}
        self.streams: dict[int, Any] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.producers: dict[int, Callable[[], None]] = {}
        self.limit = 1 << 30
        self.fail: str | None = None
        self.lost = False
        self.log: list[str] = []
        self.ticks = self.allocations = self.captures = self.retained = 0
        self._define()

    @property
    def stack(self) -> list[Any]:
        """The contexts of this thread."""
        if not hasattr(self.current, "stack"):
            self.current.stack = []
        stack: list[Any] = self.current.stack
        return stack

    def check(self, what: str) -> None:
        assert self.stack, f"{what} without a context"
        self.log.append(what)
        if self.lost or self.fail == what:
            self.lost = self.lost or what == "synchronize"
            raise Error(f"{what} failed: as wished")

    def at(self, address: int, size: int) -> Bytes:
        """Memory of the device."""
        for start, block in list(self.memory.items()):
            if start <= address < start + block.size:
                assert address + size <= start + block.size, "past the end"
                return block[address - start : address - start + size]
        raise AssertionError(f"no memory at {address}")

    def _check_pinned(self, host: Bytes) -> None:
        address = host.ctypes.data
        assert any(a <= address and address + host.nbytes <= a + b.size for a, b in list(self.pinned.items())), (
            "pageable"
        )
        assert host.flags.c_contiguous
        assert host.dtype == np.uint8

    def _define(self) -> None:
        cuda = self

        class Context:
            def push(self) -> None:
                cuda.stack.append(self)

            @staticmethod
            def pop() -> None:
                cuda.stack.pop()

        class Device:
            def __init__(self, number: int) -> None:
                if number:
                    raise Error("cuDeviceGet failed: invalid device ordinal")

            def retain_primary_context(self) -> Context:
                cuda.retained += 1
                return Context()

        class Event:
            def __init__(self, flags: int) -> None:
                cuda.check("Event")
                self.timed = flags == 0
                self.reached: Callable[[], None] = lambda: None
                self.tick = 0

            def record(self, stream: Any = None) -> None:
                cuda.check("record")
                if stream is not None:
                    stream.add(self._happen)
                    self.reached = stream.run

            def _happen(self) -> None:
                cuda.ticks += 1
                self.tick = cuda.ticks

            def time_till(self, other: Any) -> float:
                assert self.timed
                assert other.timed
                return float(other.tick - self.tick)

        class Stream:
            def __init__(self, flags: int = 0) -> None:
                cuda.check("Stream")
                assert flags == 1, "ordered with the legacy default stream"
                self.handle = id(self)
                self.work: list[Callable[[], None]] = []
                self.captured: list[Callable[[], None]] | None = None
                cuda.streams[self.handle] = self

            def add(self, step: Callable[[], None]) -> None:
                (self.work if self.captured is None else self.captured).append(step)

            def run(self) -> None:
                while self.work:
                    self.work.pop(0)()

            def wait_for_event(self, event: Event) -> None:
                cuda.check("wait_for_event")
                if event.reached != self.run:
                    self.add(event.reached)

            def synchronize(self) -> None:
                cuda.check("synchronize")
                assert self.captured is None, "waited for while it is captured"
                self.run()

        class Memory:
            def __init__(self, size: int) -> None:
                self.bytes = np.zeros(size + 512, np.uint8)
                self.address = -(-self.bytes.ctypes.data // 256) * 256
                start = self.address - self.bytes.ctypes.data
                cuda.memory[self.address] = self.bytes[start : start + size]

            def __int__(self) -> int:
                return self.address

            def free(self) -> None:
                cuda.check("free")
                for stream in list(cuda.streams.values()):  # cuMemFree waits for the device
                    stream.run()
                del cuda.memory[self.address]

        self.Context, self.Device, self.Stream, self.Event, self._Memory = Context, Device, Stream, Event, Memory
        self.event_flags = type("event_flags", (), {"DEFAULT": 0, "DISABLE_TIMING": 2})

    def init(self) -> None:
        pass

    def pagelocked_empty(self, size: int, dtype: Any) -> Any:
        self.check("pagelocked_empty")
        cuda = self
        memory = np.full(size, 85, dtype)
        address = memory.ctypes.data
        cuda.pinned[address] = memory

        class Allocation:
            __array_interface__ = memory.__array_interface__

            def free(self) -> None:
                cuda.check("free")
                del cuda.pinned[address]

        return np.asarray(Allocation())

    def mem_alloc(self, size: int) -> Any:
        self.check("mem_alloc")
        if sum(block.size for block in list(self.memory.values())) + size > self.limit:
            raise OutOfMemory("cuMemAlloc failed: out of memory")
        self.allocations += 1
        return self._Memory(size)

    def mem_get_info(self) -> tuple[int, int]:
        self.check("mem_get_info")
        return self.limit - sum(block.size for block in self.memory.values()), self.limit

    def memcpy_htod_async(self, address: int, host: Bytes, stream: Any) -> None:
        self.check("memcpy_htod_async")
        self._check_pinned(host)
        stream.add(lambda: self.at(address, host.nbytes).__setitem__(slice(None), host))

    def memcpy_dtoh_async(self, host: Bytes, address: int, stream: Any) -> None:
        self.check("memcpy_dtoh_async")
        self._check_pinned(host)
        stream.add(lambda: host.__setitem__(slice(None), self.at(address, host.nbytes)))

    def memcpy_dtod_async(self, target: int, source: int, size: int, stream: Any) -> None:
        self.check("memcpy_dtod_async")
        stream.add(lambda: self.at(target, size).__setitem__(slice(None), self.at(source, size)))

    def memcpy_dtoh(self, host: Bytes, address: int) -> None:
        self.check("memcpy_dtoh")
        host[:] = self.at(address, host.nbytes)

    def in_place_of_libcuda(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Graphs, and other people's streams."""

        def follow(stream: int, producer: int) -> None:
            self.check("follow")
            self.log.append(f"follow {producer}")
            self.streams[stream].add(self.producers.pop(producer, lambda: None))

        def begin(stream: int) -> None:
            self.check("begin_capture")
            self.streams[stream].captured = []

        def end(stream: int) -> int:
            captured, self.streams[stream].captured = self.streams[stream].captured, None
            if self.fail == "end_capture" or captured is None:
                raise RunnerError("CUDA: cuStreamEndCapture failed: as wished")
            self.captures += 1
            self.graphs[self.captures] = captured
            return self.captures

        def launch(graph: int, stream: int) -> None:
            self.check("launch")
            for step in self.graphs[graph]:
                self.streams[stream].add(step)

        fakes = (follow, begin, end, launch, self.graphs.pop, lambda address: 0)
        names = ("follow", "begin_capture", "end_capture", "launch", "destroy", "device_of")
        for name, fake in zip(names, fakes, strict=True):
            monkeypatch.setattr(libcuda, name, fake)
