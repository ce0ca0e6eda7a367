"""`wtsnet manifest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wtsnet.cli.plans import print_ports
from wtsnet.engine import Engine
from wtsnet.errors import ManifestError
from wtsnet.manifest import manifest_path


def manifest(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan, of trtexec's, Ultralytics' or another tool's.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the manifest goes.", show_default="PLAN.yaml")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a manifest that is there.")] = False,
) -> None:
    """Write the manifest of a plan that has none, as its engine tells it; the plan then loads as one of wtsnet's. That
    opens the plan on this machine's GPU and runs what is in it: only for plans from a source that you trust.

    Example: wtsnet manifest yolo11n.engine
    """
    target = out or manifest_path(plan)
    if target.exists() and not force:
        raise ManifestError(f"{target}: is there already; --force writes over it")
    found = Engine.of_plan(plan).manifest
    found.write(target)
    print(f"{target}: written")
    print_ports(found)
