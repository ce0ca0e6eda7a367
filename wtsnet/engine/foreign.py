"""Plans without a manifest, such as trtexec's and Ultralytics': one made of what the engine itself tells."""

from __future__ import annotations

import hashlib

from wtsnet import trt as tensorrt
from wtsnet.engine.planfile import PlanFile
from wtsnet.engine.ultralytics import meaning
from wtsnet.errors import EngineError, RunnerError
from wtsnet.manifest import VERSION, PlanManifest
from wtsnet.runtime import ask
from wtsnet.trt import driver

_DEVICE = 0  # the GPU that is asked


def described(data: bytes, name: str) -> PlanManifest:
    """A manifest of a plan's file, as its engine tells it on this machine's first GPU. What is in the plan runs.

    Args:
        data: the file's bytes.
        name: what the file is called, without a folder.

    Raises:
        EngineError: it is no plan, or there is no GPU here that opens it.
    """
    file = PlanFile.of(data)
    try:
        told = ask(file.plan, _DEVICE)
    except RunnerError as error:
        raise EngineError(
            f"without a manifest a plan tells what it takes only to a GPU that it fits: {error}; there, "
            f"`wtsnet manifest {name}` writes the manifest ({name}.yaml)"
        ) from None
    known = meaning(file.metadata, told.outputs)
    gpu = driver().gpus[_DEVICE]
    return PlanManifest(
        wtsnet=VERSION,
        model="",
        source=None,
        options={"values": told.values} if told.values else {},
        weights={"file": None, "sha256": ""},
        architecture={},
        tensorrt={"flavour": tensorrt.flavour(), "version": tensorrt.version()},
        target=[],
        gpu={"name": gpu.name, "compute_capability": "{}.{}".format(*gpu.capability)},
        flags=[],
        workspace=None,
        level=None,
        inputs=told.inputs,
        axes={},
        outputs=told.outputs,
        plan={"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        preprocess=known.preprocess,
        decode=known.decode,
        names=known.names,
    )
