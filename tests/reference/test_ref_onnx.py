"""The public ONNX conformance suite, through TensorRT's own parser: judges who never saw this code.

Every case that the parser accepts is executed and compared - values, shapes, dtypes - with the suite's outputs at the
suite's own tolerances. What does not agree stands in onnx_differences.yaml, with the document that says why.

    pytest tests/reference/test_ref_onnx.py -k test_triu
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from onnx import TensorProto, helper
from onnx.backend.test.runner import Runner

from tests.reference import onnx_suite
from wtsnet import trt
from wtsnet.reference import ReferenceRunner
from wtsnet.reference.readback import TORCH_DTYPES

if trt.flavour() != "tensorrt_rtx":
    pytest.skip("the accepted cases are those of TensorRT-RTX's parser", allow_module_level=True)

PINNED = json.loads(onnx_suite.ACCEPTED.read_text("utf-8"))
ACCEPTED: dict[str, list[str]] = {group: facts["accepted"].split() for group, facts in PINNED["groups"].items()}
REFUSED: dict[str, int] = {group: facts["refused"] for group, facts in PINNED["groups"].items()}
DIFFERENCES = yaml.safe_load(Path(__file__).with_name("onnx_differences.yaml").read_text("utf-8"))
ROWS = DIFFERENCES["rows"]
TABLED = {name for row in ROWS for name in row["cases"].split()}
DOUBLES = set(DIFFERENCES["dtypes"]["cases"].split())


@cache
def builder() -> Any:
    return trt.builder()


def executed(case: onnx_suite.Case, network: Any) -> list[tuple[Any, Any]]:
    """The outputs, and those that the suite wants, of each set of inputs."""
    runner = ReferenceRunner(network)
    names = [value.name for value in onnx.load_from_string(case.model).graph.input]
    results = []
    for given, wanted in case.data():
        inputs = dict(zip(names, given, strict=False))  # a weight may be listed as an input too
        if set(runner.inputs) <= set(inputs):
            inputs = {name: inputs[name] for name in runner.inputs}
        else:  # the parser gave one another name
            inputs = dict(zip(runner.inputs, given, strict=True))
        torch.manual_seed(0)
        results.append((list(runner.run(inputs).values()), wanted))
        check_every_tensor(runner, inputs)
    return results


def check_every_tensor(runner: ReferenceRunner, inputs: Any) -> None:
    """Every value on the way is of the dtype and the shape that TensorRT gives to its tensor."""
    specs = runner._open().specs
    with torch.inference_mode():
        for step, values in runner._program.walk(runner._checked(inputs)):
            for slot in step.outputs if step else ():
                value, spec = values[slot], specs[slot]
                assert value.dtype == TORCH_DTYPES[spec.dtype], (step, spec)
                assert len(value.shape) == len(spec.shape), (step, spec)
                assert all(want in (-1, have) for want, have in zip(spec.shape, value.shape, strict=True)), (step, spec)


def compare(case: onnx_suite.Case, results: list[tuple[Any, Any]]) -> None:
    """Raise AssertionError where values, shapes or dtypes differ; as the suite itself does it."""
    for outputs, wanted in results:
        if case.name in DOUBLES:
            wanted = [array.astype(np.float32) if array.dtype == np.float64 else array for array in wanted]
        Runner.assert_similar_outputs(wanted, outputs, case.rtol, case.atol)


CASES = [(group, name) for group, names in ACCEPTED.items() for name in names]


@pytest.mark.parametrize(("group", "name"), CASES, ids=lambda part: part)
def test_case(group: str, name: str) -> None:
    case = onnx_suite.cases(group)[name]
    network, _parser = onnx_suite.parsed(builder(), case)
    if network is None:
        pytest.fail("the parser refuses it")
    results = executed(case, network)
    assert (name in DOUBLES) <= any(array.dtype == np.float64 for _, wanted in results for array in wanted)
    if name not in TABLED:
        compare(case, results)
        return
    with pytest.raises(AssertionError):  # should they agree, the case's row must go
        compare(case, results)


@pytest.mark.parametrize("group", list(ACCEPTED))
def test_what_the_parser_accepts(group: str) -> None:
    """Nothing is skipped in silence: what is not accepted, the parser itself refused, with an error."""
    accepted = onnx_suite.accepted(builder(), group)
    assert sorted(accepted) == ACCEPTED[group]
    assert len(onnx_suite.cases(group)) - len(accepted) == REFUSED[group]


def test_the_count() -> None:
    assert (onnx.__version__, trt.version()) == (PINNED["onnx"], PINNED["tensorrt_rtx"])
    assert list(ACCEPTED) == onnx_suite.groups()
    # 2,024 of them in node, simple, pytorch-converted and pytorch-operator; 9 published models without their weights.
    assert sum(REFUSED.values()) + len(CASES) == 2024 + 9
    assert len(CASES) == 1110 + 9
    assert len(TABLED) == 34


def test_the_table() -> None:
    rows = [*ROWS, DIFFERENCES["dtypes"]]
    named = [name for row in rows for name in row["cases"].split()]
    assert len(named) == len(set(named))
    assert set(named) <= {name for _, name in CASES}
    assert len(ROWS) <= 15
    for row in rows:
        assert row["difference"]
        assert row["documents"]
        assert ("defect" in row) == ("evidence" in row)


QUOTED = [document for row in [*ROWS, DIFFERENCES["dtypes"]] for document in row["documents"]]


@pytest.mark.parametrize("document", QUOTED, ids=lambda document: document["title"])
def test_the_table_quotes(document: Any) -> None:
    """What is installed can be looked up; the other documents have an address."""
    package, _, name = document["at"].partition(".")
    if package == "tensorrt_rtx":
        text = getattr(trt.module(), name).__doc__
    elif package == "onnx":
        text = onnx.defs.get_schema(name).doc
    else:
        assert document["at"].startswith("https://")
        return
    assert " ".join(document["quote"].split()) in " ".join(text.split())


@pytest.mark.parametrize("upper", [0, 1])
def test_a_triangle_that_is_named_is_right(upper: int) -> None:
    """The parser's wrong default is all that is wrong with its triangles."""
    ends = [helper.make_tensor_value_info(name, TensorProto.INT64, (3, 4)) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Trilu", ["x"], ["y"], upper=upper)], "trilu", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_operatorsetid("", 14)], ir_version=7)
    case = onnx_suite.Case("trilu", model.SerializeToString(), list, 0, 0)
    network, _parser = onnx_suite.parsed(builder(), case)
    x = np.arange(1, 13).reshape(3, 4)
    np.testing.assert_array_equal(ReferenceRunner(network)(x=x)["y"], np.triu(x) if upper else np.tril(x))
