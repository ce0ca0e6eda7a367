"""The cases of the public ONNX conformance suite, `onnx.backend.test`, a group at a time.

A group is a module of the suite's node cases, which is generated when it is imported, or a folder of recorded models:

    cases("node/abs")["test_abs"].model

    python -m tests.reference.onnx_suite

writes down, in onnx_accepted.json, which cases of each group the parser accepts, for the versions that are installed.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.backend.test import loader, runner
from onnx.backend.test.case import node

from wtsnet import trt

Arrays = list[NDArray[Any]]
DataSets = list[tuple[Arrays, Arrays]]

DATA = Path(loader.DATA_DIR)
ACCEPTED = Path(__file__).with_name("onnx_accepted.json")
FOLDERS = ("simple", "pytorch-converted", "pytorch-operator", "real")


@dataclass(frozen=True)
class Case:
    """One model with inputs and expected outputs; `data` reads them, as (inputs, outputs)."""

    name: str
    model: bytes
    data: Callable[[], DataSets]
    rtol: float
    atol: float


def groups() -> list[str]:
    """All groups of the installed suite, none of them generated."""
    found = pkgutil.walk_packages(node.__path__, f"{node.__name__}.")
    modules = [module.name.removeprefix(f"{node.__name__}.") for module in found if not module.ispkg]
    return [*(f"node/{name}" for name in modules), *FOLDERS]


@cache
def cases(group: str) -> dict[str, Case]:
    """The cases of a group, by name."""
    made = _folder(group) if group in FOLDERS else _module(group.removeprefix("node/"))
    return {case.name: case for case in made}


def _module(name: str) -> list[Case]:
    known = len(node._NodeTestCases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow on purpose
        importlib.import_module(f"{node.__name__}.{name}")
    return [
        Case(test.name, test.model.SerializeToString(), _generated(test), test.rtol, test.atol)
        for test in node._NodeTestCases[known:]
    ]


def _generated(test: Any) -> Callable[[], DataSets]:
    return lambda: [(_arrays(given), _arrays(wanted)) for given, wanted in test.data_sets]


def _arrays(values: Sequence[Any]) -> Arrays:
    return [onnx.numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else np.asarray(v) for v in values]


def _folder(group: str) -> list[Case]:
    return [_recorded(test) for test in loader.load_model_tests(kind=group)]


def _recorded(test: Any) -> Case:
    if test.url:  # a published model without its weights, onnx/backend/test/data/light/…
        path = DATA / "light" / Path(test.url).name
        return Case(test.name, path.read_bytes(), lambda: _light(path), test.rtol, test.atol)
    folder = Path(test.model_dir)
    return Case(test.name, (folder / "model.onnx").read_bytes(), lambda: _stored(folder), test.rtol, test.atol)


def _stored(folder: Path) -> DataSets:
    return [
        (_tensors(data, "input"), _tensors(data, "output"))
        for data in sorted(folder.glob("test_data_set_*"))
    ]  # fmt: skip


def _tensors(folder: Path, kind: str) -> Arrays:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return _arrays([onnx.load_tensor(folder / f"{kind}_{i}.pb") for i in range(count)])


def _light(path: Path) -> DataSets:
    """The suite's own input for it, and the output that it holds beside the model."""
    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    given = [runner.Runner.generate_dummy_data(value, seed=0, name=path.stem, random=False) for value in inputs]
    return [(given, _arrays([onnx.load_tensor(path.with_name(f"{path.stem}_output_0.pb"))]))]


def parsed(builder: Any, case: Case) -> tuple[Any, Any]:
    """The case's network and the parser that holds its weights; None for the network where the parser refuses.

    Raises:
        RuntimeError: the parser refuses and names no error.
    """
    network = trt.create_network(builder)
    parser = trt.module().OnnxParser(network, trt.logger())
    if parser.parse(case.model):
        return network, parser
    if not parser.num_errors:
        raise RuntimeError(f"{case.name}: refused without an error")
    return None, parser


def accepted(builder: Any, group: str) -> list[str]:
    """The names of the cases that the parser accepts."""
    return [name for name, case in cases(group).items() if parsed(builder, case)[0] is not None]


def main() -> None:
    """Write onnx_accepted.json, a line a group."""
    builder = trt.builder()
    lines = []
    for group in groups():
        names = sorted(accepted(builder, group))
        refused = len(cases(group)) - len(names)
        lines.append(f"  {json.dumps(group)}: " + json.dumps({"refused": refused, "accepted": " ".join(names)}))
    head = f'{{\n "onnx": "{onnx.__version__}",\n "{trt.flavour()}": "{trt.version()}",\n "groups": {{\n'
    ACCEPTED.write_text(head + ",\n".join(lines) + "\n }\n}\n", "utf-8")


if __name__ == "__main__":
    main()
