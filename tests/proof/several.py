"""A model of several inputs, of several ranks and dtypes, with its twin of PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import wtsnet

MODEL = """
import wtsnet
from wtsnet import Input
from wtsnet.ops import conv2d, embedding, linear

TAKES = {
    "left": Input(("N", 3, 6, 5)),
    "tokens": Input(("N", "T"), "int64"),
    "factor": Input((), "float16"),
}

@wtsnet.model("matcher", inputs=TAKES)
def matcher(s, left, tokens, factor):
    picture = conv2d(s / "conv", left, 4, 3).mean((2, 3))
    text = linear(s / "fc", embedding(s / "words", tokens, 9, 4).mean(1), 4)
    return {"picture": picture * factor, "count": tokens.sum(1), "text": text}
"""


class Matcher(nn.Module):
    """The twin of MODEL; its outputs in a dict, in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.words, self.fc = nn.Conv2d(3, 4, 3), nn.Embedding(9, 4), nn.Linear(4, 4)

    def forward(self, left: Tensor, tokens: Tensor, factor: Tensor) -> Any:
        picture = self.conv(left).mean((2, 3))
        return {"picture": picture * factor, "rest": (tokens.sum(1), self.fc(self.words(tokens).mean(1)))}


def twin() -> Matcher:
    """With random weights."""
    torch.manual_seed(0)
    return Matcher()


def inputs() -> dict[str, Tensor]:
    """Of a batch of 2 with 7 tokens; `factor` is exact as a half."""
    random = torch.Generator().manual_seed(1)
    return {
        "left": torch.rand(2, 3, 6, 5, generator=random),
        "tokens": torch.randint(9, (2, 7), generator=random),
        "factor": torch.tensor(0.5),
    }


def write(folder: Path) -> Path:
    """several.py with the model, several.wts with the twin's weights; gives the former."""
    wtsnet.write_wts(folder / "several.wts", {name: value.numpy() for name, value in twin().state_dict().items()})
    (folder / "several.py").write_text(MODEL)
    return folder / "several.py"
