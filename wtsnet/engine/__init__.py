"""Engines: building a network into a plan, saving and loading it with its manifest, and the cache.

It knows nothing of what outputs mean.
"""

from wtsnet.engine.building import build
from wtsnet.engine.engine import Engine, load

__all__ = ["Engine", "build", "load"]
