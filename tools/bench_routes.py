"""From a YOLOv5s checkpoint to a plan: our route against torch.onnx.export, TensorRT's parser and the same build.

    python -m tools.bench_routes [--repeats 5] [--json]

Each run is a process of its own, the routes in turn, so that memory is each route's own and a slow moment of the
machine meets both. Times begin when the imports are done. Both networks give upstream's decoded output.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

ROUTES = ("wts", "onnx")
APART = ("define", "plan")  # figures that are no part of the total: "build" defines, too


def wts_route(checkpoint: Path, folder: Path) -> dict[str, float]:
    """Checkpoint to .wts and manifest, then read, define and build; and, outside of the total, the definition alone."""
    import torch  # noqa: F401  # loaded before the clock starts, as in the other route

    from wtsnet import trt as tensorrt
    from wtsnet.builder import build
    from wtsnet.checkpoint import export
    from wtsnet.definition import define
    from wtsnet.weights import Weights

    tensorrt.module()
    clock = _Clock()
    export(checkpoint, folder / "model.wts")
    clock.lap("export")
    engine = build("yolov5", folder / "model.wts", head="decoded")
    clock.lap("build")
    steps = dict(clock.laps)
    store = Weights(folder / "model.wts")
    values = dict(store.flat())
    clock.lap("read")
    define("yolov5", Weights(values).told(store.facts), head="decoded")
    clock.lap("define")
    return steps | {"define": clock.laps["define"], "plan": len(engine.plan) / 1e6}


def onnx_route(checkpoint: Path, folder: Path) -> dict[str, float]:
    """Checkpoint to a module, ONNX file, parser, build."""
    import onnx  # noqa: F401  # loaded before the clock starts
    import torch

    from tools.record import load_module
    from wtsnet import trt as tensorrt

    trt = tensorrt.module()
    clock = _Clock()
    model = load_module(checkpoint).float().eval()
    clock.lap("load")
    path = folder / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(1, 3, 640, 640),), str(path), dynamo=False, input_names=["images"])
    clock.lap("export")
    made = tensorrt.builder()
    network = tensorrt.create_network(made)
    parser = trt.OnnxParser(network, tensorrt.logger())
    if not parser.parse_from_file(str(path)):
        raise SystemExit(f"the parser refuses {path}: {parser.get_error(0).desc()}")
    clock.lap("parse")
    config = made.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    plan = made.build_serialized_network(network, config)
    clock.lap("build")
    return clock.laps | {"plan": plan.nbytes / 1e6}


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = now - self._last
        self._last = now


def run_route(route: str, checkpoint: Path) -> dict[str, float]:
    """One run of a route in this process: seconds of each step, `total`, `plan` in MB and peak `memory` in MB."""
    with tempfile.TemporaryDirectory() as folder:
        steps = {"wts": wts_route, "onnx": onnx_route}[route](checkpoint, Path(folder))
    total = sum(value for name, value in steps.items() if name not in APART)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return steps | {"total": total, "memory": memory}


def make_checkpoint(path: Path) -> None:
    """A YOLOv5s with random weights, saved as trainers do."""
    import torch

    from tools.yolov5_torch import DetectionModel, layout

    torch.manual_seed(0)
    torch.save({"model": DetectionModel(layout(80, 0.33, 0.5)).half()}, path)


def compare(repeats: int) -> dict[str, Any]:
    """The medians of each route, and the median of the ratio of the totals, run by run."""
    runs: dict[str, list[dict[str, float]]] = {route: [] for route in ROUTES}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "yolov5s.pt"
        make_checkpoint(checkpoint)
        for _ in range(repeats):
            for route in ROUTES:
                command = [
                    sys.executable,
                    "-m",
                    "tools.bench_routes",
                    "--route",
                    route,
                    "--checkpoint",
                    str(checkpoint),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs[route].append(json.loads(done.stdout.splitlines()[-1]))
    medians = {route: {key: median(run[key] for run in runs[route]) for key in runs[route][0]} for route in ROUTES}
    ratios = [onnx["total"] / wts["total"] for wts, onnx in zip(runs["wts"], runs["onnx"], strict=True)]
    return {
        **medians,
        "times faster": median(ratios),
        "memory ratio": medians["wts"]["memory"] / medians["onnx"]["memory"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="From a YOLOv5s checkpoint to a plan, by two routes.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.route:
        print(json.dumps(run_route(options.route, options.checkpoint)))
        return
    figures = compare(options.repeats)
    if options.json:
        print(json.dumps(figures))
        return
    table = Table("route", "steps (s)", "total (s)", "peak memory (MB)", "plan (MB)", box=None, pad_edge=False)
    for route in ROUTES:
        one = figures[route]
        steps = ", ".join(f"{name} {one[name]:.2f}" for name in one if name not in ("total", "memory", *APART))
        table.add_row(route, steps, f"{one['total']:.2f}", f"{one['memory']:.0f}", f"{one['plan']:.1f}")
    Console().print(table)
    print(f"defining the network from a read .wts: {figures['wts']['define']:.2f} s")
    print(f"{figures['times faster']:.2f} times faster, with {figures['memory ratio']:.2f} of the memory")


if __name__ == "__main__":
    main()
