"""The heads that say something of every pixel, from the lists that a checkpoint carries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.conftest import run
from tests.upstream import ultralytics
from tests.upstream.realistic import realistic
from wtsnet import define
from wtsnet.network.weights import Weights
from wtsnet.proof import record
from wtsnet.proof.verifying import relative_error, verify


@pytest.mark.parametrize("task", ["sem", "depth"])
def test_every_module(task: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = realistic(ultralytics.module(f"yolo26n-{task}.yaml"), torch.rand(2, 3, 64, 96))
    if task == "depth":  # logarithms beyond the ends of the range, too
        head: Any = module.model[-1]  # type: ignore[index]
        head.head[3].weight *= 3
        head.cal_a.fill_(0.5)
        head.cal_b.fill_(0.25)
    with torch.no_grad():
        theirs = module(x).numpy()
    weights: Any = Weights(module.state_dict()).told({"yaml": module.yaml})
    sizes = (64, 96), ((64, 64, 128), (64, 96, 128))
    for imgsz in sizes:
        net = define("yolo", weights, batch=2, imgsz=imgsz, head="decoded")
        name = {"sem": "logits", "depth": "depth"}[task]
        assert relative_error(run(net, x)[name], theirs) <= 1e-5
        assert net.facts["decode"]["kind"] == {"sem": "semantic", "depth": "depth"}[task]
    made = run(define("yolo", weights, batch=2, imgsz=sizes[0], head="raw"), x)
    if task == "depth":
        assert made["log_depth"].min() < -4
        assert made["log_depth"].max() > 5
        assert relative_error(np.exp(0.5 * np.clip(made["log_depth"], -4, 5) + 0.25), theirs) <= 1e-5
    else:
        found = run(define("yolo", weights, batch=2, imgsz=sizes[0], head="topk"), x)
        np.testing.assert_array_equal(found["classes"], theirs.argmax(1))
    record(module, x, tmp_path / "golden.npz")
    report = verify("yolo", weights, tmp_path / "golden.npz", tolerance=1e-5)
    assert report.first is None
    parts = [module.get_submodule(re.split(r"[#\[]", name)[0]) for name in report.skipped]
    # Batch norms are folded into convolutions that have no bias; activations and the like are not named.
    assert all(not part.state_dict() or (isinstance(part, torch.nn.Conv2d) and part.bias is None) for part in parts)
