"""`wtsnet verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wtsnet.cli.options import FoldBn, Head, ModelName, Precision, Set, late_progress, model_options, print_columns
from wtsnet.proof import verify as compare


def verify(
    model: ModelName,
    weights: Annotated[Path, typer.Option("--weights", "-w", help="The .wts.")],
    golden: Annotated[Path, typer.Option("--golden", "-g", help="What `wtsnet record` wrote.")],
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, help="The largest relative error that passes.", show_default="by precision: 1e-5, 1e-2, 5e-2"
        ),
    ] = None,
    precision: Precision = "fp32",
    head: Head = None,
    fold_bn: FoldBn = True,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Where the reference runtime runs.")] = "cpu",
    set_: Set = None,
) -> None:
    """Compare the network with what PyTorch computed, module by module; exit 1 where they differ.

    Example: wtsnet verify yolov5s -w yolov5s.wts -g golden.npz
    """
    options = model_options(precision=precision, head=head, fold_bn=fold_bn, set_=set_)
    with late_progress() as progress:
        report = compare(model, weights, golden, tolerance=tolerance, device=device, progress=progress, **options)
    worst = [(row.name, f"{row.error:.2e}", row.note) for row in report.worst]
    print_columns([("the worst ten", "max|a-b|/max|b|", ""), *worst])
    print(f"compared {len(report.rows)} outputs; {len(report.skipped)} are not in the network (folded or unnamed)")
    if (first := report.first) is None:
        print(f"all within {report.tolerance:g}")
        return
    detail = f" ({first.note})" if first.note else ""
    print(f"the first beyond {report.tolerance:g}: {first.name}, {first.error:.2e}{detail}")
    raise typer.Exit(1)
