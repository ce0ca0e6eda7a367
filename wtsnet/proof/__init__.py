"""Proof: what PyTorch computes, recorded module by module, against what the network computes; and two networks beside
one another.

It knows nothing of how an engine is built.
"""

from wtsnet.proof.comparing import compare
from wtsnet.proof.inputs import given_inputs, random_inputs
from wtsnet.proof.recording import load_module, record
from wtsnet.proof.verifying import verify

__all__ = ["compare", "given_inputs", "load_module", "random_inputs", "record", "verify"]
