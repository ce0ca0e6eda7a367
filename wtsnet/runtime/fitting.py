"""Which GPU a plan is for, as its manifest tells: the guess of a machine where the plan itself can't be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtsnet.manifest import PlanManifest
    from wtsnet.trt import Gpu

# What TensorRT-RTX runs on when no target was named.
RTX_CAPABILITIES = {(8, 0), (8, 6), (8, 7), (8, 9), (12, 0), (12, 1)}


def misfit(manifest: PlanManifest, gpu: Gpu) -> str:
    """Why the plan can't run on `gpu`; empty when it can.

    Of an engine that was asked itself, because no more is known of it, the manifest's GPU is one that has opened it.
    """
    here = "{}.{}".format(*gpu.capability)
    if not manifest.model and manifest.gpu and manifest.gpu["compute_capability"] == here:
        return ""
    if manifest.target:
        fits = gpu.target in manifest.target or ("ampere_plus" in manifest.target and gpu.capability >= (8, 0))
        expected = ", ".join(manifest.target)
    elif manifest.tensorrt["flavour"] == "tensorrt_rtx":
        fits = gpu.capability in RTX_CAPABILITIES
        expected = ", ".join(f"sm{major}{minor}" for major, minor in sorted(RTX_CAPABILITIES))
    else:
        built_on = manifest.gpu
        fits = built_on is not None and built_on["compute_capability"] == here
        expected = f"compute capability {built_on['compute_capability']} ({built_on['name']})" if built_on else "no GPU"
    return "" if fits else f"the plan is for {expected}; {gpu.name} is {gpu.target}"
