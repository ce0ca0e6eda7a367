"""Compositions that several models share, a room a family. Importing this one registers all blocks and heads that
architecture lists name.

It knows nothing of models and their variants.
"""

from importlib import import_module
from pkgutil import walk_packages

for _module in walk_packages(__path__, f"{__name__}."):
    import_module(_module.name)
