"""The reference runner of an engine: its network, executed by torch within the engine's profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.runtime import check_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.engine import Engine


class EngineReferenceRunner:
    """Executes an engine's network with torch, which needs no GPU and no plan.

    Args:
        engine: a loaded one's network is defined again from its manifest and .wts.
        reason: why this runner was taken.
        device: "cpu" or "cuda"; None for "cuda" where torch finds one.
    """

    kind = "reference"

    def __init__(self, engine: Engine, reason: str, device: str | None = None) -> None:
        import torch

        from wtsnet.reference import ReferenceRunner

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.reason = f"reference on {self.device}: {reason}"
        self._specs = {spec["name"]: spec for spec in engine.manifest.inputs}
        self._network = engine.network()  # owns the weights that the runner reads
        self._runner = ReferenceRunner(self._network.trt, self.device)

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """The outputs by name (see `Runner`)."""
        return self._runner.run(check_inputs(self._specs, inputs))

    def close(self) -> None:
        """Free the weights and the network."""
        self._runner.close()

    def __enter__(self) -> EngineReferenceRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
