"""The bytes of a plan's file: what they begin with, and the header that Ultralytics writes before the plan."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wtsnet.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH = 4  # bytes of the header's length, little-endian


@dataclass(frozen=True)
class PlanFile:
    """What a file holds.

    Attributes:
        plan: the serialized engine.
        metadata: of Ultralytics' header; empty where there is none.
    """

    plan: bytes
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes) -> PlanFile:
        """The parts of a file's bytes.

        Raises:
            EngineError: it is no plan, as far as its first bytes tell.
        """
        if is_plan(data):
            return cls(data)
        header = _header(data)
        if header is None:
            raise EngineError(f"found {data[:4]!r} at its beginning, expected a TensorRT plan")
        metadata, end = header
        plan = data[end:]
        if not is_plan(plan):
            found = f"found {plan[:4]!r}" if plan else "nothing is"
            raise EngineError(f"{found} behind a header of {end} bytes, expected a TensorRT plan")
        return cls(plan, metadata)


def is_plan(data: bytes) -> bool:
    """Whether bytes begin as TensorRT's plans do: "ftrt", "ptrt"; TensorRT-RTX's "vtrt"."""
    return data[1:4] == b"trt"


def without_header(data: bytes) -> bytes:
    """The plan in a file of which a manifest says what it holds."""
    header = None if is_plan(data) else _header(data)
    return data if header is None else data[header[1] :]


def _header(data: bytes) -> tuple[Mapping[str, Any], int] | None:
    """The header's metadata and where it ends; None where there is no header."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    if data[_LENGTH : _LENGTH + 1] != b"{" or end > len(data):
        return None
    try:
        metadata = json.loads(data[_LENGTH:end])
    except (ValueError, RecursionError):
        return None
    return metadata, end
