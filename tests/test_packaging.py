"""pyproject.toml: what is installed is what is here."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from wtsnet.manifest import VERSION

ROOT = Path(__file__).parents[1]
# Python 3.10 has no reader of TOML; for what is asked here its syntax is Python's.
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def setting(name: str) -> Any:
    found = re.findall(rf"^{re.escape(name)} = (\[.*?^\]|[^\n]+)$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, name
    return ast.literal_eval(found[0])


def test_one_version() -> None:
    assert setting("version") == VERSION


def test_every_room_is_installed() -> None:
    """A folder that is not in the list is missing from a wheel, though an editable install has it."""
    models = ROOT / "wtsnet" / "models"  # a link to `models`, if it is there
    files = [file for file in (ROOT / "wtsnet").rglob("__init__.py") if models not in file.parents]
    folders = {".".join(file.parent.relative_to(ROOT).parts) for file in files}
    assert sorted(setting("packages")) == sorted({*folders, "wtsnet.models"})
    assert '[tool.setuptools.package-dir]\n"wtsnet.models" = "models"\n' in TEXT


def test_every_file_is_in_a_package() -> None:
    """No folder of Python files without an `__init__.py`, which `packages` would not have."""
    lonely = {file.parent for file in (ROOT / "wtsnet").rglob("*.py") if not (file.parent / "__init__.py").exists()}
    assert not lonely
