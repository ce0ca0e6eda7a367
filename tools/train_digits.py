"""Train a small YOLOv5 to find handwritten digits on photographs; the checkpoint is in half precision.

    python -m tools.train_digits --device cuda --seed 0 --epochs 100

The loss is YOLOv5's: targets go to anchors within a factor of four and to the two nearest neighbour cells; CIoU
for the boxes, and binary cross entropy for objectness (its target is the IoU) and classes.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from tools import digits_data
from tools.eval_digits import score, torch_predictor
from tools.yolov5_torch import Detect, DetectionModel, layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEPTH, WIDTH = 0.33, 0.125
ANCHORS: list[list[float]] = [  # pixels; digits are 10 to 130 high and slimmer than high
    [8, 14, 12, 20, 19, 22],
    [18, 32, 28, 36, 30, 52],
    [48, 60, 52, 88, 80, 100],
]
COMPOSITES = 6_400  # an epoch
BATCH = 32
RATE, LAST_RATE = 2e-3, 2e-5
WARM_UP = 200  # steps
WEIGHT_DECAY = 0.02
GAINS = {"box": 5.0, "objectness": 30.0, "class": 10.0}
BALANCE = (4.0, 1.0, 0.4)  # of the levels' objectness: a finer level has more cells to be wrong in
MOST_RATIO = 4.0  # of a box's side and its anchor's, either way
VALIDATE_EVERY = 5  # epochs
VALIDATION_SEED = 1_000_003  # training composites that are never trained on


class Composites(Dataset[tuple[Tensor, Tensor]]):
    """Training composites: a picture (H, W, 3) of uint8 and targets (n, 5), class and x y w h in pixels."""

    def __init__(self, seed: int, count: int, size: int) -> None:
        self.seed, self.count, self.size = seed, count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = digits_data.training(self.seed, index, self.size)
        first, last = sample.boxes[:, :2], sample.boxes[:, 2:]
        targets = np.column_stack((sample.labels, (first + last) / 2, last - first)).astype(np.float32)
        return torch.from_numpy(sample.image), torch.from_numpy(targets)


def collate(samples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Pictures (N, H, W, 3) and targets (m, 6): image, class, x y w h."""
    rows = [functional.pad(targets, (1, 0), value=i) for i, (_, targets) in enumerate(samples)]
    return torch.stack([image for image, _ in samples]), torch.cat(rows)


class Assigned(NamedTuple):
    """Which cells of one level answer for which targets: k of them."""

    image: Tensor  # (k,)
    anchor: Tensor  # (k,)
    row: Tensor  # (k,)
    column: Tensor  # (k,)
    label: Tensor  # (k,)
    box: Tensor  # (k, 4), x y relative to the cell's corner and w h, in cells


def assign(targets: Tensor, anchors: Tensor, stride: float, height: int, width: int) -> Assigned:
    """The cells of a level, `height` by `width`, for targets (m, 6), by YOLOv5's rule.

    `anchors` (a, 2) are in cells. A target goes to each anchor within MOST_RATIO, in its own cell and in the
    neighbours on the two sides that its centre is nearest to, where they exist.
    """
    cells = targets[:, 2:] / stride
    ratio = cells[None, :, 2:] / anchors[:, None]
    anchor, target = (torch.maximum(ratio, 1 / ratio).amax(-1) < MOST_RATIO).nonzero(as_tuple=True)
    box = cells[target]
    x, y = box[:, 0], box[:, 1]
    wanted = torch.stack(
        (
            torch.ones_like(x, dtype=torch.bool),
            (x % 1 < 0.5) & (x > 1),
            (y % 1 < 0.5) & (y > 1),
            (x % 1 > 0.5) & (x < width - 1),
            (y % 1 > 0.5) & (y < height - 1),
        )
    )
    shifts = torch.tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]], device=box.device)
    shift, pair = wanted.nonzero(as_tuple=True)
    cell = box[pair, :2].long() + shifts[shift]
    target, anchor = target[pair], anchor[pair]
    return Assigned(
        image=targets[target, 0].long(),
        anchor=anchor,
        row=cell[:, 1],
        column=cell[:, 0],
        label=targets[target, 1].long(),
        box=torch.cat((box[pair, :2] - cell, box[pair, 2:]), 1),
    )


def complete_iou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """CIoU (k,) of boxes (k, 4) as x y w h: IoU less penalties for distance and aspect (Zheng et al. 2020)."""
    a1, a2 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b1, b2 = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    shared = (torch.minimum(a2, b2) - torch.maximum(a1, b1)).clamp(0).prod(1)
    iou = shared / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - shared + eps)
    diagonal = (torch.maximum(a2, b2) - torch.minimum(a1, b1)).square().sum(1) + eps
    distance = (a[:, :2] - b[:, :2]).square().sum(1)
    angles = torch.atan(b[:, 2] / b[:, 3]) - torch.atan(a[:, 2] / (a[:, 3] + eps))
    aspect = (2 / math.pi * angles).square()
    with torch.no_grad():
        weight = aspect / (1 - iou + aspect + eps)
    return iou - distance / diagonal - weight * aspect


