"""The house: which rooms there are and what may import what, read from the source and tried in processes."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest

import wtsnet
from wtsnet import network, ops

ROOT = Path(__file__).parents[1]
# The rooms from the ground up: a room imports only those above it in this table. At the end is the front door.
ROOMS = (
    "errors",
    "wts",
    "manifest",
    "trt",
    "network",
    "pictures",
    "reference",
    "ops",
    "decode",
    "runtime",
    "draw",
    "definition",
    "engine",
    "blocks.yolo",
    "blocks.heads",
    "blocks.classifiers",
    "blocks.transformers",
    "blocks",
    "models",
    "checkpoint",
    "proof",
    "bench",
    "predict",
    "cli",
    "__init__",
    "__main__",
)
# Whose files other rooms may import one by one, and which rooms. Of all other rooms one takes what `__init__` hands on.
BY_FILE = {
    "network": ("ops",),  # what a Tensor's methods need is there; to PyTorch's users it is an op like any other
    "ops": ("blocks", "models"),  # what two ops share and a model needs once is not an op, and not handed on
    "blocks": ("blocks", "models"),  # a library of compositions: a model takes the few that it is made of
    "runtime.ondevice": ("bench",),  # it needs pycuda, so it is imported in a function, once there is a runner
}
# Rooms whose files know one another as types: a Tensor has Dims, and a Dim is computed by Tensors of its network.
KNOWN_AS_TYPES = ("network",)
# The files that import a module by a name that is put together, where no reader of the source sees it.
BY_NAME = {
    "wtsnet",  # public names, when they are first used
    "wtsnet.trt.flavours",  # one TensorRT or the other
    "wtsnet.definition.registry",  # the models, which register themselves
    "wtsnet.definition.zoo",  # the package of the models, wherever it is
    "wtsnet.blocks",  # its own files
    "wtsnet.cli.doctor",  # whether a package can be imported is the question
}
HEAVY = ("torch", "tensorrt", "tensorrt_rtx", "pycuda")
# The files and rooms that import them. For types alone anyone may: nothing is imported then.
ALLOWED: dict[str, tuple[str, ...]] = {
    "torch": (
        "wtsnet.checkpoint.archive",
        "wtsnet.proof.modules",
        "wtsnet.proof.recording",
        "wtsnet.reference",
        "wtsnet.runtime.reference",
    ),
    "tensorrt": (),  # wtsnet/trt/flavours.py takes one of the two by its name
    "tensorrt_rtx": (),
    "pycuda": ("wtsnet.runtime.choosing", "wtsnet.runtime.cuda"),
}


class Import(NamedTuple):
    """A module that a file imports, and whether only in functions or only for type checkers."""

    name: str
    function: bool = False
    types: bool = False


def within(name: str, parts: Iterable[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


@cache
def modules() -> dict[str, Path]:
    """The files of wtsnet and of its models, by what they are imported as. (`wtsnet/models` may be a link to them.)"""
    files = [file for file in (ROOT / "wtsnet").rglob("*.py") if ROOT / "wtsnet" / "models" not in file.parents]
    found = {}
    for file in sorted([*files, *(ROOT / "models").rglob("*.py")]):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name if within(name, ["wtsnet"]) else f"wtsnet.{name}"] = file
    return found


def room_of(module: str) -> str:
    inside = {"wtsnet": "__init__"}.get(module, module.removeprefix("wtsnet."))
    return max((room for room in ROOMS if within(inside, [room])), key=len, default=inside)


@cache
def syntax(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text("utf-8"))


@cache
def handed_on(module: str) -> frozenset[str]:
    """The names in a module's `__all__`."""
    every = (node for node in syntax(module).body if isinstance(node, ast.Assign))
    return frozenset(
        name for node in every if ast.unparse(node.targets[0]) == "__all__" for name in ast.literal_eval(node.value)
    )


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports: modules of wtsnet as such, of other packages what stands behind `import` or `from`."""

    def walk(node: ast.AST, function: bool, types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, function, types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            home = str(node.module)
            for name in (alias.name for alias in node.names):
                # `from wtsnet import trt` is the module wtsnet.trt; a function of the name of a file is no module.
                is_module = f"{home}.{name}" in modules() and name not in handed_on(home)
                yield Import(f"{home}.{name}" if is_module else home, function, types)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            assert ast.unparse(node.test) == "TYPE_CHECKING", f"{module}: a condition that is not understood here"
            for statement in node.body:
                yield from walk(statement, function, True)
            for statement in node.orelse:
                yield from walk(statement, function, types)
        else:
            function = function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, function, types)

    return tuple(dict.fromkeys(walk(syntax(module), False, False)))


def ours(module: str) -> list[Import]:
    return [found for found in imports(module) if within(found.name, ["wtsnet"])]


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The sets of nodes that can all be reached from one another; of one node only where it leads to itself."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph.get(start, ()))
        while todo:
            if (node := todo.pop()) not in seen:
                seen.add(node)
                todo += graph.get(node, ())
        return seen

    behind = {node: reached(node) for node in graph}
    found = {tuple(sorted(n for n in behind[node] if node in behind.get(n, ()))) for node in graph}
    return sorted(list(nodes) for nodes in found if nodes)


def run(*words: str, cwd: Path = ROOT, path: str | None = None) -> str:
    """What a Python of its own prints; `path` is where it looks for packages."""
    env = os.environ if path is None else {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# The rooms.


def test_every_room_is_in_the_table() -> None:
    there = {path.name.removesuffix(".py") for path in (ROOT / "wtsnet").iterdir()} - {"__pycache__", "py.typed"}
    assert there | {"models"} == {room for room in ROOMS if "." not in room}
    assert {f"blocks.{path.name}" for path in (ROOT / "wtsnet/blocks").iterdir() if path.is_dir()} - {
        "blocks.__pycache__"
    } == {room for room in ROOMS if "." in room}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    below = ROOMS[: ROOMS.index(room)]
    inside = [module for module in modules() if room_of(module) == room]
    assert inside
    wrong = {(module, found.name) for module in inside for found in ours(module)}
    wrong = {(module, name) for module, name in wrong if room_of(name) not in (room, *below)}
    assert wrong == set()


def test_there_is_no_circle_of_rooms() -> None:
    """It follows from the order; here it is told without one, and so by which rooms."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        for found in ours(module):
            if room_of(found.name) != room_of(module):
                graph[room_of(module)].add(room_of(found.name))
    assert circles(graph) == []


