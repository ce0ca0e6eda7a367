"""From a checkpoint to a plan: our route against torch.onnx.export, TensorRT's parser and the same build.

    python -m tools.bench_routes [--model yolov5s] [--repeats 5] [--json]

Each run is a process of its own, the routes in turn, so that memory is each route's own and a slow moment of the
machine meets both. Times begin when the imports are done. Both networks give the same outputs: logits, and upstream's
decoded predictions. The figures of the engines are those that TensorRT's builder logs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tools.route_models import MODELS, Model
from wtsnet import trt as tensorrt
from wtsnet.checkpoint import export
from wtsnet.definition import define
from wtsnet.engine import build
from wtsnet.network import Weights
from wtsnet.trt import BuildLog

ROUTES = ("wts", "onnx")
ENGINE = {
    "layers": "layers before the build",
    "scratch": "scratch memory (bytes)",
    "activation": "activation memory (bytes)",
    "weights": "weight memory (bytes)",
    "plan": "plan (bytes)",
}


@dataclass
class Run:
    """One run of a route.

    Attributes:
        steps: seconds of each step.
        aside: seconds of what is no step of its own: the `build` of our route reads and defines, too.
        engine: the keys of ENGINE; None for what this TensorRT does not log.
        memory: the most that the process took, in MB.
    """

    steps: dict[str, float]
    aside: dict[str, float]
    engine: dict[str, int | None]
    memory: float = 0

    @property
    def total(self) -> float:
        return sum(self.steps.values())


def wts_route(model: Model, checkpoint: Path, folder: Path) -> Run:
    """Checkpoint to .wts and manifest, then read, define and build; and, aside, the reading and the definition."""
    wts = folder / "model.wts"
    tensorrt.module()  # imported before the clock starts
    steps = _Clock()
    export(checkpoint, wts)
    steps.lap("export")
    with tensorrt.log.listening() as lines:
        engine = build(model.name, wts, **model.options)
    steps.lap("build")
    aside = _Clock()
    store = Weights(wts)
    values = dict(store.flat())
    aside.lap("read")
    define(model.name, Weights(values).told(store.facts), **model.options)
    aside.lap("define")
    return Run(steps.laps, aside.laps, _engine(lines, len(engine.plan)))


def onnx_route(model: Model, checkpoint: Path, folder: Path) -> Run:
    """Checkpoint to a module, ONNX file, parser, build."""
    import onnx  # noqa: F401  # before the clock starts, and in this route alone

    model.imports()
    trt = tensorrt.module()
    clock = _Clock()
    module = model.load(checkpoint)
    clock.lap("load")
    export_onnx(module, model.shape, folder / "model.onnx")
    clock.lap("export")
    made = tensorrt.builder()
    network, _parser = parse(made, folder / "model.onnx")
    clock.lap("parse")
    config = made.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    with tensorrt.log.listening() as lines:
        plan = made.build_serialized_network(network, config)
    clock.lap("build")
    return Run(clock.laps, {}, _engine(lines, plan.nbytes))


def export_onnx(module: torch.nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """torch.onnx.export by tracing, as upstream's exporters do it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(shape),), str(path), dynamo=False, input_names=["images"])


def parse(made: Any, path: Path) -> tuple[Any, Any]:
    """The network that TensorRT's parser makes of an ONNX file, and the parser, which owns the network's weights."""
    network = tensorrt.create_network(made)
    parser = tensorrt.module().OnnxParser(network, tensorrt.logger())
    if not parser.parse_from_file(str(path)):
        raise SystemExit(f"the parser refuses {path}: {parser.get_error(0).desc()}")
    return network, parser


def _engine(lines: list[str], plan: int) -> dict[str, int | None]:
    logged = asdict(BuildLog.of(lines))
    return {name: plan if name == "plan" else logged[name] for name in ENGINE}


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = now - self._last
        self._last = now


def run_route(route: str, model: Model, checkpoint: Path) -> Run:
    """One run of a route in this process."""
    with tempfile.TemporaryDirectory() as folder:
        run = {"wts": wts_route, "onnx": onnx_route}[route](model, checkpoint, Path(folder))
    run.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return run


def run_apart(route: str, model: Model, checkpoint: Path) -> Run:
    """One run of a route in a process of its own."""
    command = [sys.executable, "-m", "tools.bench_routes", "--model", model.name]
    command += ["--route", route, "--checkpoint", str(checkpoint)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def compare(model: Model, repeats: int) -> dict[str, Any]:
    """For each route the medians of its runs and its engine; how many times faster ours is, and with what part of the
    memory. The ratio of the totals is the median of the pairs'."""
    runs: dict[str, list[Run]] = {route: [] for route in ROUTES}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.pt"
        model.save(checkpoint)
        for _ in range(repeats):
            for route in ROUTES:
                runs[route].append(run_apart(route, model, checkpoint))
    pairs = zip(runs["wts"], runs["onnx"], strict=True)
    wts, onnx = (_medians(runs[route]) for route in ROUTES)
    return {
        "wts": wts,
        "onnx": onnx,
        "times faster": median(theirs.total / ours.total for ours, theirs in pairs),
        "memory ratio": wts["memory"] / onnx["memory"],
    }


def _medians(runs: list[Run]) -> dict[str, Any]:
    """Of the seconds and the memory; the engine is the same every time."""
    first = runs[0]
    return {
        "steps": {name: median(run.steps[name] for run in runs) for name in first.steps},
        "aside": {name: median(run.aside[name] for run in runs) for name in first.aside},
        "total": median(run.total for run in runs),
        "memory": median(run.memory for run in runs),
        "engine": first.engine,
    }


def show(figures: dict[str, dict[str, Any]]) -> None:
    """Print what `compare` found, by model."""
    console = Console(width=100)
    times = Table("model", "route", "steps (s)", "total (s)", "peak memory (MB)", box=None, pad_edge=False)
    engines = Table("model", "engine", *ROUTES, "wts / onnx", box=None, pad_edge=False)
    for name, found in figures.items():
        for route in ROUTES:
            one = found[route]
            times.add_row(name, route, _seconds(one["steps"]), f"{one['total']:.2f}", f"{one['memory']:.0f}")
        for key, title in ENGINE.items():
            ours, theirs = (found[route]["engine"][key] for route in ROUTES)
            ratio = f"{ours / theirs:.3f}" if ours and theirs else "–"
            engines.add_row(name, title, *("–" if n is None else f"{n:,}" for n in (ours, theirs)), ratio)
    console.print(times)
    for name, found in figures.items():
        print(f"{name}: {found['times faster']:.2f} times faster, with {found['memory ratio']:.2f} of the memory")
        print(f"{name}, aside: {_seconds(found['wts']['aside'])}")
    print()
    console.print(engines)


def _seconds(steps: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in steps.items())


def main() -> None:
    parser = argparse.ArgumentParser(description="From a checkpoint to a plan, by two routes.")
    parser.add_argument("--model", choices=MODELS, help="one alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.route:
        print(json.dumps(asdict(run_route(options.route, MODELS[options.model], options.checkpoint))))
        return
    figures = {name: compare(model, options.repeats) for name, model in MODELS.items() if options.model in (None, name)}
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()
