"""`wtsnet compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wtsnet.cli.options import Batch, FoldBn, Head, ImageSize, Precision, Set, Shape, model_options, print_columns
from wtsnet.proof import compare as compare_networks

_SIDE = "An .onnx file, a plan with its manifest, or MODEL:FILE.wts, as in yolov5s:yolov5s.wts."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", "--input", help="An .npz of the inputs by name, or a picture.", show_default="random"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, help="The largest relative error that passes.", show_default="by precision: 1e-5, 1e-2, 5e-2"
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda", help="Where the reference runtime runs.", show_default="cpu")
    ] = None,
    runner: Annotated[str, typer.Option(metavar="auto|tensorrt|reference", help="What executes a plan.")] = "reference",
    batch: Batch = None,
    imgsz: ImageSize = None,
    shape: Shape = None,
    precision: Precision = None,
    head: Head = None,
    fold_bn: FoldBn = None,
    set_: Set = None,
) -> None:
    """Run two networks on the same inputs and compare their outputs; exit 1 where they differ. The options of a network
    are for MODEL:FILE.wts and, --batch, --imgsz and --shape of them, for .onnx files; a plan has its own.

    Example: wtsnet compare yolov5s:yolov5s.wts yolov5s.onnx --head decoded
    """
    report = compare_networks(
        a,
        b,
        inputs=inputs,
        seed=seed,
        tolerance=tolerance,
        device=device,
        runner=runner,
        **model_options(batch, imgsz, precision, head, fold_bn, set_, shape),
    )
    rows = [
        (row.name, "×".join(map(str, row.shape)), row.dtype, f"{row.error:.2e}", f"{row.mean:.2e}", row.note)
        for row in report.rows
    ]
    print_columns([("output", "shape", "dtype", "max|a-b|/max|b|", "mean|a-b|/max|b|", ""), *rows])
    for name in report.unmatched:
        print(f"not compared: {name}")
    if (first := report.first) is None:
        print(f"all within {report.tolerance:g}")
        return
    print(f"the first beyond {report.tolerance:g}: {first.name}, {first.error:.2e}")
    raise typer.Exit(1)
