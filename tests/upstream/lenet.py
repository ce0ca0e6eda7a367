"""LeNet-5, which no package publishes."""

from __future__ import annotations

from torch import Tensor, nn

from tests.upstream.made import Made

FULL = ("lenet",)


def make(name: str) -> Made | None:
    return Made(LeNet(), (1, 32, 32)) if name == "lenet" else None


class LeNet(nn.Module):
    """LeNet-5 as it is trained for tensorrtx: one ReLU and one pooling, each used again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.relu, self.pool1 = nn.ReLU(), nn.AvgPool2d(2)
        self.flatten, self.softmax = nn.Flatten(), nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.flatten(self.pool1(self.relu(self.conv2(x))))
        x = self.relu(self.fc2(self.relu(self.fc1(x))))
        probabilities: Tensor = self.softmax(self.fc3(x))
        return probabilities
