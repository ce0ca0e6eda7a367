"""The options that only the TensorRT runner knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = ("numpy", "device")
USUAL: dict[str, Any] = {"contexts": 1, "graph": False, "outputs": "numpy"}
"""What each is where it is not given: what every other runner does, too."""


def check_contexts(contexts: Any) -> None:
    """Raise RunnerError unless it is how many runs can be in flight at once."""
    if not isinstance(contexts, int) or contexts < 1:
        raise RunnerError(f"contexts: found {contexts!r}, expected a number from 1")


def on_device(outputs: Any) -> bool:
    """Whether outputs stay on the device; RunnerError for what is no place."""
    if outputs not in PLACES:
        raise RunnerError(f"outputs: found {outputs!r}, expected one of {', '.join(PLACES)}")
    return bool(outputs == "device")


def asked_for(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that ask for something that other runners do not do.

    Raises:
        RunnerError: a value that one of them can't take.
    """
    own = {name: value for name, value in options.items() if name in USUAL}
    given = USUAL | own
    check_contexts(given["contexts"])
    on_device(given["outputs"])
    return {name: value for name, value in own.items() if value != USUAL[name]}
