"""How fast an engine runs: latency, throughput and each stage of a run."""

from wtsnet.bench.timing import bench

__all__ = ["bench"]
