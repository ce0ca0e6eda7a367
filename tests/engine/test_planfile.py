"""wtsnet/engine/planfile.py: which bytes are a plan, and where it begins."""

from __future__ import annotations

import json

import pytest

import wtsnet
from tests.small import lenet
from wtsnet.engine.planfile import PlanFile, is_plan, without_header
from wtsnet.errors import EngineError

PLAN = b"ftrt" + bytes(range(256))


def headed(metadata: object, plan: bytes = PLAN) -> bytes:
    """A file as Ultralytics writes it."""
    text = json.dumps(metadata).encode()
    return len(text).to_bytes(4, "little", signed=True) + text + plan


def test_a_plan_alone() -> None:
    assert PlanFile.of(PLAN) == PlanFile(PLAN, {})
    built = wtsnet.build("lenet", lenet()).plan
    assert is_plan(built)
    assert without_header(built) == built == PlanFile.of(built).plan


def test_behind_a_header() -> None:
    metadata = {"task": "detect", "names": {"0": "Zürich"}}
    assert PlanFile.of(headed(metadata)) == PlanFile(PLAN, metadata)
    assert without_header(headed(metadata)) == PLAN
    assert PlanFile.of(headed({})) == PlanFile(PLAN, {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found b'' at its beginning, expected a TensorRT plan"),
        (b"\x89PNG\r\n\x1a\n", "found b'\\x89PNG' at its beginning"),
        (b"10\nconv1.weight 1 0\n", "found b'10\\nc' at its beginning"),
        (b"\x08\x07\x12\x07pytorch", "found b'\\x08\\x07\\x12\\x07' at its beginning"),
        (b"\x02\x00\x00\x00", "found b'\\x02\\x00\\x00\\x00' at its beginning"),
        (headed({"a": 1})[:9], "found b'\\x08\\x00\\x00\\x00' at its beginning"),
        (b"\xff\x00\x00\x00{}", "found b'\\xff\\x00\\x00\\x00' at its beginning"),
        (b"\xff\xff\xff\x7f{}" + PLAN, "found b'\\xff\\xff\\xff\\x7f' at its beginning"),
        (b"\x02\x00\x00\x00{x" + PLAN, "found b'\\x02\\x00\\x00\\x00' at its beginning"),
        (b"\x02\x00\x00\x00{\xff" + PLAN, "found b'\\x02\\x00\\x00\\x00' at its beginning"),
        ((10**6).to_bytes(4, "little") + b'{"a":' * 200_000, "found b'@B\\x0f\\x00' at its beginning"),
        (headed([1]), "found b'\\x03\\x00\\x00\\x00' at its beginning"),
        (headed({"a": 1}, b""), "nothing is behind a header of 12 bytes, expected a TensorRT plan"),
        (
            headed({"a": 1}, b"PK\x03\x04"),
            "found b'PK\\x03\\x04' behind a header of 12 bytes, expected a TensorRT plan",
        ),
    ],
)
def test_what_is_no_plan(data: bytes, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        PlanFile.of(data)
    assert str(caught.value).startswith(message)


def test_what_a_manifest_vouches_for_is_left_as_it_is() -> None:
    """A release of TensorRT may yet choose other first bytes."""
    assert without_header(b"another beginning") == b"another beginning"
