"""Record what every module of a PyTorch model computes for one input, for `wtsnet verify` to compare with.

    python tools/record.py CHECKPOINT --shape 1,3,640,640 -o golden.npz --path FOLDER_OF_THE_MODEL_CODE

This runs where the PyTorch code lives, and there needs torch and wtsnet, but no TensorRT. A checkpoint is unpickled in
the ordinary way, which runs code that it names: only use it on checkpoints that you trust. For a model that is built
by code and not in a checkpoint, call `wtsnet.record` with the module.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
import torch

from wtsnet.proof import load_module, record

if TYPE_CHECKING:
    from collections.abc import Sequence


def _input(arguments: argparse.Namespace) -> torch.Tensor:
    if arguments.input:
        array = np.load(arguments.input, allow_pickle=False)
        return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)
    shape = tuple(int(length) for length in arguments.shape.split(","))
    return torch.from_numpy(np.random.default_rng(arguments.seed).random(shape, dtype=np.float32))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="record.py",
        description="Record what every module of a PyTorch model computes for one input, for `wtsnet verify`.",
        epilog="The checkpoint is unpickled in the ordinary way, which runs code that it names: only use it on "
        "checkpoints that you trust. Example: record.py yolov5s.pt --shape 1,3,640,640 -o golden.npz --path yolov5",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", metavar="FILE.npy", help="the input")
    source.add_argument("--shape", metavar="N,C,H,W", help="the shape of a random input, uniform in [0, 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the random input (default 0)")
    parser.add_argument("-o", "--out", required=True, metavar="FILE.npz", help="the file to write")
    parser.add_argument("--path", metavar="FOLDER", help="where the model's code is, if Python does not find it")
    parser.add_argument("--key", help="which part of the checkpoint is the module (default ema, else model)")
    parser.add_argument("--input-name", default="images", metavar="NAME", help="of the input (default images)")
    arguments = parser.parse_args(words)
    if arguments.path:
        sys.path.insert(0, arguments.path)
    try:
        module = load_module(arguments.checkpoint, arguments.key)
        record(module, _input(arguments), arguments.out, [arguments.input_name])
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
