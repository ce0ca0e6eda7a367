"""`wtsnet build`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from wtsnet import trt as tensorrt
from wtsnet.cli.options import (
    Batch,
    FoldBn,
    Head,
    ImageSize,
    Input,
    Mean,
    Names,
    Order,
    Precision,
    Preprocess,
    Set,
    Shape,
    Std,
    Task,
    check_target,
    late_progress,
    model_options,
    preprocess_option,
)
from wtsnet.definition import find, is_onnx, split
from wtsnet.engine import build as build_engine
from wtsnet.errors import EngineError
from wtsnet.manifest import manifest_path
from wtsnet.trt import BuildLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.engine import Engine


def build(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's name, FILE.py or FILE.py:NAME for one of yours, or an .onnx file."
        ),
    ],
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="The .wts; none for an .onnx file.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The plan to write.", show_default="MODEL.plan")
    ] = None,
    batch: Batch = None,
    imgsz: ImageSize = None,
    shape: Shape = None,
    precision: Precision = None,
    input: Input = None,
    preprocess: Preprocess = None,
    mean: Mean = None,
    std: Std = None,
    order: Order = None,
    task: Task = None,
    names: Names = None,
    head: Head = None,
    fold_bn: FoldBn = None,
    target: Annotated[
        str | None,
        typer.Option(help="The GPUs to build for, as in sm89 or sm86,sm89.", show_default="TensorRT's own choice"),
    ] = None,
    flag: Annotated[
        list[str] | None, typer.Option(help="A builder flag of TensorRT's, as in tf32; may be given several times.")
    ] = None,
    workspace: Annotated[int | None, typer.Option(help="The most scratch memory of a layer, in MiB.")] = None,
    level: Annotated[int | None, typer.Option(min=0, max=5, help="The builder's optimization level.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="A folder of engines: one that is there is not built again.")
    ] = None,
    set_: Set = None,
) -> None:
    """Build a plan from a .wts or an .onnx file, and write a manifest beside it. With TensorRT-RTX this needs no GPU.

    Example: wtsnet build yolov5s -w yolov5s.wts --precision fp16 --target sm89
    """
    plan = out or Path(f"{_name(model)}.plan")
    if not plan.absolute().parent.is_dir():
        raise EngineError(f"{plan}: can't be written (there is no folder {plan.parent})")
    check_target(plan, weights, model if is_onnx(model) else split(model)[0])
    began = perf_counter()
    with late_progress() as progress, tensorrt.log.listening() as lines:
        engine = build_engine(
            model,
            weights,
            target=target,
            cache=cache,
            flags=flag or (),
            workspace=workspace,
            level=level,
            progress=progress,
            **model_options(
                batch,
                imgsz,
                precision,
                head,
                fold_bn,
                set_,
                shape,
                input,
                preprocess_option(preprocess, mean, std, order),
                task,
                names,
            ),
        )
    engine.save(plan)
    say_built(engine, plan, perf_counter() - began, lines)


def _name(model: str) -> str:
    """What a plan is called that is given no name."""
    return Path(model).stem if is_onnx(model) else split(model)[1] or find(model).name


def say_built(engine: Engine, plan: Path, seconds: float, lines: Sequence[str]) -> None:
    """Print what was built.

    Args:
        plan: where it was saved.
        lines: of TensorRT's log.
    """
    manifest = engine.manifest
    takes = ", ".join(f"{t['name']} {t['dtype']} {t['shape']}" for t in manifest.inputs)
    gives = ", ".join(f"{t['name']} {t['dtype']} {t['shape']}" for t in manifest.outputs)
    print(f"{plan}: {len(engine.plan):,} bytes in {seconds:.2f} s, and {manifest_path(plan).name} beside it")
    print(f"{takes} -> {gives}")
    memory = BuildLog.of(lines)  # an engine that the cache held is not built, and TensorRT says nothing of it
    if memory.activation is not None and memory.weights is not None:
        print(f"on the GPU: weights {memory.weights:,} bytes, and {memory.activation:,} for each execution context")
