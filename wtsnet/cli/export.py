"""`wtsnet export`, which `tools/gen_wts.py` runs too."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wtsnet.checkpoint import export as export_checkpoint
from wtsnet.checkpoint import norms_without_eps
from wtsnet.cli.options import late_progress
from wtsnet.manifest import manifest_path


def export(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .pt, .pth or .safetensors file.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The .wts to write.", show_default="the checkpoint's name with .wts"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Which part of a checkpoint, as in ema or student.model.",
            show_default="ema, else model, else state_dict, else all of it",
        ),
    ] = None,
    strip_prefix: Annotated[
        str, typer.Option(help="What to remove from the beginning of names, as in module.", show_default=False)
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but write files.")] = False,
) -> None:
    """Write a PyTorch checkpoint's weights to a .wts, and what else it tells to a manifest beside it.

    The checkpoint's code is neither needed nor run.

    Example: wtsnet export yolov5s.pt -o yolov5s.wts
    """
    target = out or source.with_suffix(".wts")
    with late_progress() as progress:
        manifest = export_checkpoint(
            source,
            target,
            key=key,
            strip_prefix=strip_prefix,
            dry_run=dry_run,
            progress=partial(progress, f"Writing {target.name}"),
        )
    taken = manifest.source["key"]
    values = sum(math.prod(entry["shape"]) for entry in manifest.entries.values())
    facts = ", ".join(manifest.architecture) or "none"
    print(f"{source}{f', {taken}' if taken else ''}: {len(manifest.entries):,} entries, {values:,} values")
    print(f"facts: {facts}; eps of {len(manifest.bn_eps)} batch norms")
    if unknown := len(norms_without_eps(manifest)):
        norms = f"{unknown:,} batch norm{'' if unknown == 1 else 's'}"
        print(f"batch-norm eps unknown for {norms}: 1e-5 assumed, or what the model's definition says")
    if dry_run:
        print(f"{target} would be written, and {manifest_path(target).name} beside it")
    else:
        print(f"{target}: {target.stat().st_size:,} bytes, and {manifest_path(target).name} beside it")
