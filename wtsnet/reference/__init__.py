"""The reference runtime: a TensorRT network definition, read back and executed by torch.

    runner = ReferenceRunner(network)        # any INetworkDefinition, of tensorrt or tensorrt_rtx
    outputs = runner(images=array)           # name -> numpy array

It knows nothing of how the network was made: what runs is what TensorRT was told.
"""

from wtsnet.reference.readback import TensorSpec
from wtsnet.reference.runner import ReferenceRunner

__all__ = ["ReferenceRunner", "TensorSpec"]
