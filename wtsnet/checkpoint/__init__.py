"""PyTorch's files as tensors and facts, nothing of them run, and their export to a .wts with its manifest.

It knows nothing of networks and of TensorRT.
"""

from wtsnet.checkpoint.exporting import Checkpoint, export, load_checkpoint, norms_without_eps

__all__ = ["Checkpoint", "export", "load_checkpoint", "norms_without_eps"]
