"""`wtsnet rebuild`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from wtsnet import trt as tensorrt
from wtsnet.cli.build import say_built
from wtsnet.cli.options import check_target, late_progress
from wtsnet.engine import rebuild as rebuild_engine


def rebuild(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan with its manifest; the manifest alone will do.")],
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="Another .wts.", show_default="the one of the plan")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The plan to write.", show_default="PLAN, in the place of the old"),
    ] = None,
) -> None:
    """Build a plan again as its manifest says: the same model, options, flags and target, with other weights or for the
    TensorRT that is installed now.

    Example: wtsnet rebuild yolov5s.plan -w finetuned.wts -o finetuned.plan
    """
    check_target(out or plan, weights)
    began = perf_counter()
    with late_progress() as progress, tensorrt.log.listening() as lines:
        engine = rebuild_engine(plan, weights, progress=progress)
    engine.save(out or plan)
    say_built(engine, out or plan, perf_counter() - began, lines)
