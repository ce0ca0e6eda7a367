"""wtsnet/checkpoint/exporting.py: what upstream projects save, every form a checkpoint takes, and the export."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wtsnet import __version__, read_wts
from wtsnet.checkpoint.exporting import Checkpoint, export, load_checkpoint, norms_without_eps
from wtsnet.errors import CheckpointError, WtsError
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import WeightsManifest, manifest_path

UPSTREAM = {
    "yolov5n": ("ema", 349),
    "yolov5n-legacy": ("ema", 349),
    "yolov5s": ("ema", 349),
    "yolov8n": ("ema", 355),
    "resnet18-state": ("state_dict", 122),
    "resnet18-module": (None, 122),
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each of `UPSTREAM` saves, as `x.pt`, and its own state dict, as `x.expected`."""
    folder = tmp_path_factory.mktemp("upstream")
    words: list[str | Path] = [sys.executable, "-W", "ignore", "-m", "tests.make_checkpoints", folder]
    result = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr
    return folder


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert (name, found[name].dtype, found[name].shape) == (name, tensor.dtype, tensor.shape)
        assert torch.equal(found[name].double(), tensor.detach().double()), name


def saved(tmp_path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, tmp_path / "x.pt", **options)
    return tmp_path / "x.pt"


def test_make_checkpoints_are_as_published(upstream: Path) -> None:
    """The counts that the published models have, so that what is compared below is the real thing."""
    for name, (_, entries) in UPSTREAM.items():
        assert len(torch.load(upstream / f"{name}.expected", weights_only=True)) == entries


@pytest.mark.parametrize("name", UPSTREAM)
def test_upstream_checkpoint_gives_its_state_dict(upstream: Path, name: str) -> None:
    checkpoint = load_checkpoint(upstream / f"{name}.pt")
    assert checkpoint.key == UPSTREAM[name][0]
    assert checkpoint.source == upstream / f"{name}.pt"
    assert_same(checkpoint.tensors, torch.load(upstream / f"{name}.expected", weights_only=True))


@pytest.mark.parametrize(
    ("name", "norms", "eps"), [("yolov5n", 57, 1e-3), ("yolov8n", 57, 1e-3), ("resnet18-module", 20, 1e-5)]
)
def test_upstream_bn_eps(upstream: Path, name: str, norms: int, eps: float) -> None:
    checkpoint = load_checkpoint(upstream / f"{name}.pt")
    assert Counter(checkpoint.bn_eps.values()) == {eps: norms}
    assert [f"{path}.running_mean" for path in checkpoint.bn_eps] == [
        name for name in checkpoint.tensors if name.endswith("running_mean")
    ]


def test_upstream_facts_of_yolov5(upstream: Path) -> None:
    facts = load_checkpoint(upstream / "yolov5s.pt").facts
    assert list(facts) == ["yaml", "nc", "names", "stride", "anchors", "imgsz"]
    assert facts["yaml"]["width_multiple"] == 0.5
    assert facts["yaml"]["backbone"][0] == [-1, 1, "Conv", [64, 6, 2, 2]]
    assert facts["yaml"]["head"][-1] == [[17, 20, 23], 1, "Detect", ["nc", "anchors"]]
    assert facts["nc"] == 80
    assert facts["names"] == [f"class {index}" for index in range(80)]
    assert facts["stride"] == [8.0, 16.0, 32.0]
    pixels = [[value for anchor in level for value in anchor] for level in facts["anchors"]]
    assert pixels == facts["yaml"]["anchors"]
    assert facts["imgsz"] == 512


def test_upstream_facts_of_ultralytics(upstream: Path) -> None:
    facts = load_checkpoint(upstream / "yolov8n.pt").facts
    assert list(facts) == ["yaml", "nc", "names", "stride", "task", "reg_max", "imgsz"]
    assert facts["yaml"]["head"][-1] == [[15, 18, 21], 1, "Detect", ["nc"]]
    assert facts["stride"] == [8.0, 16.0, 32.0]
    assert (facts["nc"], len(facts["names"]), facts["task"], facts["reg_max"]) == (80, 80, "detect", 16)
    assert facts["imgsz"] == 320  # the module's own arguments go before the checkpoint's


