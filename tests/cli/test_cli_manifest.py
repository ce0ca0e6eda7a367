"""wtsnet/cli/manifest.py: `wtsnet manifest`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wtsnet
from tests.engine import test_foreign as of_foreign
from tests.runtime.test_runtime_ports import Plans
from wtsnet.errors import EngineError

cuda, launch, runtime = of_foreign.cuda, of_foreign.launch, of_foreign.runtime
plan, ultralytics = of_foreign.plan, of_foreign.ultralytics
PORTS = (
    "input x: float32 1×3:4×3:64×3\n"
    "input size: int64 1:1:1\n"
    "output y: float32 -1\n"
    "output twice: int64 1\n"
)  # fmt: skip


@pytest.mark.parametrize("name", ["plan", "ultralytics"])
def test_it_is_written_once(
    cli: Callable[..., Any], fails: Callable[..., str], runtime: Plans, request: pytest.FixtureRequest, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    target = Path(f"{path}.yaml")
    done = cli("manifest", path)
    assert (done.status, done.err, done.out) == (0, "", f"{target}: written\n{PORTS}")
    of_foreign.runs(wtsnet.load(path))
    target.write_text("mine")
    assert fails("manifest", path) == f"{target}: is there already; --force writes over it"
    assert target.read_text() == "mine"
    assert cli("manifest", path, "--force").status == 0
    assert wtsnet.load(path).manifest.plan["file"] == path.name
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, target.name]


def test_elsewhere(cli: Callable[..., Any], runtime: Plans, plan: Path, tmp_path: Path) -> None:
    assert cli("manifest", plan, "-o", tmp_path / "other.yaml").out == f"{tmp_path / 'other.yaml'}: written\n{PORTS}"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other.yaml", "x.plan"]
    assert cli("inspect", tmp_path / "other.yaml").out.startswith("plan of another tool: ")


def test_nothing_is_written_where_it_fails(
    fails: Callable[..., str], runtime: Plans, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fails("manifest", plan, "-o", tmp_path / "no/x.yaml").startswith(
        f"{tmp_path / 'no/x.yaml'}: can't be written"
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert fails("manifest", tmp_path / "a.png").startswith(f"{tmp_path / 'a.png'}: found b'\\x89PNG' at its beginning")
    assert fails("manifest", tmp_path / "none.plan").startswith(f"{tmp_path / 'none.plan'}: can't be read")
    of_foreign.gpu_of(monkeypatch)
    assert fails("manifest", plan).startswith(
        f"{plan}: without a manifest a plan tells what it takes only to a GPU that"
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "x.plan"]
    with pytest.raises(EngineError):
        wtsnet.load(plan, trust=True)
