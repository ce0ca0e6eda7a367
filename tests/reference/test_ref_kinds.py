"""No layer kind, operation or mode of any release is forgotten: executed, or listed with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.release import RELEASES, release
from wtsnet.reference import runner
from wtsnet.reference.pointwise import ACTIVATIONS, BINARY, UNARY
from wtsnet.reference.readback import TORCH_DTYPES
from wtsnet.reference.registry import BOUNDARIES, EXECUTORS, UNSUPPORTED
from wtsnet.trt.dtypes import MEMBERS
from wtsnet.trt.flavours import module
from wtsnet.trt.layers import interface

trt = module()
assert runner.FAMILIES  # imported, they have registered their functions

NEWEST = "tensorrt-11.4.0"
KINDS = [(name, kind) for name in RELEASES for kind in sorted(release(name).members["LayerType"])]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_layer_kind_is_executed_or_has_a_reason(name: str, kind: str) -> None:
    assert (kind in EXECUTORS) + (kind in BOUNDARIES) + (kind in UNSUPPORTED) == 1
    assert interface(kind) in release(name).members or kind.startswith("PLUGIN")


def test_nothing_is_listed_that_does_not_exist() -> None:
    assert {*EXECUTORS, *BOUNDARIES, *UNSUPPORTED} == release(NEWEST).members["LayerType"]
    assert all(UNSUPPORTED.values())


def test_every_dtype_has_a_name() -> None:
    assert set(MEMBERS.values()) == release(NEWEST).members["DataType"] == set(trt.DataType.__members__)
    assert TORCH_DTYPES.keys() == MEMBERS.keys()


@pytest.mark.parametrize("name", RELEASES)
@pytest.mark.parametrize(
    ("enum", "table"), [("ActivationType", ACTIVATIONS), ("UnaryOperation", UNARY), ("ElementWiseOperation", BINARY)]
)
def test_every_operation_has_a_function(name: str, enum: str, table: Any) -> None:
    assert release(name).members[enum] <= table.keys()
    assert table.keys() == release(NEWEST).members[enum]


# What the other enums of the newest release hold: a member that is new here needs a place in the runtime first.
MODES = {
    "AttentionIOForm": "PACKED_NHD PADDED_BHND",
    "AttentionNormalizationOp": "NONE SOFTMAX",
    "BoundingBoxFormat": "CENTER_SIZES CORNER_PAIRS",
    "CausalMaskKind": "LOWER_RIGHT NONE UPPER_LEFT",
    "CumulativeOperation": "SUM",
    "FillOperation": "LINSPACE RANDOM_NORMAL RANDOM_UNIFORM",
    "GatherMode": "DEFAULT ELEMENT ND",
    "InterpolationMode": "CUBIC LINEAR NEAREST",
    "KVCacheMode": "LINEAR",
    "LoopOutput": "CONCATENATE LAST_VALUE REVERSE",
    "MatrixOperation": "NONE TRANSPOSE VECTOR",
    "PaddingMode": "EXPLICIT_ROUND_DOWN EXPLICIT_ROUND_UP SAME_LOWER SAME_UPPER",
    "PoolingType": "AVERAGE MAX MAX_AVERAGE_BLEND",
    "ReduceOperation": "AVG MAX MIN NONE PROD SUM",
    "ResizeCoordinateTransformation": "ALIGN_CORNERS ASYMMETRIC HALF_PIXEL",
    "ResizeRoundMode": "CEIL FLOOR HALF_DOWN HALF_UP",
    "ResizeSelector": "FORMULA UPPER",
    "SampleMode": "CLAMP FILL REFLECT STRICT_BOUNDS WRAP",
    "ScaleMode": "CHANNEL ELEMENTWISE UNIFORM",
    "ScatterMode": "ELEMENT ND",
    "TopKOperation": "MAX MIN",
    "TripLimit": "COUNT WHILE",
}


@pytest.mark.parametrize("enum", list(MODES))
@pytest.mark.parametrize("name", RELEASES)
def test_the_modes_are_those_that_the_runtime_knows(name: str, enum: str) -> None:
    known = set(MODES[enum].split())
    has = release(name).members.get(enum, set())
    assert has == known if name == NEWEST else has <= known
