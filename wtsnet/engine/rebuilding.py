"""Building a plan again, as its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wtsnet import trt as tensorrt
from wtsnet.engine.building import build
from wtsnet.engine.engine import Engine
from wtsnet.errors import EngineError
from wtsnet.manifest import PlanManifest, manifest_path
from wtsnet.network import Weights

if TYPE_CHECKING:
    import os
    from collections.abc import Callable


def rebuild(
    plan: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    *,
    cache: str | os.PathLike[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Engine:
    """Build again what a plan's manifest tells of: model, options, flags, target, workspace and level; for the TensorRT
    that is installed. The plan itself is not read.

    Args:
        plan: its path; the manifest lies beside it.
        weights: a .wts in place of the plan's own. What its manifest tells of the architecture is taken; where it has
            none, what the plan's manifest tells.
        cache, progress: as for `wtsnet.build`.

    Raises:
        ManifestError: there is no manifest, or it is malformed.
        EngineError: the manifest names no model, the model's file or the weights are gone, or the weights have changed.
            Of the model's file what it says now is built.
        WtsnetError: as `wtsnet.build`.
    """
    manifest = PlanManifest.read(manifest_path(plan))
    old = Engine(b"", manifest, path=Path(plan))
    if not manifest.model or manifest.weights["file"] is None:
        raise EngineError(f"{manifest_path(plan)}: found no model and weights, so it can't be built again")
    store = old.weights() if weights is None else Weights(weights)
    if weights is None or store.manifest is None:
        store = store.told(manifest.architecture)
    return build(
        old.model(),
        store,
        target=_target(manifest),
        cache=cache,
        flags=manifest.flags,
        workspace=manifest.workspace,
        level=manifest.level,
        progress=progress,
        **old.options(),
    )


def _target(manifest: PlanManifest) -> list[str] | None:
    """The target to ask for: full TensorRT notes which GPU "current" was, and builds for the one at hand."""
    if not manifest.target or (tensorrt.flavour() == "tensorrt" and manifest.target != ["ampere_plus"]):
        return None
    return manifest.target