def test_upstream_facts_of_a_state_dict(upstream: Path) -> None:
    assert load_checkpoint(upstream / "resnet18-state.pt").facts == {"imgsz": 224}
    assert load_checkpoint(upstream / "resnet18-module.pt").facts == {}


def test_upstream_code_is_not_needed(upstream: Path) -> None:
    script = """
import sys
class Block:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("ultralytics", "yolov5", "models", "torchvision"):
            raise ImportError(f"{name} must not be imported")
sys.meta_path.insert(0, Block())
from wtsnet.checkpoint import load_checkpoint
print(*[len(load_checkpoint(path).tensors) for path in sys.argv[1:]])
"""
    paths = [upstream / f"{name}.pt" for name in UPSTREAM]
    result = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True)
    assert result.stdout.split() == [str(entries) for _, entries in UPSTREAM.values()], result.stderr


class Odd(nn.Module):
    """One of everything that a state dict can hold, and of what it leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.child = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, eps=0.25))
        self.register_parameter("nothing", None)
        self.register_buffer("none", None)
        self.register_buffer("unsaved", torch.ones(2), persistent=False)
        self.register_buffer("scalar", torch.tensor(1.5))
        self.register_buffer("empty", torch.empty(0, 3))
        self.register_buffer("expanded", torch.arange(3.0).expand(4, 3))
        self.register_buffer("sliced", torch.arange(10.0)[2:9:3])
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool):
            self.register_buffer(f"a_{dtype}".replace("torch.", ""), torch.tensor([[0, 1], [1, 1]]).to(dtype))
        for dtype in (torch.uint16, torch.float8_e4m3fn):
            self.register_buffer(f"a_{dtype}".replace("torch.", ""), torch.tensor([0, 2, 3]).to(dtype))
        self.turned = nn.Parameter(torch.arange(6.0).reshape(2, 3).t())
        self.tagged = nn.Parameter(torch.ones(2))
        self.tagged.__dict__["no_decay"] = True
        self.tied = nn.Parameter(self.get_parameter("child.0.weight"))
        self.shared = self.child[1]
        self.skipped = None
        self.listed = nn.ParameterList([torch.zeros(1), torch.ones(1)])
        self.keyed = nn.ParameterDict({"b": torch.zeros(2), "a": torch.ones(2)})
        self.modules_by_name = nn.ModuleDict({"z": nn.Linear(1, 2), "y": nn.PReLU()})
        self.add_module("gone", None)
        self.still = nn.BatchNorm1d(2, affine=False)
        self.untracked = nn.BatchNorm1d(2, track_running_stats=False)
        self.wrapped = nn.DataParallel(nn.Linear(2, 2))


@pytest.mark.parametrize("legacy", [False, True])
def test_module_gives_what_state_dict_gives(tmp_path: Path, legacy: bool) -> None:
    module = Odd()
    path = saved(tmp_path, {"model": module}, _use_new_zipfile_serialization=not legacy)
    checkpoint = load_checkpoint(path)
    assert_same(checkpoint.tensors, module.state_dict())
    assert "wrapped.module.weight" in checkpoint.tensors
    assert checkpoint.bn_eps == {"child.1": 0.25, "shared": 0.25, "still": 1e-5}


def test_tied_tensors_share_their_values(tmp_path: Path) -> None:
    weight = torch.arange(6.0)
    tensors = load_checkpoint(saved(tmp_path, {"a": weight, "b": weight, "c": weight[2:]})).tensors
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors.values()}) == 1
    assert_same(tensors, {"a": weight, "b": weight, "c": weight[2:]})


def test_module_from_before_non_persistent_buffers(tmp_path: Path) -> None:
    module = nn.BatchNorm2d(2)
    del module.__dict__["_non_persistent_buffers_set"]
    assert list(load_checkpoint(saved(tmp_path, module)).tensors) == list(nn.BatchNorm2d(2).state_dict())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(tmp_path: Path, protocol: int) -> None:
    module = Odd()
    assert_same(load_checkpoint(saved(tmp_path, module, pickle_protocol=protocol)).tensors, module.state_dict())


class StateDict(OrderedDict):  # type: ignore[type-arg]
    """A subclass, which is a record here."""


@pytest.mark.parametrize("kind", [dict, OrderedDict, StateDict])
def test_state_dict(tmp_path: Path, kind: type) -> None:
    state = kind(nn.Linear(2, 3).state_dict())
    state["step"] = 5
    state["_extra_state"] = None
    checkpoint = load_checkpoint(saved(tmp_path, state))
    assert_same(checkpoint.tensors, {"weight": state["weight"], "bias": state["bias"]})
    assert (checkpoint.key, checkpoint.facts, checkpoint.bn_eps) == (None, {}, {})


def linear(value: float) -> nn.Linear:
    result = nn.Linear(1, 1)
    nn.init.constant_(result.weight, value)
    return result


NESTED = {
    "state_dict": linear(1).state_dict(),
    "student": {"model": linear(2), "a.b": linear(3).state_dict()},
    "loss": torch.tensor(9.0),
}


@pytest.mark.parametrize(
    ("content", "key", "taken", "value"),
    [
        ({"ema": linear(1), "model": linear(2), "state_dict": linear(3).state_dict()}, None, "ema", 1),
        ({"ema": None, "model": linear(2), "state_dict": linear(3).state_dict()}, None, "model", 2),
        ({"model": "resnet18", "state_dict": linear(3).state_dict()}, None, "state_dict", 3),
        ({"ema": linear(1), "model": linear(2)}, "model", "model", 2),
        (NESTED, None, "state_dict", 1),
        (NESTED, "student.model", "student.model", 2),
        (NESTED, "student.a.b", "student.a.b", 3),
        ({"model": nn.Sequential(linear(1), nn.Sequential(linear(4)))}, "model.1.0", "model.1.0", 4),
    ],
)
def test_key(tmp_path: Path, content: Any, key: str | None, taken: str, value: float) -> None:
    checkpoint = load_checkpoint(saved(tmp_path, content), key)
    assert checkpoint.key == taken
    assert checkpoint.tensors["weight"].item() == value


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        (NESTED, "studnet", "no key 'studnet'; it has 'state_dict', 'student', 'loss'; did you mean 'student'?"),
        (NESTED, "student.modle", "no key 'student.modle'; it has 'student.model', 'student.a.b'; did you mean"),
        (NESTED, "", "no key ''; it has 'state_dict'"),
        (NESTED, "loss", "'loss' is a tensor, which holds no tensors; --key can be 'state_dict', 'student.model'"),
        (
            NESTED,
            "student",
            "'student' is a mapping, which holds no tensors; --key can be 'state_dict', 'student.model'",
        ),
        ({"a": 1, "b": [torch.ones(1)]}, None, "it is a mapping, which holds no tensors; it has 'a', 'b'"),
        (3, None, "it is int, which holds no tensors; it has no keys"),
        (nn.ReLU(), None, "it is torch.nn.modules.activation.ReLU, which holds no tensors"),
        ({"ema": {"module": linear(1)}}, None, "'ema' is a mapping, which holds no tensors; --key can be 'ema.module'"),
        ({"w": torch.eye(2).to_sparse()}, None, "'w' is torch._utils._rebuild_sparse_tensor, not a tensor with plain"),
        ({"w": torch.ones(2, device="meta")}, None, "'w' is torch._utils._rebuild_meta_tensor_no_storage, not a"),
        ({1: torch.ones(1)}, None, "a name in its tensors is of type int, not text"),
    ],
)
def test_nothing_to_take(tmp_path: Path, content: Any, key: str | None, message: str) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, key)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_module_that_contains_itself(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(1, 1))
    module._modules["self"] = module
    with pytest.raises(CheckpointError, match="contains itself"):
        load_checkpoint(saved(tmp_path, module))


def test_module_with_more_modules_than_memory_holds(tmp_path: Path) -> None:
    module: nn.Module = nn.Linear(1, 1)
    for _ in range(60):
        module = nn.ModuleDict({"a": module, "b": module})
    with pytest.raises(CheckpointError, match="far too many others"):
        load_checkpoint(saved(tmp_path, module))


def test_child_that_is_no_module(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(1, 1))
    module._modules["1"] = Counter("ab")  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match="'1' is a mapping, not a module"):
        load_checkpoint(saved(tmp_path, module))


class TestStripPrefix:
    def test_strips_names_and_paths(self, tmp_path: Path) -> None:
        module = nn.DataParallel(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
        checkpoint = load_checkpoint(saved(tmp_path, module), strip_prefix="module.")
        assert_same(checkpoint.tensors, module.module.state_dict())
        assert checkpoint.bn_eps == {"1": 1e-5}

    def test_leaves_other_names(self, tmp_path: Path) -> None:
        state = {"module.a": torch.ones(1), "b": torch.zeros(1)}
        assert list(load_checkpoint(saved(tmp_path, state), strip_prefix="module.").tensors) == ["a", "b"]

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["a", "b"], "no name begins with 'module.'; the first is 'a'"),
            (["a", "module.a"], "without 'module.' the name of 'module.a' would be that of 'a'"),
            (["module.a", "module."], "without 'module.' the name of 'module.' would be empty"),
        ],
    )
    def test_refuses(self, tmp_path: Path, names: list[str], message: str) -> None:
        path = saved(tmp_path, {name: torch.ones(1) for name in names})
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path, strip_prefix="module.")


class TestExport:
    def test_writes_both_files(self, tmp_path: Path) -> None:
        module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, eps=1e-3)).to(torch.bfloat16)
        source, target = saved(tmp_path, {"model": module, "names": ["a", "b"]}), tmp_path / "out.wts"
        manifest = export(source, target)
        assert manifest == WeightsManifest.read(manifest_path(target))
        assert manifest == WeightsManifest(
            wtsnet=__version__,
            source={"file": "x.pt", "sha256": sha256(source), "key": "model"},
            wts={"file": "out.wts", "sha256": sha256(target)},
            architecture={"names": ["a", "b"]},
            bn_eps={"1": 1e-3},
            entries={
                "0.weight": {"shape": [3, 2, 1, 1], "dtype": "bfloat16"},
                "0.bias": {"shape": [3], "dtype": "bfloat16"},
                "1.weight": {"shape": [3], "dtype": "bfloat16"},
                "1.bias": {"shape": [3], "dtype": "bfloat16"},
                "1.running_mean": {"shape": [3], "dtype": "bfloat16"},
                "1.running_var": {"shape": [3], "dtype": "bfloat16"},
                "1.num_batches_tracked": {"shape": [], "dtype": "int64"},
            },
        )
        assert list(manifest.entries) == list(module.state_dict())

    def test_norms_whose_eps_is_not_told(self, tmp_path: Path) -> None:
        module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False)))
        for content, norms in (
            (module, []),
            (module.state_dict(), ["1", "2.0"]),
            (nn.DataParallel(module).state_dict(), ["module.1", "module.2.0"]),
            (nn.BatchNorm1d(2).state_dict(), [""]),
            (nn.BatchNorm1d(2, track_running_stats=False).state_dict(), []),
            ({"a.running_mean": torch.ones(1), "brunning_mean": torch.ones(1), "brunning_var": torch.ones(1)}, []),
        ):
            manifest = export(saved(tmp_path, content), tmp_path / "out.wts")
            assert norms_without_eps(manifest) == norms

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8])
    def test_values_become_float32(self, tmp_path: Path, dtype: torch.dtype) -> None:
        state = {"w": torch.linspace(-3, 3, 12).reshape(3, 4).to(dtype).t(), "s": torch.tensor(7).to(dtype)}
        export(saved(tmp_path, state), tmp_path / "x.wts")
        found = read_wts(tmp_path / "x.wts")
        for name, tensor in state.items():
            assert np.array_equal(found[name], tensor.float().flatten().numpy())

    def test_odd_module(self, tmp_path: Path) -> None:
        module = Odd()
        export(saved(tmp_path, module), tmp_path / "x.wts")
        found = read_wts(tmp_path / "x.wts")
        assert list(found) == list(module.state_dict())
        for name, tensor in module.state_dict().items():
            assert np.array_equal(found[name], tensor.float().flatten().numpy()), name

    def test_dry_run_does_all_but_leave_files(self, tmp_path: Path) -> None:
        source, target = saved(tmp_path, linear(1)), tmp_path / "x.wts"
        dry = export(source, target, dry_run=True)
        assert list(tmp_path.iterdir()) == [source]
        assert dry == export(source, target)

    def test_progress_counts_values(self, tmp_path: Path) -> None:
        calls: list[tuple[int, int]] = []
        state = {"a": torch.zeros(300, 400), "b": torch.zeros(10)}
        export(saved(tmp_path, state), tmp_path / "x.wts", progress=lambda *call: calls.append(call))
        assert calls[-1] == (120_010, 120_010)
        assert calls == sorted(calls)
        assert len(calls) > 2

    def test_integers_that_float32_cannot_hold(self, tmp_path: Path) -> None:
        source, target = saved(tmp_path, {"ids": torch.tensor([1, 2**24, 2**24 + 1])}), tmp_path / "x.wts"
        with pytest.raises(CheckpointError, match="'ids' holds 16777217, which float32 can't"):
            export(source, target)
        assert list(tmp_path.iterdir()) == [source]

    def test_counter_of_batches_is_rounded(self, tmp_path: Path) -> None:
        export(saved(tmp_path, {"bn.num_batches_tracked": torch.tensor(2**24 + 1)}), tmp_path / "x.wts")
        assert list(read_wts(tmp_path / "x.wts")["bn.num_batches_tracked"]) == [2.0**24]

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            ({"a b": torch.ones(1)}, "x.pt: key 'a b'"),
            ({"a": torch.ones(1), "w": torch.tensor(1e300, dtype=torch.float64)}, "x.pt: key 'w'"),
            ({"a": torch.ones(1), "c": torch.ones(1, dtype=torch.complex64)}, "x.pt: key 'c'"),
        ],
    )
    def test_values_that_a_wts_cannot_hold(self, tmp_path: Path, state: Any, message: str) -> None:
        source, target = saved(tmp_path, state), tmp_path / "out.wts"
        target.write_text("before")
        with pytest.raises(WtsError, match=message):
            export(source, target)
        assert target.read_text() == "before"
        assert sorted(tmp_path.iterdir()) == [target, source]

    def test_does_not_overwrite_its_source(self, tmp_path: Path) -> None:
        source = saved(tmp_path, linear(1))
        before = source.read_bytes()
        with pytest.raises(CheckpointError, match="would overwrite the checkpoint itself"):
            export(source, tmp_path / "." / "x.pt")
        assert source.read_bytes() == before

    def test_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(WtsError, match=r"x\.wts: can't be written: No such file or directory"):
            export(saved(tmp_path, linear(1)), tmp_path / "no" / "x.wts")


def test_import_wtsnet_loads_no_torch() -> None:
    script = "import sys, wtsnet, wtsnet.checkpoint; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_checkpoint_is_exported_as_documented() -> None:
    assert list(Checkpoint.__dataclass_fields__) == ["tensors", "facts", "bn_eps", "key", "source"]
