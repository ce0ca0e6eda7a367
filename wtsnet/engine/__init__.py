"""Engines: building a network into a plan, saving and loading it with its manifest, and the cache.

It knows nothing of what outputs mean, but for what an Ultralytics header says.
"""

from wtsnet.engine.building import build
from wtsnet.engine.engine import Engine, load
from wtsnet.engine.rebuilding import rebuild

__all__ = ["Engine", "build", "load", "rebuild"]
