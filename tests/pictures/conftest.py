"""What several files of tests of pictures compare with."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


@pytest.fixture(scope="session")
def transforms() -> Any:
    """torchvision's transforms."""
    importlib.import_module("tests.upstream.torchvision")  # declares the operators that torchvision's import asks for
    from torchvision import transforms

    return transforms
