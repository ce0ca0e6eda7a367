"""What may import what: read from the source, and tried in a process of its own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import wtsnet

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "tensorrt", "tensorrt_rtx", "pycuda")
# The files and folders that import them. For types alone anyone may: nothing is imported then.
ALLOWED: dict[str, tuple[str, ...]] = {
    "torch": ("wtsnet/archive.py", "wtsnet/reference/", "wtsnet/runtime/reference.py"),
    "tensorrt": (),  # wtsnet/trt.py takes one of the two by its name
    "tensorrt_rtx": (),
    "pycuda": ("wtsnet/runtime/cuda.py", "wtsnet/runtime/__init__.py"),
}
# What a part of wtsnet may know of the rest of it.
KNOWS: dict[str, tuple[str, ...]] = {
    "wtsnet/wts.py": ("wtsnet.errors",),
    "wtsnet/errors.py": (),
    "wtsnet/files.py": ("wtsnet.errors",),
    "wtsnet/axes.py": ("wtsnet.errors",),
    "wtsnet/onnxfile.py": ("wtsnet.errors", "wtsnet.files", "wtsnet.weights"),
    "wtsnet/dtypes.py": (),
    "wtsnet/reference/": ("wtsnet.dtypes", "wtsnet.errors", "wtsnet.reference"),
    "wtsnet/decode/": ("wtsnet.errors", "wtsnet.decode", "wtsnet.files", "wtsnet.pictures", "wtsnet.placement"),
    "wtsnet/placement.py": (),
    "wtsnet/values.py": ("wtsnet.errors",),
    "wtsnet/pictures.py": ("wtsnet.errors", "wtsnet.placement", "wtsnet.values"),
    "wtsnet/preprocess.py": ("wtsnet.errors", "wtsnet.pictures", "wtsnet.placement", "wtsnet.values"),
    "wtsnet/trt.py": ("wtsnet.dtypes", "wtsnet.errors"),
    "wtsnet/ops/": ("wtsnet.dims", "wtsnet.errors", "wtsnet.network", "wtsnet.ops", "wtsnet.trt"),
    "models/": (
        "wtsnet.blocks",
        "wtsnet.dims",
        "wtsnet.errors",
        "wtsnet.network",
        "wtsnet.ops",
        "wtsnet.registry",
        "wtsnet.weights",
    ),
}


def sources(*folders: str) -> list[str]:
    return [file.relative_to(ROOT).as_posix() for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def imports(file: str, types: bool = False) -> Iterator[str]:
    """The modules that a file imports, at its top and in functions; with `types` also for type checkers alone."""

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # `from wtsnet import trt` is the module wtsnet.trt.
            yield from (f"{module}.{alias.name}" if module == "wtsnet" else module for alias in node.names)
        elif types or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    yield from walk(ast.parse((ROOT / file).read_text("utf-8")))


def within(name: str, parts: tuple[str, ...], separator: str) -> bool:
    return any(name == part or name.startswith(part.rstrip(separator) + separator) for part in parts)


def test_importing_wtsnet_is_light() -> None:
    code = "import json, sys, wtsnet; print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert "wtsnet" in loaded
    assert not {*HEAVY, "numpy", "yaml"}.intersection(loaded)


@pytest.mark.parametrize("module", ["wtsnet.wts", "wtsnet.manifest", "wtsnet.weights", "wtsnet.registry", "wtsnet.cli"])
def test_parts_are_light(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []


def test_the_models_need_no_tensorrt_to_be_listed() -> None:
    code = f"import json, sys, wtsnet.registry as r; r.models(); print([n for n in {HEAVY} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("package", ALLOWED)
def test_who_imports_a_heavy_package(package: str) -> None:
    allowed = ALLOWED[package]
    found = {file for file in sources("wtsnet", "models") for name in imports(file) if within(name, (package,), ".")}
    assert [file for file in sorted(found) if not file.startswith(allowed)] == []
    assert [part for part in allowed if not any(file.startswith(part) for file in found)] == [], "allowed in vain"


@pytest.mark.parametrize("part", KNOWS)
def test_what_a_part_knows(part: str) -> None:
    files = [file for file in sources("wtsnet", "models") if file.startswith(part)]
    assert files
    for file in files:
        ours = [name for name in imports(file, types=True) if within(name, ("wtsnet",), ".")]
        assert [name for name in ours if not within(name, KNOWS[part], ".")] == [], file


def test_wts_stands_alone() -> None:
    """Someone can copy this file into a deployment: it takes the errors along where it finds them."""
    for name in imports("wtsnet/wts.py"):
        assert name.partition(".")[0] in sys.stdlib_module_names or name.startswith("wtsnet.errors"), name


def test_nothing_reads_the_command_line_but_the_command_line() -> None:
    for file in sources("wtsnet", "models"):
        if not file.startswith("wtsnet/cli/"):
            assert not [name for name in imports(file) if within(name, ("wtsnet.cli", "typer", "rich"), ".")], file


def test_imports_are_seen() -> None:
    """The reader of imports itself: at the top, in functions, for types."""
    assert {"hashlib", "wtsnet.definition", "wtsnet.trt"} <= set(imports("wtsnet/builder.py"))
    assert "wtsnet.network" not in set(imports("wtsnet/builder.py"))
    assert "wtsnet.network" in set(imports("wtsnet/builder.py", types=True))
    assert "pycuda.driver" in set(imports("wtsnet/runtime/__init__.py"))


def test_public_names() -> None:
    assert wtsnet.__all__ == [
        "Engine",
        "Image",
        "Network",
        "ReferenceRunner",
        "Scope",
        "Tensor",
        "WtsError",
        "WtsnetError",
        "__version__",
        "block",
        "build",
        "define",
        "load",
        "model",
        "option",
        "read_wts",
        "write_wts",
    ]
    assert all(getattr(wtsnet, name) is not None for name in wtsnet.__all__)
