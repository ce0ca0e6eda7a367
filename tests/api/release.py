"""A TensorRT release that can't be installed, played by tensorrt_rtx: what the release lacks is missing here too.

    python -m tests.api.release tensorrt-10.0.1

imports the release as the module that wtsnet takes, and puts every op and model through it. The process can't go
back: TensorRT's classes themselves are changed.

`data/` holds what each release's Python bindings have: members of classes, values of enums, call signatures.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

DATA = Path(__file__).with_name("data")
RELEASES = sorted(path.stem for path in DATA.glob("*.json"))


class Release:
    """What a release has.

    Attributes:
        flavour, version: such as "tensorrt" and "10.0.1".
        members: by the name of a class or enum, the names of its members or values.
        enums: which of them are enums.
        names: everything else in the module.
        signatures: of methods, such as "Builder.create_network".
    """

    def __init__(self, name: str) -> None:
        facts = json.loads((DATA / f"{name}.json").read_text("utf-8"))
        self.name = name
        self.flavour: str = facts["flavour"]
        self.version: str = facts["version"]
        listed = {**facts["classes"], **facts["enums"]}
        self.members: dict[str, set[str]] = {kind: set(names.split()) for kind, names in listed.items()}
        self.enums = set(facts["enums"])
        self.names = set(facts["other"].split())
        self.signatures: dict[str, str] = facts["signatures"]


@cache
def release(name: str) -> Release:
    return Release(name)


def pretend(name: str) -> list[str]:
    """Make wtsnet in this process see the release; gives what had to be taken away, as in `DataType.FP4`."""
    import tensorrt_rtx

    wanted = release(name)
    played = ModuleType(wanted.flavour)
    taken = []
    for attribute in [name for name in vars(tensorrt_rtx) if not name.startswith("_")]:
        value = getattr(tensorrt_rtx, attribute)
        if attribute in wanted.members and isinstance(value, type):
            taken += _reduce(value, attribute, wanted)
        elif attribute not in wanted.names:
            taken.append(attribute)
            continue
        setattr(played, attribute, value)
    played.__version__ = wanted.version  # type: ignore[attr-defined]
    sys.modules[wanted.flavour] = played
    os.environ["WTSNET_TENSORRT"] = wanted.flavour
    return taken


def _reduce(kind: type, name: str, wanted: Release) -> list[str]:
    """Take from a class what the release's has not."""
    enum = name in wanted.enums
    offered = kind.__members__ if enum else [member for member in dir(kind) if not member.startswith("_")]  # type: ignore[attr-defined]
    extra = sorted(set(offered) - wanted.members[name])
    for member in extra:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(getattr(kind, member)))  # to free what pybind11 made would crash
        if enum:
            delattr(kind, member)
        else:
            setattr(kind, member, _absent(f"{wanted.name}: {name} has no {member!r}"))
    return [f"{name}.{member}" for member in extra]


def _absent(text: str) -> property:
    def refuse(_: Any, *value: Any) -> None:
        raise AttributeError(text)

    return property(refuse, refuse)


if __name__ == "__main__":
    removed = pretend(sys.argv[1])
    from tests.api.every_op import main  # imports wtsnet, which from now on sees the release

    print(json.dumps({"removed": removed, **main()}))