def test_there_is_no_circle_of_files() -> None:
    graph: dict[str, set[str]] = {}
    for module in modules():
        known = [found.name for found in ours(module) if not (found.types and room_of(module) in KNOWN_AS_TYPES)]
        graph[module] = set(known)
    assert circles(graph) == []


def test_circles_are_seen() -> None:
    assert circles({"a": "b", "b": "c", "c": "b", "d": "d", "e": "a"}) == [["b", "c"], ["d"]]


def test_other_rooms_take_what_a_room_hands_on() -> None:
    """`from wtsnet.manifest import sha256`, and not from the file that has it."""
    wrong, used = [], set()
    for module in modules():
        for found in ours(module):
            inside = found.name.removeprefix("wtsnet.")
            if room_of(found.name) == room_of(module) or inside in ROOMS:
                continue
            part = next((part for part in BY_FILE if within(inside, [part])), None)
            if part is None or not within(room_of(module), BY_FILE[part]):
                wrong.append(f"{module}: {found.name}")
            elif part == "runtime.ondevice" and not found.function:
                wrong.append(f"{module}: {found.name} at the top")
            used.add(part)
    assert wrong == []
    assert used - {None} == set(BY_FILE), "allowed in vain"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    module = "wtsnet" if room == "__init__" else f"wtsnet.{room}"
    text = ast.get_docstring(syntax(module))
    assert text, room
    folder = modules()[module].name == "__init__.py"
    if folder and "." not in room and room not in ("models", "__init__"):  # these are no places for code
        assert "knows nothing of" in text or "never" in text, f"{room} says nothing of what it must never know"


def test_no_module_hides_a_public_name() -> None:
    """Importing `wtsnet.build` would put the module in the place of the function."""
    assert [name for name in wtsnet.__all__ if f"wtsnet.{name}" in modules()] == []


# What may be imported.


def test_what_is_imported_by_name() -> None:
    """Where a name of a module is put together, this file sees nothing; so that is done in few places."""
    sources = {module: file.read_text("utf-8") for module, file in modules().items()}
    assert {module for module, text in sources.items() if "import_module(" in text or "__import__(" in text} == BY_NAME


@pytest.mark.parametrize("package", HEAVY)
def test_who_imports_a_heavy_package(package: str) -> None:
    allowed = ALLOWED[package]
    found = [m for m in modules() if any(within(i.name, [package]) and not i.types for i in imports(m))]
    assert [module for module in found if not within(module, allowed)] == []
    assert [part for part in allowed if not any(within(module, [part]) for module in found)] == [], "allowed in vain"


