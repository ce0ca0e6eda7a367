"""Everything that wtsnet calls of TensorRT's is in every supported release, with as many arguments.

This reads the source, and so sees what no machine without a GPU executes; `test_releases` executes the rest.
"""

from __future__ import annotations

import re

import pytest

from tests.api.calls import OBJECTS, ROOT, Use, used, uses
from tests.api.release import RELEASES, Release, release

# Asked for with `hasattr` first: full TensorRT builds for the GPU at hand.
RTX_ALONE = {
    Use("", "ComputeCapability"),
    Use("IBuilderConfig", "num_compute_capabilities"),
    Use("IBuilderConfig", "set_compute_capability", 2),
}
# Methods of several signatures, which the tables therefore do not have.
OVERLOADED = {"add_fill": "IFillLayer"}
USED = used()


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


@pytest.mark.parametrize("name", RELEASES)
def test_every_call(name: str) -> None:
    rtx = release(name).flavour == "tensorrt_rtx"
    checked = [use for use in USED if rtx or Use(use.kind, use.member, use.arguments) not in RTX_ALONE]
    assert len(checked) > 120
    problems = {f"{use.where}: {use.kind}.{use.member}": problem(use, release(name)) for use in checked}
    assert {where: text for where, text in problems.items() if text} == {}


def test_what_is_said_to_be_guarded_is_used() -> None:
    assert {Use(use.kind, use.member, use.arguments) for use in USED} >= RTX_ALONE


def test_the_variables_are_still_there() -> None:
    """A variable that was renamed would be checked no more."""
    for file, objects in OBJECTS.items():
        kinds = {use.kind for use in uses((ROOT / file).read_text("utf-8"), file)}
        assert kinds >= set(objects.values()), file


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("s.emit('add_squeeze', x, axes)", "INetworkDefinition does not have it"),
        (
            "s.emit('add_shuffle', x, 1)",
            "called with 2, expected add_shuffle(self: INetworkDefinition, input: ITensor)",
        ),
        ("s.emit('add_topk', x, op, k)", "called with 3, expected add_topk("),
        ("s.emit('add_shuffle', x, reshape_dim=(1,))", "IShuffleLayer does not have it"),
        ("s.emit('add_fill', (0,), op, t, alfa=0)", "IFillLayer does not have it"),
        ("s.enum('UnaryOperation', 'ISNAN' if nan else 'ISINF')", "UnaryOperation does not have it"),
        ("config.set_flags(1)", "IBuilderConfig does not have it"),
        ("config.set_flag(1, True)", "called with 2, expected set_flag("),
        ("trt.IRuntimeCache", "is not in the module"),
        ("tensorrt.module().DataType.FP4", "DataType does not have it"),
    ],
)
def test_a_call_that_the_oldest_release_has_not(line: str, text: str) -> None:
    found = [problem(use, release("tensorrt-10.0.1")) for use in uses(line, "wtsnet/engine/building.py")]
    assert any(text in one for one in found), found
