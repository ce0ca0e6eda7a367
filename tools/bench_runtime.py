"""The runtime on a GPU: bandwidth, the frame pipeline, overhead a call, threads.

    python tools/bench_runtime.py [--json FILE] [--contexts 4]

TensorRT's place is taken by an engine that copies a few bytes of its input, so that what is measured is the runtime.
Every figure is of this run, and ratios are within it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.manifest import Input
from wtsnet.trt import driver, library

FRAME = (640, 640, 3)
KEPT = 16
"""Bytes of its input that the engine gives, for each row."""
Figures = dict[str, float]


class Trivial:
    """An ICudaEngine over uint8 whose output is the beginning of its input, and whose work is one small copy."""

    num_io_tensors = 2

    def __init__(self, row: tuple[int, ...]) -> None:
        self.row = row
        self.copy = ctypes.CDLL(library()).cuMemcpyDtoDAsync_v2
        self.copy.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p)

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> Any:
        mode = tensorrt.module().TensorIOMode
        return mode.INPUT if name == "x" else mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return tensorrt.dtype("uint8")

    def get_tensor_location(self, name: str) -> Any:
        return tensorrt.module().TensorLocation.DEVICE

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self.row) if name == "x" else (-1, KEPT)

    def create_execution_context(self) -> Execution:
        return Execution(self)


class Execution:
    """Its IExecutionContext."""

    def __init__(self, engine: Trivial) -> None:
        self.engine = engine
        self.batch, self.addresses = 0, {"x": 0, "y": 0}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.batch = shape[0]
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def infer_shapes(self) -> list[str]:
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.batch, KEPT)

    def execute_async_v3(self, handle: int) -> bool:
        return self.engine.copy(self.addresses["y"], self.addresses["x"], KEPT * self.batch, handle) == 0  # type: ignore[no-any-return]  # ctypes


def runner_of(row: tuple[int, ...] = FRAME, **options: Any) -> Any:
    from wtsnet.runtime.tensorrt import TensorRTRunner

    low, high = [1, *row], [64, *row]
    x: Input = {"name": "x", "dtype": "uint8", "shape": [-1, *row], "min": low, "opt": low, "max": high}
    return TensorRTRunner(Trivial(row), {"x": x}, **options)


def seconds(call: Callable[[], Any], count: int, warm_up: int = 200) -> float:
    """The median time of a call."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def bandwidth() -> Figures:
    """Bytes a second between page-locked memory and the device, by CUDA events, the best of 10."""
    import pycuda.driver as cuda

    from wtsnet.runtime.cuda import device, stream

    with device(0):
        size, line, events = 256 << 20, stream(), [cuda.Event(), cuda.Event()]
        host, there = cuda.pagelocked_empty(size, np.uint8), cuda.mem_alloc(size)
        ways: dict[str, Callable[[], None]] = {
            "host_to_device": partial(cuda.memcpy_htod_async, there, host, line),
            "device_to_host": partial(cuda.memcpy_dtoh_async, host, there, line),
        }
        found = {}
        for name, copy in ways.items():
            times = []
            for _ in range(10):
                events[0].record(line)
                copy()
                events[1].record(line)
                line.synchronize()
                times.append(events[0].time_till(events[1]) / 1000)
            found[name] = size / min(times)
        there.free()
        host.base.free()
    return found


