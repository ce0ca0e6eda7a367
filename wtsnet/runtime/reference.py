"""The reference runner of an engine: its network, executed by torch within the engine's profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError
from wtsnet.runtime import check_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.engine import Engine
    from wtsnet.reference import ReferenceRunner


def reference_runner(definition: Any, device: str | None = None) -> ReferenceRunner:
    """A `ReferenceRunner` of an INetworkDefinition.

    Args:
        device: "cpu" or "cuda"; None for "cuda" where torch finds one.

    Raises:
        RunnerError: torch is not installed, or finds no such device; a layer that the runtime does not execute.
    """
    try:
        import torch

        from wtsnet.reference import ReferenceRunner
    except ImportError as error:
        raise RunnerError(f"the reference runner needs torch ({error}); pip install torch") from None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise RunnerError(
            f"device: found {device!r}, expected cpu or a cuda device of this machine ({reason})"
        ) from None
    return ReferenceRunner(definition, device)


class EngineReferenceRunner:
    """Executes an engine's network with torch, which needs no GPU and no plan.

    Args:
        engine: a loaded one's network is defined again from its manifest and .wts.
        reason: why this runner was taken.
        device: "cpu" or "cuda"; None for "cuda" where torch finds one.
    """

    kind = "reference"

    def __init__(self, engine: Engine, reason: str, device: str | None = None) -> None:
        self._specs = {spec["name"]: spec for spec in engine.manifest.inputs}
        self._network = engine.network()  # owns the weights that the runner reads
        self._runner = reference_runner(self._network.trt, device)
        self.reason = f"reference on {self._runner.device.type}: {reason}"

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """The outputs by name (see `Runner`)."""
        return self._runner.run(check_inputs(self._specs, inputs))

    def close(self) -> None:
        """Free what the runner holds; the engine keeps its network."""
        self._runner.close()

    def __enter__(self) -> EngineReferenceRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
