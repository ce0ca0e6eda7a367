"""Architecture lists as files: those that the user gives, and the published ones, which ship with the models."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from wtsnet.definition import zoo
from wtsnet.errors import ModelError

# Each has the published lists of its name in a .yaml beside the models.
GENERATIONS = ("yolov3", "yolov5", "yolov6", "yolov8", "yolov9", "yolov10", "yolo11", "yolo12", "yolo26", "rtdetr")
_NAMED = re.compile(r"yolo(?:e-)?v?\d+([nslmx])")  # how upstream finds the letter in the name of a file


def read_lists(path: str) -> dict[str, Any]:
    """A file of lists as upstream has it; a size's letter in its name counts where it has none within.

    Raises:
        ModelError: it can't be read, or is no mapping.
    """
    try:
        lists = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: can't be read as a YAML file of lists ({' '.join(str(error).split())})") from None
    if not isinstance(lists, dict):
        raise ModelError(f"{path}: found {type(lists).__name__}, expected a mapping with backbone and head")
    named = _NAMED.search(Path(path).stem)
    return {"scale": named[1] if named and "scales" in lists else "", **lists}


@cache
def generation(name: str) -> Any:
    """What the file of a generation holds."""
    text = (files(zoo()) / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # seven times as fast where it is there


def published_lists(name: str, family: str, lists: str) -> dict[str, Any]:
    """Published lists in the form of upstream's files."""
    known = generation(name)
    own, chosen = known["families"][family], known["lists"][lists]
    block, args = own["head"]
    made = {
        "backbone": _joined(chosen["rows"]),
        "head": [[chosen["levels"], 1, block, args]],
        "scales": own.get("scales", known.get("scales")),
        **known.get("settings", {}),
        **own.get("settings", {}),
    }
    return made | ({"anchors": chosen["anchors"]} if "anchors" in args else {})


def _joined(rows: list[Any]) -> list[Any]:
    """The rows in lists of lists: a row is a list of four with a block's name at its third place."""
    if len(rows) == 4 and isinstance(rows[2], str):
        return [rows]
    return [row for part in rows for row in _joined(part)]