def detection_loss(raw: list[Tensor], targets: Tensor, detect: Detect) -> Tensor:
    """The weighted sum of box, objectness and class loss, for raw maps (N, anchors, H, W, 5+nc) a level."""
    box_loss = objectness_loss = class_loss = torch.zeros((), device=targets.device)
    for level, weight, anchors, stride in zip(raw, BALANCE, detect.anchors, detect.stride.tolist(), strict=True):
        level = level.float()
        _, _, height, width, _ = level.shape
        at = assign(targets, anchors, stride, height, width)
        wanted = torch.zeros_like(level[..., 0])
        if len(at.label):
            answers = level[at.image, at.anchor, at.row, at.column]
            y = answers[:, :4].sigmoid()
            boxes = torch.cat((y[:, :2] * 2 - 0.5, (y[:, 2:] * 2) ** 2 * anchors[at.anchor]), 1)
            iou = complete_iou(boxes, at.box)
            place = ((at.image * level.shape[1] + at.anchor) * height + at.row) * width + at.column
            wanted.view(-1).scatter_reduce_(0, place, iou.detach().clamp(0), "amax")
            box_loss = box_loss + (1 - iou).mean()
            labels = functional.one_hot(at.label, detect.nc).float()
            class_loss = class_loss + functional.binary_cross_entropy_with_logits(answers[:, 5:], labels)
        objectness = functional.binary_cross_entropy_with_logits(level[..., 4], wanted)
        objectness_loss = objectness_loss + weight * objectness
    return GAINS["box"] * box_loss + GAINS["objectness"] * objectness_loss + GAINS["class"] * class_loss


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int) -> None:
    """Move the exponential moving average towards the model; it follows faster at the start."""
    weight = 1 - 0.998 * (1 - math.exp(-(step + 1) / 300))
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, weight)
        else:
            kept.copy_(new)


def rate(step: int, steps: int) -> float:
    """Learning rate: linear warm-up, then half a cosine."""
    warm_up = min(WARM_UP, steps // 10)
    if step < warm_up:
        return RATE * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return LAST_RATE + (RATE - LAST_RATE) * (1 + math.cos(math.pi * progress)) / 2


def optimizer_for(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW, with weight decay on the convolutions' kernels only."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))


def save(model: nn.Module, out: Path, seed: int, command: str) -> None:
    """A checkpoint laid out as upstream lays out a finished one: a pickled module in half precision."""
    finished = copy.deepcopy(model).cpu().half().eval().requires_grad_(False)
    content = {
        "epoch": -1,
        "model": finished,
        "ema": None,
        "optimizer": None,
        "seed": seed,
        "command": command,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, out)


def train(device: torch.device, seed: int, epochs: int, size: int, out: Path, console: Console) -> nn.Module:
    """Train for `epochs` on composites of side `size`, and return the averaged model.

    A checkpoint is written at every validation.
    """
    torch.manual_seed(seed)
    model = DetectionModel(layout(10, DEPTH, WIDTH, ANCHORS)).to(device)
    detect = cast("Detect", model.model[-1])
    average = copy.deepcopy(model).eval()
    optimizer = optimizer_for(model)
    steps = epochs * COMPOSITES // BATCH
    command = f"python -m tools.train_digits --device {device} --seed {seed} --epochs {epochs} --size {size}"
    batches = _batches(seed, steps, size, device)
    losses = []
    for step in track(range(steps), "training", console=console, disable=not console.is_terminal):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        images, targets = next(batches)
        with torch.autocast(device.type, torch.bfloat16):
            raw = model(images)
        loss = detection_loss(raw, targets, detect)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        follow(average, model, step)
        losses.append(loss.detach())
        epoch, rest = divmod(step + 1, COMPOSITES // BATCH)
        if rest == 0:
            report = f"epoch {epoch}/{epochs}  loss {torch.stack(losses).mean():.3f}"
            losses.clear()
            if epoch % VALIDATE_EVERY == 0 or epoch == epochs:
                save(average, out, seed, command)
                report += "".join(f"  {name} {value:.3f}" for name, value in validate(average).items())
            console.print(report)
    return average


def validate(model: nn.Module, count: int = 100) -> dict[str, float]:
    """mAP on unseen composites of the training digits and photographs: nothing held out is looked at."""
    composites = (digits_data.training(VALIDATION_SEED, index) for index in range(count))
    return score(torch_predictor(model, confidence=0.01), composites)


def _batches(seed: int, steps: int, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches on the device: pictures (N, 3, H, W) in 0..1 and targets (m, 6)."""
    digits_data.photographs(False), digits_data.digits(False)  # read once, before the workers fork
    dataset = Composites(seed, steps * BATCH, size)
    loader: DataLoader[Any] = DataLoader(
        dataset,
        BATCH,
        num_workers=os.cpu_count() or 1,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        prefetch_factor=4,
    )
    for images, targets in loader:
        pictures = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        yield pictures, targets.to(device, non_blocking=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the checkpoint."""
    parser = argparse.ArgumentParser(description="Train a small YOLOv5 on digits pasted on photographs.")
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100, help=f"of {COMPOSITES} composites each")
    parser.add_argument("--size", type=int, default=digits_data.SIZE, help="side of a composite, pixels")
    parser.add_argument("--out", type=Path, default=Path("tools/digits/digits.pt"))
    options = parser.parse_args(arguments)
    console = Console()
    train(options.device, options.seed, options.epochs, options.size, options.out, console)
    console.print(f"wrote {options.out}, {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
