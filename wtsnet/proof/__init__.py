"""Proof: what PyTorch computes, recorded module by module, against what the network computes; and two networks beside
one another.

It knows nothing of how an engine is built.
"""

from wtsnet.proof.comparing import compare
from wtsnet.proof.inputs import given_inputs, random_inputs, read_inputs, sample_inputs
from wtsnet.proof.modules import blaming, is_python, load_module
from wtsnet.proof.recording import record
from wtsnet.proof.verifying import verify

__all__ = [
    "blaming",
    "compare",
    "given_inputs",
    "is_python",
    "load_module",
    "random_inputs",
    "read_inputs",
    "record",
    "sample_inputs",
    "verify",
]
