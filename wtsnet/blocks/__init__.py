"""Compositions that several models share. Importing the package registers all blocks and heads that architecture lists
name."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
