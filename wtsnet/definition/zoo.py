"""Where the models of the zoo are."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

NAME = "wtsnet.models"


@cache
def zoo() -> ModuleType:
    """The package `wtsnet.models`: as it was installed, or, in a clone that was not, the folder `models` beside the
    package."""
    try:
        return importlib.import_module(NAME)
    except ModuleNotFoundError as error:
        folder = Path(__file__).parents[2] / "models"
        if error.name != NAME or not folder.is_dir():
            raise
    spec = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None  # both are so for a Python file
    assert spec.loader is not None
    module = sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
