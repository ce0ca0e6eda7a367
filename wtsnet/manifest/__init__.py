"""The YAML beside a .wts or a plan: what these files can't say themselves. Files are written whole or not at all.

It knows nothing of what the values mean to a network: no TensorRT, no torch, no layer.
"""

from wtsnet.manifest.files import is_among, sha256, whole
from wtsnet.manifest.manifest import (
    Input,
    Output,
    PlanManifest,
    PlanRef,
    WeightsManifest,
    WtsRef,
    manifest_path,
    read_manifest,
)
from wtsnet.manifest.npz import read_npz, write_array
from wtsnet.manifest.values import height_width, numbers, one_of, whole_number
from wtsnet.manifest.version import VERSION

__all__ = [
    "VERSION",
    "Input",
    "Output",
    "PlanManifest",
    "PlanRef",
    "WeightsManifest",
    "WtsRef",
    "height_width",
    "is_among",
    "manifest_path",
    "numbers",
    "one_of",
    "read_manifest",
    "read_npz",
    "sha256",
    "whole",
    "whole_number",
    "write_array",
]