def pipeline(batch: int, frames: int, **options: Any) -> Figures:
    """Frames a second through `stream`, from memory of `empty`, over and over."""
    with runner_of(**options) as runner:
        ring = runner.empty("x", (2 * options["contexts"] + 1, batch, *FRAME))
        ring[...] = np.arange(len(ring), dtype=np.uint8).reshape(-1, 1, 1, 1, 1)

        def source(count: int) -> Iterator[dict[str, Any]]:
            for i in range(count):
                yield {"x": ring[i % len(ring)]}

        for _ in runner.stream(source(200)):
            pass
        rates = []
        for _ in range(5):
            start = time.perf_counter()
            for i, outputs in enumerate(runner.stream(source(frames // batch))):
                if outputs["y"][0, 0] != i % len(ring):
                    raise SystemExit(f"frame {i}: found {outputs['y'][0, 0]}, expected {i % len(ring)}")
            rates.append(frames / (time.perf_counter() - start))
    return {"frames_per_second": max(rates), "bytes_per_second": max(rates) * prod(FRAME)}


def bare(row: tuple[int, ...]) -> Callable[[], None]:
    """The sequence of calls that a runner can't do without, from and to page-locked memory, on one stream."""
    import pycuda.driver as cuda

    from wtsnet.runtime.cuda import device, stream

    gpu = device(0)
    gpu.__enter__()
    host_x, host_y = cuda.pagelocked_empty(prod(row), np.uint8), cuda.pagelocked_empty(KEPT, np.uint8)
    x, y, line = cuda.mem_alloc(host_x.nbytes), cuda.mem_alloc(KEPT), stream()
    execution, handle = Trivial(row).create_execution_context(), line.handle
    execution.set_input_shape("x", (1, *row))

    def call() -> None:
        execution.set_tensor_address("x", int(x))
        execution.set_tensor_address("y", int(y))
        cuda.memcpy_htod_async(x, host_x, line)
        execution.execute_async_v3(handle)
        cuda.memcpy_dtoh_async(host_y, y, line)
        line.synchronize()

    return call


def overhead() -> Figures:
    """Seconds a call, by the bare sequence and by a runner; numpy arrays, and arrays of `empty`."""
    from wtsnet.runtime.cuda import device

    found = {}
    for name, row in (("frame", FRAME), ("1 KB", (1024,))):
        found[f"{name}, bare"] = seconds(bare(row), 3000)
        device(0).__exit__(None, None, None)
        for graph in (False, True):
            with runner_of(row, graph=graph) as runner:
                kind = ", graph" if graph else ""
                x = runner.empty("x", (1, *row))
                x[...] = 7
                found[f"{name}, runner{kind}"] = seconds(partial(runner, x=x), 3000)
                found[f"{name}, runner{kind}, numpy input"] = seconds(partial(runner, x=x.copy()), 3000)
    return found


def threads(count: int, calls: int, **options: Any) -> Figures:
    """Calls a second from many threads, and whether each got what one thread gets."""
    rows = np.random.default_rng(0).integers(0, 256, (calls, 1, 1024), np.uint8)
    with runner_of((1024,), **options) as runner:
        start = time.perf_counter()
        alone = [runner(x=row)["y"].tobytes() for row in rows]
        one = time.perf_counter() - start
        with ThreadPoolExecutor(count) as pool:
            start = time.perf_counter()
            made = list(pool.map(lambda _: [runner(x=row)["y"].tobytes() for row in rows], range(count)))
            all_ = time.perf_counter() - start
    return {
        "identical": float(all(results == alone for results in made)),
        "calls_per_second_of_one_thread": calls / one,
        "calls_per_second": count * calls / all_,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--contexts", type=int, default=4, help="of the pipeline and the threads")
    options = parser.parse_args(arguments)
    found = driver()
    if found.problem:
        print(found.problem, file=sys.stderr)
        return 2
    figures: dict[str, Any] = {"gpu": found.gpus[0].name, "cuda": found.cuda, "bandwidth": bandwidth()}
    most = figures["bandwidth"]["host_to_device"]
    print(f"{found.gpus[0].name}, CUDA {found.cuda}, Python {sys.version.split()[0]}")
    for way, rate in figures["bandwidth"].items():
        print(f"pinned copy, {way.replace('_', ' ')}: {rate / 1e9:.1f} GB/s")
    figures["pipeline"] = {}
    for batch in (1, 8):
        for graph in (False, True):
            made = pipeline(batch, 8000, contexts=options.contexts, graph=graph)
            made["share"] = made["bytes_per_second"] / most
            name = f"batch {batch}{', graph' if graph else ''}"
            figures["pipeline"][name] = made
            print(
                f"uint8 640×640×3 frames, {name}: {made['frames_per_second']:,.0f} frames/s, "
                f"{made['bytes_per_second'] / 1e9:.1f} GB/s, {made['share']:.1%} of the pinned copy"
            )
    figures["overhead"] = overhead()
    for name, value in figures["overhead"].items():
        base = figures["overhead"][f"{name.split(',')[0]}, bare"]
        print(f"a call, {name}: {value * 1e6:.1f} µs ({(value - base) * 1e6:+.1f})")
    figures["threads"] = threads(16, 1000, contexts=options.contexts)
    same = "bit-identical to" if figures["threads"]["identical"] else "NOT THE SAME as"
    print(
        f"16 threads × 1,000 calls: {same} one thread; {figures['threads']['calls_per_second']:,.0f} calls/s "
        f"(one thread: {figures['threads']['calls_per_second_of_one_thread']:,.0f})"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 0 if figures["threads"]["identical"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
