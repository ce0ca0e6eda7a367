"""Plans as commands take and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.engine import load
from wtsnet.errors import warn
from wtsnet.manifest import manifest_path

if TYPE_CHECKING:
    from pathlib import Path

    from wtsnet.engine import Engine
    from wtsnet.manifest import PlanManifest


def load_plan(plan: Path) -> Engine:
    """The engine of a plan; of one without a manifest as it tells itself on this machine's GPU, and a note says so."""
    engine = load(plan, trust=True)
    if not manifest_path(plan).exists():
        warn(f"{plan}: no manifest beside it: names, shapes and profiles are the engine's own")
    return engine


def print_ports(manifest: PlanManifest) -> None:
    """Print what a plan takes and gives."""
    for tensor in manifest.inputs:
        ranges = ":".join("×".join(map(str, shape)) for shape in (tensor["min"], tensor["opt"], tensor["max"]))
        print(f"input {tensor['name']}: {tensor['dtype']} {ranges}")
    for output in manifest.outputs:
        print(f"output {output['name']}: {output['dtype']} {'×'.join(map(str, output['shape']))}")
