"""Everything that wtsnet calls of TensorRT's is in every supported release, with as many arguments.

This reads the source, and so sees what no machine without a GPU executes; `test_releases` executes the rest.
"""

from __future__ import annotations

import re

import pytest

from tests.api.calls import OBJECTS, ROOT, Helper, Use, helpers, used, uses
from tests.api.release import RELEASES, Release, release

# What a release may lack, and what is asked for first in the same file.
GUARDED = {
    # Full TensorRT builds for the GPU at hand.
    Use("", "ComputeCapability"): 'hasattr(config, "set_compute_capability")',
    Use("IBuilderConfig", "num_compute_capabilities"): 'hasattr(config, "set_compute_capability")',
    Use("IBuilderConfig", "set_compute_capability", 2): 'hasattr(config, "set_compute_capability")',
    # 10.0 adds up with a product.
    Use("INetworkDefinition", "add_cumulative", 5): 'hasattr(x.net.trt, "add_cumulative")',
    Use("CumulativeOperation", "SUM"): 'hasattr(x.net.trt, "add_cumulative")',
    # 10.0 compares a value with itself.
    Use("UnaryOperation", "ISNAN"): 'hasattr(tensorrt.module().UnaryOperation, "ISNAN")',
}
ABSENT = ("is not in the module", "does not have it")
# Methods of several signatures, which the tables therefore do not have.
OVERLOADED = {"add_fill": "IFillLayer"}
USED = used()
UNARY = """
def unary(kind, x, **more):
    return x.net.emit("add_unary", x, tensorrt.enum("UnaryOperation", kind), **more)

"""


def problem(use: Use, release: Release) -> str:
    """Why a release can't do this; empty when it can."""
    if use.kind == "":
        return "" if use.member in release.members or use.member in release.names else "is not in the module"
    if use.kind.endswith("()"):
        method = use.kind.removesuffix("()")
        signature = release.signatures.get(f"INetworkDefinition.{method}", "")
        layer = OVERLOADED.get(method) or signature.rpartition("-> ")[2]
        return "" if use.member in release.members.get(layer, ()) else f"{layer or method} does not have it"
    if use.member not in release.members.get(use.kind, ()):
        return f"{use.kind} does not have it"
    signature = release.signatures.get(f"{use.kind}.{use.member}", "(*args")
    if use.arguments is None or "(*args" in signature:
        return ""
    taken = re.split(r", (?=\w+:)", signature[signature.index("(") + 1 : signature.rindex(")")])[1:]  # self is first
    needed = max((i for i, name in enumerate(taken, 1) if " = " not in name), default=0)
    return "" if needed <= use.arguments <= len(taken) else f"called with {use.arguments}, expected {signature}"


def plain(use: Use) -> Use:
    """It without its place."""
    return Use(use.kind, use.member, use.arguments)


@pytest.mark.parametrize("name", RELEASES)
def test_every_call(name: str) -> None:
    assert len(USED) > 400
    problems = [(use, problem(use, release(name))) for use in USED]
    found = [
        f"{use.where}: {use.kind}.{use.member}: {text}" for use, text in problems if text and not guarded(use, text)
    ]
    assert found == []


def guarded(use: Use, text: str) -> bool:
    """Whether this problem is that a release lacks what is asked for first."""
    return plain(use) in GUARDED and text.endswith(ABSENT)


def test_what_is_said_to_be_guarded_is_used_and_asked_for() -> None:
    for use, guard in GUARDED.items():
        places = {found.where.rpartition(":")[0] for found in USED if plain(found) == use}
        assert places, use
        assert all(guard in (ROOT / place).read_text("utf-8") for place in places), use


def test_what_is_said_to_be_guarded_is_lacking_somewhere() -> None:
    for use in GUARDED:
        assert any(problem(use, release(name)).endswith(ABSENT) for name in RELEASES), use


def test_the_variables_are_still_there() -> None:
    """A variable that was renamed would be checked no more."""
    for file, objects in OBJECTS.items():
        kinds = {use.kind for use in uses((ROOT / file).read_text("utf-8"), file)}
        assert kinds >= set(objects.values()), file


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("x.net.emit('add_squeeze', x, axes)", "INetworkDefinition does not have it"),
        (
            "x.net.emit('add_shuffle', x, 1, label='a', inputs={1: y})",
            "called with 2, expected add_shuffle(self: INetworkDefinition, input: ITensor)",
        ),
        ("net.emit('add_topk', x, op, k)", "called with 3, expected add_topk("),
        ("s.emit('add_shuffle', x, reshape_dim=(1,))", "IShuffleLayer does not have it"),
        ("s.emit('add_fill', (0,), op, t, alfa=0)", "IFillLayer does not have it"),
        ("tensorrt.enum('UnaryOperation', 'ISNAN' if nan else 'ISINF')", "UnaryOperation does not have it"),
        (f"{UNARY}unary('ISNAN', x)", "UnaryOperation does not have it"),
        (f"{UNARY}pointwise.unary(kind='ISNAN', x=x)", "UnaryOperation does not have it"),
        (f"{UNARY}from a import unary as one\none('ISNAN', x)", "UnaryOperation does not have it"),
        (f"{UNARY}unary('EXP', x, alfa=0)", "IUnaryLayer does not have it"),
        ("config.set_flags(1)", "IBuilderConfig does not have it"),
        ("config.set_flag(1, True)", "called with 2, expected set_flag("),
        ("trt.IRuntimeCache", "is not in the module"),
        ("tensorrt.module().DataType.FP4", "DataType does not have it"),
    ],
)
def test_a_call_that_the_oldest_release_has_not(line: str, text: str) -> None:
    found = [problem(use, release("tensorrt-10.0.1")) for use in uses(line, "wtsnet/engine/building.py")]
    assert any(text in one for one in found), found


def test_a_helper_that_hands_on_what_it_is_given() -> None:
    made = helpers(UNARY)
    assert made == {"unary": Helper(["kind", "x"], {"kind": "UnaryOperation"}, "add_unary")}
    found = {(use.kind, use.member) for use in uses(f"{UNARY}unary('EXP' if a else 'LOG', x, alpha=0.0)", "a.py")}
    assert found == {
        ("INetworkDefinition", "add_unary"),
        ("UnaryOperation", "EXP"),
        ("UnaryOperation", "LOG"),
        ("add_unary()", "alpha"),
    }


def test_helpers_of_other_files_are_known() -> None:
    """Most of the members of these enums are named in calls of such."""
    members = {(use.kind, use.member) for use in USED}
    assert {("UnaryOperation", "SINH"), ("ElementWiseOperation", "FLOOR_DIV"), ("ReduceOperation", "PROD")} <= members
    assert {("ActivationType", "CLIP"), ("add_activation()", "beta"), ("PoolingType", "AVERAGE")} <= members
    assert {("LoopOutput", "LAST_VALUE"), ("LoopOutput", "REVERSE"), ("ILoop", "add_recurrence")} <= members
