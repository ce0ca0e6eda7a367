"""Network, Scope, Tensor and Dim: an INetworkDefinition that is written like the paper's figure, and the weights that
it takes. What a Tensor's operators and methods need is here too, as ops of their own.

It knows nothing of models, of pictures or of what becomes of the network.
"""

from wtsnet.network.checks import as_dtype_name
from wtsnet.network.declaring import OPS, Op, module, op
from wtsnet.network.dims import Dim, shape_tensor
from wtsnet.network.network import PRECISIONS, Network
from wtsnet.network.reduce import TOPK_LIMIT
from wtsnet.network.scope import Scope
from wtsnet.network.summary import layers, shape_text
from wtsnet.network.tensor import Tensor
from wtsnet.network.weights import Weights

__all__ = [
    "OPS",
    "PRECISIONS",
    "TOPK_LIMIT",
    "Dim",
    "Network",
    "Op",
    "Scope",
    "Tensor",
    "Weights",
    "as_dtype_name",
    "layers",
    "module",
    "op",
    "shape_tensor",
    "shape_text",
]
