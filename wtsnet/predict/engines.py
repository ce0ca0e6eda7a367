"""An engine to get results from: what its manifest must say, and the runner that executes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtsnet.decode import TASKS, Decoder
from wtsnet.engine import Engine, load
from wtsnet.errors import ManifestError, ModelError

if TYPE_CHECKING:
    from typing_extensions import Self

    from wtsnet.runtime import Runner


class Running:
    """An engine and a runner of it. Closing it closes the runner where this made it, as the end of a `with` does.

    Attributes:
        engine: its manifest tells what pictures become and what the outputs mean.
        task: what the manifest tells.
        runner: what executes it.
    """

    def __init__(self, engine: Engine | str | os.PathLike[str]) -> None:
        self.engine = engine if isinstance(engine, Engine) else load(engine)
        self.task = str(self.engine.manifest.decode.get("task"))
        self.runner: Runner
        self._owned: Runner | None = None

    def _run_with(self, runner: Runner | str, options: Mapping[str, Any]) -> None:
        """Take a runner, or make one of a kind: the last thing that is done, after all that may be wrong."""
        if isinstance(runner, str):
            self._owned = runner = self.engine.runner(runner, **options)
        elif options:
            raise TypeError(f"unexpected {', '.join(options)}: options of a runner go with a kind of runner")
        self.runner = runner

    def close(self) -> None:
        """Close the runner, where one was made for this."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


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
    own = None if manifest.decode.get("task") in TASKS else engine.decoder()
    try:
        decoder = Decoder(manifest.decode, manifest.names or None, own=own, **asked)
        decoder.check(manifest.outputs)
    except ManifestError as error:
        raise ManifestError(f"{name_of(engine)}: {error}; --raw takes the outputs as they are") from None
    return decoder
