"""An engine to get results from: loaded, called by a name, and what its manifest says of its outputs."""

from __future__ import annotations

import os
from typing import Any

from wtsnet.decode import TASKS, Decoder
from wtsnet.engine import Engine, load
from wtsnet.errors import EngineError, ManifestError, ModelError


def engine_of(given: Engine | str | os.PathLike[str]) -> Engine:
    """An engine, or that of the plan at a path.

    Raises:
        EngineError: neither, or the plan can't be loaded.
        ManifestError: its manifest is missing or malformed.
    """
    if isinstance(given, Engine):
        return given
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        found = repr(given) if isinstance(given, str) else type(given).__name__
        raise EngineError(f"engine: found {found}, expected an Engine, or the path of a plan")
    return load(given)


def name_of(engine: Engine) -> str:
    """What an engine is called in messages."""
    return str(engine.path or engine.manifest.model)


def decoder_of(engine: Engine, raw: bool, **asked: Any) -> Decoder | None:
    """What makes results of an engine's outputs; None where these are wanted `raw`.

    Args:
        asked: `conf`, `iou` and `limit`, as of `Decoder`.

    Raises:
        ManifestError: the manifest does not say what the outputs mean, or they are others than the task reads.
        ModelError: an option that has no meaning for the task, or a value that it can't take.
    """
    if raw:
        for name, value in asked.items():
            if value is not None:
                raise ModelError(f"{name} is {value!r}, but has no meaning for raw outputs")
        return None
    manifest = engine.manifest
    task = manifest.decode.get("task")
    own = engine.decoder() if isinstance(task, str) and task not in TASKS else None
    try:
        decoder = Decoder(manifest.decode, manifest.names or None, own=own, **asked)
        decoder.check(manifest.outputs)
    except ManifestError as error:
        raise ManifestError(f"{name_of(engine)}: {error}; --raw takes the outputs as they are") from None
    return decoder
