"""Network, Scope, Tensor and Dim: an INetworkDefinition that is written like the paper's figure, and the weights that
it takes. What a Tensor's operators and methods need is here too.

It knows nothing of models, of pictures or of what becomes of the network.
"""

from wtsnet.network.dims import Dim, shape_tensor
from wtsnet.network.network import PRECISIONS, Network, Scope, Tensor
from wtsnet.network.summary import layers, shape_text
from wtsnet.network.weights import Weights

__all__ = ["PRECISIONS", "Dim", "Network", "Scope", "Tensor", "Weights", "layers", "shape_tensor", "shape_text"]
