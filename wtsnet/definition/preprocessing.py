"""What is done to a picture before it is a network's input: what the model says, what the user says, and what is left
to do outside of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.definition.pixels import told
from wtsnet.errors import ManifestError, ModelError
from wtsnet.pictures import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.definition.inputs import Image
    from wtsnet.manifest import Input

# What holds whatever is done to the size of a picture.
_OF_VALUES = ("channels", "order", "scale", "mean", "std", "layout")


def merged(base: Mapping[str, Any], given: str | Mapping[str, Any] | None, model: str) -> dict[str, Any]:
    """A model's own way from a picture to its input, with what the user gives in its place.

    Args:
        base: the model's own; empty where it has none.
        given: a kind, or keys of `wtsnet.pictures.Preprocess`. Of another kind than the model's own, only what concerns
            values is kept of that.

    Raises:
        ModelError: there is a key, but no kind.
    """
    if given is None:
        return dict(base)
    more = {"kind": given} if isinstance(given, str) else dict(given)
    kept = {key: value for key, value in base.items() if key in _OF_VALUES} if _changes(base, more) else dict(base)
    made = {**kept, **more}
    if "kind" not in made:
        raise ModelError(
            f"{model}: preprocess: found {', '.join(more)}, but kind is missing: give one, such as letterbox, crop or "
            "stretch (--preprocess KIND)"
        )
    return made


def _changes(base: Mapping[str, Any], more: Mapping[str, Any]) -> bool:
    return "kind" in more and more["kind"] != base.get("kind")


def finished(
    inputs: Sequence[Input], model: str, made: Mapping[str, Any], kind: str = "float32", image: Image | None = None
) -> dict[str, Any]:
    """What a manifest says of a picture on its way to the one input of a network: checked, and with its size.

    Args:
        inputs: of the network.
        made: of `merged`.
        kind: what pictures come as (see `definition/pixels.py`).
        image: the model's input, where it says that this is a picture.

    Raises:
        ModelError: a value that a key can't take, or several inputs, or one that no picture fits.
    """
    if not made:
        return {}
    made = dict(made)
    (height, width), channels = _fit(inputs, made, model)
    if made["kind"] == "keep":
        made.pop("size", None)
    else:
        made["size"] = [height, width]
    if channels != 3 and made["kind"] != "gray":
        made["channels"] = channels
    if made["kind"] == "crop":
        made["resize"] = _before_crop(made, max(height, width), image)
    made = told(made, kind)
    try:
        Preprocess.from_dict(made)
    except ManifestError as error:
        raise ModelError(f"{model}: {error}") from None
    return made


def _before_crop(made: Mapping[str, Any], side: int, image: Image | None) -> Any:
    """The shorter side of a picture before the crop: where the user says nothing of it in proportion to the crop, as
    the model has it, or as 256 is to 224."""
    resize = made.get("resize")
    if image is None or "resize" not in image.preprocess or resize != image.preprocess["resize"]:
        return round(side * 256 / 224) if resize is None else resize
    return round(resize * side / (image.size if isinstance(image.size, int) else max(image.size)))


def _fit(inputs: Sequence[Input], made: dict[str, Any], model: str) -> tuple[tuple[int, int], int]:
    """The usual (height, width) of the network's input, and its channels. `made` is told where these are."""
    if len(inputs) != 1 or len(inputs[0]["opt"]) != 4:
        takes = ", ".join(f"{one['name']} {'×'.join(map(str, one['shape']))}" for one in inputs)
        raise ModelError(f"{model}: preprocess: found {made['kind']!r}, but no picture fits the inputs ({takes})")
    (spec,) = inputs
    last = spec["dtype"] == "uint8" or made.get("layout") == "NHWC" or _is_last(spec["shape"])
    if spec["dtype"] == "uint8":
        made["dtype"] = "uint8"
    elif last:
        made["layout"] = "NHWC"
    _, *rest = spec["opt"]
    return ((rest[0], rest[1]), rest[2]) if last else ((rest[1], rest[2]), rest[0])


def _is_last(shape: Sequence[int]) -> bool:
    """Whether the channels are the last axis, as numbers of them tell."""
    return shape[3] in (1, 3, 4) and shape[1] not in (1, 3, 4)
