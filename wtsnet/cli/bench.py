"""`wtsnet bench`."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from wtsnet.bench import bench as measure
from wtsnet.cli.options import model_options, print_columns
from wtsnet.cli.plans import load_plan
from wtsnet.errors import EngineError, RunnerError
from wtsnet.manifest import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def bench(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan with its manifest; on a GPU that it fits, any.")],
    batch: Annotated[
        int | None, typer.Option(min=1, help="The batch, within the plan's profile.", show_default="the usual one")
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHAPE",
            help="An input's shape within the plan's profile, as in x=1x3x8x8; may be given several times.",
            show_default="the usual one",
        ),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", "--input", help="An .npz of the inputs by name.", show_default="random")
    ] = None,
    warm_up: Annotated[float, typer.Option(metavar="SECONDS", help="For how long to run before.")] = 0.2,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="For how long to measure.")] = 3.0,
    iterations: Annotated[int, typer.Option(min=1, help="How many runs to measure at least.")] = 10,
    percentile: Annotated[
        str, typer.Option(metavar="P,…", help="Which percentiles of the latency to tell, in %.")
    ] = "50,90,95,99",
    copies: Annotated[
        bool,
        typer.Option("--copies/--no-copies", help="From and to page-locked host memory, or all left on the GPU."),
    ] = True,
    streams: Annotated[int, typer.Option(min=1, help="How many runs are in flight, each in its own context.")] = 1,
    graph: Annotated[bool, typer.Option("--graph", help="Replay the engine's work from a CUDA graph.")] = False,
    runner: Annotated[str, typer.Option(metavar="auto|tensorrt|reference", help="What executes the plan.")] = "auto",
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda|cuda:N|N", help="Where it runs.", show_default="the first GPU")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write the figures there as JSON; - for nothing else on stdout."),
    ] = None,
) -> None:
    """Measure latency, throughput and copies of a plan; where no GPU fits it, those of the reference runtime.

    Example: wtsnet bench yolov5s.plan --streams 4 --graph --json yolov5s.json
    """
    percentiles = _percentiles(percentile)
    shapes = _shapes(shape)
    engine = load_plan(plan)
    with ExitStack() as stack:
        target = None if json in (None, "-") else _opened(stack, str(json))
        with _bar() as progress:
            found = measure(
                engine,
                runner=runner,
                device=int(device) if device and device.isdecimal() else device,
                inputs=inputs,
                batch=batch,
                shapes=shapes,
                warm_up=warm_up,
                duration=duration,
                iterations=iterations,
                copies=copies,
                streams=streams,
                graph=graph,
                progress=progress,
            )
        figures = {"plan": str(plan), **found.to_dict(percentiles)}
        text = dumps(figures, indent=1, ensure_ascii=False)
        if target is not None:
            target.write_text(text + "\n", "utf-8")
    if json == "-":
        print(text)
    else:
        _show(figures)


def _percentiles(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 <= percent <= 100 for percent in found):
        raise RunnerError(f"--percentile: found {text!r}, expected numbers from 0 to 100, as in 50,99.9")
    return found


def _shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]] | None:
    shapes = model_options(shape=texts).get("shapes")
    for name, shape in (shapes or {}).items():
        if isinstance(shape[0], tuple):
            raise RunnerError(f"--shape: found a range for {name}, expected one shape, as in {name}=1x3x224x224")
    return shapes


def _opened(stack: ExitStack, json: str) -> Path:
    """A temporary file that takes the place of FILE at the end: what prevents that is known before anything runs."""
    try:
        (part,) = stack.enter_context(whole(json))
    except OSError as error:
        raise EngineError(f"{json}: can't be written ({error.strerror})") from None
    return part


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None] | None]:
    """What shows a bar on stderr, if that is a terminal, and draws only when it is told: no thread of it disturbs."""
    bar = Progress(console=Console(stderr=True), transient=True, auto_refresh=False)
    if not bar.console.is_terminal:
        yield None
        return
    tasks: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, refresh=True)

    with bar:
        yield progress


def _show(figures: dict[str, Any]) -> None:
    inputs = ", ".join(f"{name} {'×'.join(map(str, shape)) or '()'}" for name, shape in figures["inputs"].items())
    streams, latency = figures["streams"], figures["latency_ms"]
    print(f"{figures['plan']}: {inputs}; {figures['tensorrt']}")
    print(figures["reason"])
    how = (
        f"{streams} stream{'s' if streams > 1 else ''}",
        "with copies" if figures["copies"] else "without copies",
        "with a graph" if figures["graph"] else "without a graph",
    )
    runs, seconds = figures["inferences"], figures["seconds"]
    print(f"{runs:,} inferences in {seconds:.2f} s, {', '.join(how)}, after {figures['warm_up_s']:g} s of warm-up")
    pictures = figures["pictures_per_second"]
    print(
        f"throughput: {figures['inferences_per_second']:,.1f} inferences/s"
        + ("" if pictures is None else f", {pictures:,.1f} pictures/s")
    )
    print()
    columns = {name: latency[name] for name in ("min", "mean", "median", "max")}
    columns |= {f"{percent} %": value for percent, value in latency["percentiles"].items()}
    print_columns([("latency", *columns), ("ms", *(f"{value:.3f}" for value in columns.values()))])
    print()
    rows = [
        (
            name.replace("_", " "),
            f"{stage['mean_ms']:.3f}",
            f"{stage['bytes']:,.0f}" if stage["bytes"] else "",
            "" if stage["gb_per_second"] is None else f"{stage['gb_per_second']:.2f}",
        )
        for name, stage in figures["stages"].items()
        if stage["mean_ms"]
    ]
    print_columns([("stage", "mean ms", "bytes", "GB/s"), *rows])
    if streams > 1:
        print(f"with {streams} streams the time of a stage contains its wait for the others")