def test_wts_stands_alone() -> None:
    """Someone can copy this file into a deployment: it takes the errors along where it finds them."""
    for found in imports("wtsnet.wts"):
        assert found.name.partition(".")[0] in sys.stdlib_module_names or found.name == "wtsnet.errors", found


def test_nothing_reads_the_command_line_but_the_command_line() -> None:
    for module in modules():
        if room_of(module) not in ("cli", "__main__"):
            wrong = [
                found for found in imports(module) if within(found.name, ["wtsnet.cli", "typer", "rich", "argparse"])
            ]
            assert not wrong, module


def test_imports_are_seen() -> None:
    """The reader of imports itself: at the top, in functions, for types."""
    found = imports("wtsnet.engine.building")
    assert {Import("hashlib"), Import("wtsnet.definition"), Import("wtsnet.trt")} <= set(found)
    assert Import("wtsnet.network", types=True) in found
    assert Import("wtsnet.network") not in found
    assert Import("pycuda.driver", function=True) in imports("wtsnet.runtime.choosing")
    assert Import("wtsnet.manifest.yamlfile") in imports("wtsnet.manifest.manifest")


# What is loaded.


def test_importing_wtsnet_is_light() -> None:
    loaded = json.loads(run("-c", "import json, sys, wtsnet; print(json.dumps(sorted(sys.modules)))"))
    assert "wtsnet" in loaded
    assert not {*HEAVY, "numpy", "yaml"}.intersection(loaded)


def test_rooms_are_light() -> None:
    """Only the reference runtime is of torch; the others load what is heavy when they are asked to do something."""
    rooms = [f"wtsnet.{room}" for room in ROOMS if not room.startswith(("__", "models"))]
    code = f"""
import importlib, json, sys
before, found = set(), {{}}
for room in {sorted(rooms, key="wtsnet.reference".__eq__)}:
    importlib.import_module(room)
    now = {{name for name in {HEAVY} if name in sys.modules}}
    found[room], before = sorted(now - before), now
print(json.dumps(found))
"""
    found = json.loads(run("-c", code))
    assert found == {room: ["torch"] if room == "wtsnet.reference" else [] for room in rooms}


def test_the_models_need_no_tensorrt_to_be_listed() -> None:
    code = f"import sys, wtsnet.definition as d; print(len(d.models()) > 9, [n for n in {HEAVY} if n in sys.modules])"
    assert run("-c", code) == "True []\n"


def test_a_bare_clone_works(tmp_path: Path) -> None:
    """`PYTHONPATH=. python -m wtsnet models`, where wtsnet is not installed but all that it depends on is."""
    shutil.copytree(ROOT / "wtsnet", tmp_path / "wtsnet", ignore=shutil.ignore_patterns("__pycache__", "models"))
    shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    # With -S no .pth file is read, and so no editable install is found.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    clone = partial(run, "-S", cwd=tmp_path, path=os.pathsep.join([".", *others]))
    where = clone("-c", "import wtsnet.definition as d; print(d.__file__, d.zoo().__file__, sep='\\n')")
    assert [Path(line).parent for line in where.splitlines()] == [tmp_path / "wtsnet/definition", tmp_path / "models"]
    assert clone("-m", "wtsnet", "models") == run("-m", "wtsnet", "models")
    assert "yolov5s" in clone("-m", "wtsnet", "models", "yolov5s")  # of a list that lies with the models


def test_the_package_is_a_command() -> None:
    text = run("-m", "wtsnet", "--help")
    assert "Usage: python -m wtsnet" in text
    assert "verify" in text


def test_public_names() -> None:
    assert wtsnet.__all__ == [
        "Dim",
        "Engine",
        "Image",
        "Input",
        "Network",
        "Predictor",
        "ReferenceRunner",
        "Scope",
        "Tensor",
        "WtsError",
        "WtsnetError",
        "WtsnetWarning",
        "__version__",
        "block",
        "build",
        "decoder",
        "define",
        "load",
        "model",
        "module",
        "option",
        "read_wts",
        "rebuild",
        "record",
        "write_wts",
    ]
    assert all(getattr(wtsnet, name) is not None for name in wtsnet.__all__)
    # In a new process, where none of them has been used.
    assert set(wtsnet.__all__) <= set(json.loads(run("-c", "import json, wtsnet; print(json.dumps(dir(wtsnet)))")))


def test_no_file_bears_the_name_of_an_op() -> None:
    """Importing it would put the module in the op's place."""
    for room in (network, ops):
        files = {path.stem for path in Path(str(room.__file__)).parent.glob("*.py")}
        assert files.isdisjoint(room.__all__)
