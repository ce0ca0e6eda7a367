"""wtsnet/checkpoint/archive.py: the three formats, and what is wrong with a file that is none of them."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from wtsnet.checkpoint.exporting import load_checkpoint
from wtsnet.errors import CheckpointError

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7), "c": torch.ones(3, dtype=torch.float16)}


def failure(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def saved(path: Path, content: Any = STATE, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def rezipped(path: Path, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The zip at `path` with some entries replaced, added, or (None) left out."""
    with zipfile.ZipFile(path) as old:
        entries: dict[str, bytes | None] = {entry: old.read(entry) for entry in old.namelist()}
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in (entries | change).items():
            if data is not None:
                new.writestr(name, data)
    return path


class TestZip:
    @pytest.mark.parametrize("length", [3, 10, 100, 500, 1000, -1])
    def test_cut_short(self, tmp_path: Path, length: int) -> None:
        path = saved(tmp_path / "x.pt")
        path.write_bytes(path.read_bytes()[:length])
        assert re.match("a zip file that is cut short or damaged|not a PyTorch checkpoint", failure(path))

    def test_damaged_local_header(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt")
        with zipfile.ZipFile(path) as archive:
            offset = archive.getinfo("x/data/1").header_offset
        data = bytearray(path.read_bytes())
        data[offset : offset + 4] = b"gone"
        path.write_bytes(data)
        assert failure(path) == "a zip file that is damaged at x/data/1"

    def test_no_checkpoint(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", a=np.ones(3))
        assert failure(tmp_path / "x.npz") == "a zip file without a data.pkl, so not one of torch.save"

    def test_torchscript(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt", nn.Linear(1, 1))
        rezipped(path, {"x/constants.pkl": b"\x80\x02).", "x/code/__torch__.py": b""})
        assert failure(path).startswith("a TorchScript archive; save the state_dict() of the model")

    def test_compressed(self, tmp_path: Path) -> None:
        path = rezipped(saved(tmp_path / "x.pt"), {}, zipfile.ZIP_DEFLATED)
        assert failure(path) == "x/byteorder is compressed or encrypted, which torch.save never does"

    def test_rezipped(self, tmp_path: Path) -> None:
        path = rezipped(saved(tmp_path / "x.pt"), {})
        assert torch.equal(load_checkpoint(path).tensors["a"], STATE["a"])

    def test_byteorder(self, tmp_path: Path) -> None:
        path = rezipped(saved(tmp_path / "x.pt"), {"x/byteorder": b"big"})
        assert failure(path) == "its values are big-endian, and this machine's are little-endian"
        assert load_checkpoint(rezipped(path, {"x/byteorder": None})).tensors.keys() == STATE.keys()

    def test_storage_that_is_missing_or_too_small(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt")
        assert failure(rezipped(path, {"x/data/0": b"\0" * 20})) == "'a' wants 24 bytes, but 20 are stored for it"
        assert failure(rezipped(path, {"x/data/0": None})) == "'a' wants 24 bytes, but 0 are stored for it"

    def test_malformed_pickle(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt")
        assert failure(rezipped(path, {"x/data.pkl": b""})) == "its pickle is cut short"
        assert failure(rezipped(path, {"x/data.pkl": b"\x80\x02(."})).startswith("its pickle can't be read: ")


class Storage:
    def __init__(self, numel: Any) -> None:
        self.numel = numel


def crafted(path: Path, *arguments: Any, numel: Any = 4) -> Path:
    """A file whose tensor `w` is rebuilt with any offset, size and stride from 4 float32 values."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", value.numel) if isinstance(value, Storage) else None

    class Rebuilt:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (Storage(numel), *arguments, False, {})

    stream = io.BytesIO()
    Pickler(stream, 2).dump({"w": Rebuilt()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", stream.getvalue())
        archive.writestr("x/version", b"3")
        archive.writestr("x/data/0", np.arange(4, dtype=np.float32).tobytes())
    return path


class TestCraftedTensors:
    def test_sound_one(self, tmp_path: Path) -> None:
        path = crafted(tmp_path / "x.pt", 1, (2, 2), (0, 2))
        assert load_checkpoint(path).tensors["w"].tolist() == [[1, 3], [1, 3]]
        assert torch.equal(torch.load(path, weights_only=False)["w"], load_checkpoint(path).tensors["w"])

    @pytest.mark.parametrize(
        ("arguments", "numel", "message"),
        [
            ((0, (5,), (1,)), 4, "'w' has shape [5], but only 4 values are stored for it"),
            ((2, (3,), (1,)), 4, "'w' has shape [3], but only 4 values are stored for it"),
            ((0, (2,), (4,)), 4, "'w' has shape [2], but only 4 values are stored for it"),
            ((0, (1 << 40,), (0,)), 4, "'w' has shape [1099511627776], but only 4 values are stored for it"),
            ((0, (4,), (1,)), 5, "'w' wants 20 bytes, but 16 are stored for it"),
            ((0, (4,), (1,)), 1 << 50, "'w' wants 4,503,599,627,370,496 bytes, but 16 are stored for it"),
            ((0, (4,), (1,)), -1, "'w' wants -4 bytes, but 16 are stored for it"),
            ((0, (1 << 40, 1 << 40, 0), (1, 1, 1)), 4, "'w' can't be of shape [1099511627776, 1099511627776, 0]"),
            ((-1, (1,), (1,)), 4, "its pickle can't be read: a tensor whose size, stride or place is not made"),
            ((0, (1.5,), (1,)), 4, "its pickle can't be read: a tensor whose size, stride or place is not made"),
            ((0, (True,), (1,)), 4, "its pickle can't be read: a tensor whose size, stride or place is not made"),
            ((0, (1,), (-1,)), 4, "its pickle can't be read: a tensor whose size, stride or place is not made"),
            ((0, (1, 2), (1,)), 4, "its pickle can't be read: a tensor with more sizes than strides, or fewer"),
        ],
    )
    def test_unsound_one(self, tmp_path: Path, arguments: Any, numel: int, message: str) -> None:
        path = crafted(tmp_path / "x.pt", *arguments, numel=numel)
        tracemalloc.start()
        try:
            assert failure(path).startswith(message)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


class TestLegacy:
    def test_every_cut_is_noticed(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt", _use_new_zipfile_serialization=False)
        data = path.read_bytes()
        for length in range(1, len(data)):
            path.write_bytes(data[:length])
            assert failure(path)

    def test_cut_within_the_values(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt", _use_new_zipfile_serialization=False)
        path.write_bytes(path.read_bytes()[:-1])
        assert failure(path) == "it is cut short"

    def test_byteorder(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "x.pt", _use_new_zipfile_serialization=False)
        data = path.read_bytes()
        key = b"little_endianq\x02\x88"
        assert key in data
        path.write_bytes(data.replace(key, key[:-1] + b"\x89"))
        assert failure(path) == "its values are big-endian, and this machine's are little-endian"

    def test_plain_pickle(self, tmp_path: Path) -> None:
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({"w": np.ones(3)}))
        assert failure(tmp_path / "x.pkl") == "a pickle that torch.save did not write"


class TestSafetensors:
    def test_as_the_library_writes_it(self, tmp_path: Path) -> None:
        dtypes = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
        dtypes += [torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn, torch.uint16, torch.complex64]
        state = {f"w.{dtype}": torch.tensor([[0, 1, 3], [1, 0, 1]]).to(dtype) for dtype in dtypes}
        state |= {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3)}
        save_file(state, tmp_path / "x.safetensors", metadata={"format": "pt"})
        checkpoint = load_checkpoint(tmp_path / "x.safetensors")
        assert sorted(checkpoint.tensors) == sorted(state)
        assert (checkpoint.key, checkpoint.facts) == (None, {})
        for name, tensor in state.items():
            found = checkpoint.tensors[name]
            assert (name, found.dtype, found.shape) == (name, tensor.dtype, tensor.shape)
            assert found.tolist() == tensor.tolist(), name

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ({"w": {"dtype": "F4", "shape": [1], "data_offsets": [0, 1]}}, "w is of dtype F4, which can't be read"),
            ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "w, F32 of shape [2], can't lie at 0:4"),
            ({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, "w, F32 of shape [4], can't lie at 0:16"),
            (
                {"w": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
                "a safetensors file with a malformed header",
            ),
            (
                {"w": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}},
                "a safetensors file with a malformed header",
            ),
            (
                {"w": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
                "a safetensors file with a malformed header",
            ),
            ({"w": {"dtype": "F32", "shape": [1]}}, "a safetensors file with a malformed header: 'data_offsets'"),
            ({"w": 3}, "a safetensors file with a malformed header"),
            ('{"w": 1, "w": 2}', "a safetensors file with a malformed header: a name occurs twice"),
            ('{"w": ', "a safetensors file with a malformed header"),
            ("{" + '"a":{' * 5000, "a safetensors file with a malformed header"),
            ({}, "it is a mapping, which holds no tensors; it has no keys"),
        ],
    )
    def test_malformed(self, tmp_path: Path, header: Any, message: str) -> None:
        text = (header if isinstance(header, str) else json.dumps(header)).encode()
        (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
        assert failure(tmp_path / "x").startswith(message)


class TestNoCheckpoint:
    @pytest.mark.parametrize("data", [b"", b"\n", b"3\nw 1  00000000\n", b"\x00" * 100, b"\xff" * 8 + b"{}", b"PK"])
    def test_other_bytes(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.pt").write_bytes(data)
        assert failure(tmp_path / "x.pt") == ("not a PyTorch checkpoint: neither a torch.save file nor safetensors")

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        assert failure(tmp_path / "no.pt") == "can't be read: No such file or directory"
        assert failure(tmp_path) == "can't be read: Is a directory"
