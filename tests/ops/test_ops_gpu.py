"""Every op's example on the real engine, against PyTorch: what TensorRT makes of it, not the reference runtime."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.ops.catalogue import EXAMPLES
from tests.ops.support import as_torch, flat, plan_of
from tests.ops.test_ops_all import made
from wtsnet.runtime import RTX_CAPABILITIES
from wtsnet.trt import driver, flavour

pytestmark = pytest.mark.gpu
# TensorRT-RTX computes float32 products in TF32, whatever the flag says: 10 bits of a factor, summed up.
TOLERANCE = 2e-3


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if driver().problem:
        pytest.skip(driver().problem)
    pytest.importorskip("pycuda.driver")
    if flavour() == "tensorrt_rtx" and driver().gpus[0].capability not in {*RTX_CAPABILITIES, (9, 0)}:
        pytest.skip("TensorRT-RTX does not run on this GPU")


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_engine_gives_what_torch_gives(name: str) -> None:
    from wtsnet.runtime.tensorrt import TensorRTRunner

    example = EXAMPLES[name]
    one = made(example)
    plan, manifest = plan_of(one.net), SimpleNamespace(inputs=one.net.inputs())
    with TensorRTRunner.from_plan(plan, manifest) as runner:  # type: ignore[arg-type]  # a manifest's inputs are enough
        for batch in (1, 3):
            inputs = example.inputs(batch)
            arrays = runner.run({f"x{i}": x.numpy() for i, x in enumerate(inputs)})
            with torch.inference_mode():
                wanted = flat(example.twin(*inputs))
            for i, theirs in enumerate(wanted):
                ours = as_torch(np.asarray(arrays[f"y{i}"]))
                assert ours.shape == theirs.shape
                if not theirs.is_floating_point():
                    assert torch.equal(ours.to(theirs.dtype), theirs)
                    continue
                finite = theirs[theirs.isfinite()].abs()
                limit = TOLERANCE * (float(finite.max()) if finite.numel() else 0.0)
                torch.testing.assert_close(ours.double(), theirs.double(), rtol=0, atol=limit, equal_nan=True)
