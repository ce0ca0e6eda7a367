"""How fast wtsnet.wts reads and writes, next to what the interpreter itself can do with the same data.

    python tools/bench_wts.py                       # a file of YOLOv5x's size: 87 M values, 780 MB of text
    python tools/bench_wts.py --values 2000000      # a small one
    python tools/bench_wts.py --json

Each figure is the median over the repeats, in which the things compared take turns. Values are random bits.
Time is this process's on the CPU, so the file should be in the page cache (it is, having just been written)
and other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import struct
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from wtsnet.wts import read_wts, write_wts

T = TypeVar("T")

MEGA = 1e6
LOOP_VALUES = 200_000  # what the loops, 30 times slower, are timed on
READ_FLOOR, WRITE_FLOOR = 0.7, 0.6
MEMORY_FACTOR, MEMORY_EXTRA = 1.2, 60 * MEGA


def yolov5x() -> Iterator[int]:
    """The number of values of each of YOLOv5x's 745 state-dict entries."""

    def conv(inputs: int, outputs: int, kernel: int) -> Iterator[int]:
        yield inputs * outputs * kernel * kernel
        yield from (outputs, outputs, outputs, outputs, 1)  # batch norm

    def c3(inputs: int, outputs: int, depth: int) -> Iterator[int]:
        half = outputs // 2
        for _ in range(2):
            yield from conv(inputs, half, 1)
        yield from conv(outputs, outputs, 1)
        for _ in range(depth):
            yield from conv(half, half, 1)
            yield from conv(half, half, 3)

    yield from conv(3, 80, 6)
    for width, depth in ((160, 4), (320, 8), (640, 12), (1280, 4)):
        yield from conv(width // 2, width, 3)
        yield from c3(width, width, depth)
    yield from conv(1280, 640, 1)  # pyramid pooling
    yield from conv(2560, 1280, 1)
    for width in (640, 320):
        yield from conv(2 * width, width, 1)
        yield from c3(2 * width, width, 4)
    for width in (320, 640):
        yield from conv(width, width, 3)
        yield from c3(2 * width, 2 * width, 4)
    yield 18  # anchors
    for width in (320, 640, 1280):
        yield from (255 * width, 255)


def make(path: str, values: int) -> None:
    """Write a .wts of random bits with about `values` values, laid out as YOLOv5x's."""
    sizes = list(yolov5x())
    share = values / sum(sizes)
    bits = {f"model.{i}.weight": os.urandom(4 * max(1, round(share * size))) for i, size in enumerate(sizes)}
    write_wts(path, {name: memoryview(data).cast("f") for name, data in bits.items()})


def peak(path: str) -> int:
    """Read every entry and hold it; the process's peak resident memory in bytes."""
    held = dict(read_wts(path))
    scale = 1 if sys.platform == "darwin" else 1024
    return scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if held else 0


def apart(function: Callable[..., T], *arguments: object) -> T:
    """Call `function` in a fresh process: its memory is neither this one's nor this one's to keep."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def timed(function: Callable[..., object], *arguments: object) -> float:
    start = time.process_time()
    result = function(*arguments)
    seconds = time.process_time() - start
    del result
    return seconds


def read_once(path: str, texts: list[str]) -> dict[str, float]:
    """Seconds to read the whole file, and for fromhex over the same text in memory; entry by entry, in turns."""
    start = time.process_time()
    file = read_wts(path)
    ours = time.process_time() - start
    kept = dropped = 0.0
    held: dict[str, array[float]] = {}
    raw: list[bytes] = []
    for name, text in zip(file, texts, strict=True):
        start = time.process_time()
        held[name] = file[name]
        middle = time.process_time()
        raw.append(bytes.fromhex(text))
        kept += time.process_time() - middle
        ours += middle - start
    for text in texts:
        dropped += timed(bytes.fromhex, text)
    return {"read_wts": ours, "fromhex": kept, "fromhex, results dropped": dropped}


def write_once(path: str, data: dict[str, array[float]]) -> dict[str, float]:
    """Seconds to write the whole file, and for bytes.hex over the same values."""
    raw = [values.tobytes() for values in data.values()]
    hexed = sum(timed(bytes.hex, values, " ", 4) for values in raw)
    ours = timed(write_wts, path, data)
    os.unlink(path)
    return {"write_wts": ours, "hex": hexed}


def loop_read(text: str) -> list[float]:
    return [struct.unpack("!f", bytes.fromhex(token))[0] for token in text.split()]


def loop_write(values: array[float]) -> str:
    text = ""
    for value in values:
        text += " "
        text += struct.pack(">f", float(value)).hex()
    return text


def loops() -> dict[str, float]:
    """MB of text a second of the usual loops over single values."""
    values = array("f", os.urandom(4 * LOOP_VALUES))
    text = values.tobytes().hex(" ", 4)
    size = 9 * LOOP_VALUES / MEGA
    return {"read": size / timed(loop_read, text), "write": size / timed(loop_write, values)}


def measure(values: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.wts")
        apart(make, path, values)
        memory = apart(peak, path)  # before this process grows: a child's peak counts its parent's at the start
        file = read_wts(path)
        counts = [file.count(name) for name in file]
        text = 9 * sum(counts) / MEGA
        with open(path) as lines:
            texts = [line.split("  ", 1)[1].rstrip("\n") for line in islice(lines, 1, None)]
        reads = [read_once(path, texts) for _ in range(repeats)]
        del texts
        data = dict(file)
        writes = [write_once(str(Path(folder) / "again.wts"), data) for _ in range(repeats)]
    rates = {name: text / statistics.median(run[name] for run in runs) for runs in (reads, writes) for name in runs[0]}
    limit = MEMORY_FACTOR * 4 * sum(counts) + MEMORY_EXTRA
    return {
        "values": sum(counts),
        "entries": len(counts),
        "largest": max(counts),
        "repeats": repeats,
        "rates_mb_s": rates,
        "loops_mb_s": loops(),
        "read_ratio": statistics.median(run["fromhex"] / run["read_wts"] for run in reads),
        "write_ratio": statistics.median(run["hex"] / run["write_wts"] for run in writes),
        "peak_mb": memory / MEGA,
        "peak_limit_mb": limit / MEGA,
    }


def show(result: dict[str, Any]) -> None:
    title = f"{result['values']:,} values in {result['entries']} entries, median of {result['repeats']}"
    table = Table("", "MB of text / s", "ratio", "wanted", title=title)
    rates, loops = result["rates_mb_s"], result["loops_mb_s"]
    table.add_row(
        "read_wts, every entry", f"{rates['read_wts']:,.0f}", f"{result['read_ratio']:.2f}", f">= {READ_FLOOR}"
    )
    table.add_row("bytes.fromhex, results kept", f"{rates['fromhex']:,.0f}", "1", "")
    table.add_row("bytes.fromhex, results dropped", f"{rates['fromhex, results dropped']:,.0f}", "", "")
    table.add_row("a loop over the values", f"{loops['read']:,.0f}", "", "")
    table.add_section()
    table.add_row("write_wts", f"{rates['write_wts']:,.0f}", f"{result['write_ratio']:.2f}", f">= {WRITE_FLOOR}")
    table.add_row("bytes.hex(' ', 4)", f"{rates['hex']:,.0f}", "1", "")
    table.add_row("a loop over the values", f"{loops['write']:,.0f}", "", "")
    table.add_section()
    peak, limit = result["peak_mb"], result["peak_limit_mb"]
    table.add_row("peak memory of reading, MB", f"{peak:,.0f}", "", f"<= {limit:,.0f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure wtsnet.wts.")
    parser.add_argument("--values", type=int, default=sum(yolov5x()), help="about how many values to use")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    result = measure(options.values, options.repeats)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
