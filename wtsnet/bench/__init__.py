"""How fast an engine runs: latency, throughput and each stage of a run.

It knows nothing of models and of what outputs mean: it takes an engine and arrays for its inputs.
"""

from wtsnet.bench.timing import bench

__all__ = ["bench"]
