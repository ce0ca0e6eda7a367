"""What is done to a picture before it is a network's input: what the model says, what the user says, and what is left
to do outside of the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from wtsnet.definition.axes import channels_last
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
        given: a kind, "KIND,KEY=VALUE…", or keys of `wtsnet.pictures.Preprocess`. Of another kind than the model's own,
            only what concerns values is kept of that.

    Raises:
        ModelError: there is a key, but no kind; text that is none, or a key that the input decides.
    """
    if given is None:
        return dict(base)
    more = parsed(given) if isinstance(given, str) else dict(given)
    for key in ("size", "channels", "dtype"):
        if key in more:
            raise ModelError(f"{model}: preprocess: {key}: found {more[key]!r}, expected none: it is that of the input")
    kept = {key: value for key, value in base.items() if key in _OF_VALUES} if _changes(base, more) else dict(base)
    made = {**kept, **more}
    if "kind" not in made:
        raise ModelError(
            f"{model}: preprocess: found {', '.join(more)}, but kind is missing: give one, such as letterbox, crop or "
            "stretch (--preprocess KIND)"
        )
    return made


def parsed(text: str) -> dict[str, Any]:
    """The keys of `wtsnet.pictures.Preprocess` in "KIND", "KIND,KEY=VALUE…" or "KEY=VALUE…"; values are YAML.

    Raises:
        ModelError: text of another form.
    """
    made: dict[str, Any] = {}
    for i, word in enumerate(re.split(r",(?![^\[]*\])", text)):
        name, separator, value = (part.strip() for part in word.partition("="))
        try:
            if not name or (i and not separator):
                raise ValueError
            made |= {name: yaml.safe_load(value)} if separator else {"kind": name}
        except (yaml.YAMLError, ValueError):
            expected = "KIND,KEY=VALUE, as in stretch,antialias=false"
            raise ModelError(f"preprocess: found {text!r}, expected {expected}") from None
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
    (height, width), channels = _fit(inputs, made, model, None if image is None else kind != "float32")
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
        check_fit(Preprocess.from_dict(made), inputs[0])
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


def _fit(inputs: Sequence[Input], made: dict[str, Any], model: str, last: bool | None) -> tuple[tuple[int, int], int]:
    """The usual (height, width) of the network's input, and its channels. `made` is told where these are.

    Args:
        last: whether the channels are the last axis; None where the model does not say.
    """
    if len(inputs) != 1 or len(inputs[0]["opt"]) != 4:
        takes = ", ".join(f"{one['name']} {'×'.join(map(str, one['shape']))}" for one in inputs)
        raise ModelError(f"{model}: preprocess: found {made['kind']!r}, but no picture fits the inputs ({takes})")
    (spec,) = inputs
    layout, pixels = made.get("layout"), spec["dtype"] == "uint8"
    last = channels_last(spec["shape"]) if last is None else last
    if layout and last is not None and (layout == "NHWC") != last:
        text = f"{spec['name']} {spec['shape']}"
        raise ModelError(f"{model}: preprocess: layout: found {layout!r}, but the input is {text}")
    if pixels and last is False:
        text = f"{spec['name']} uint8 {spec['shape']}"
        raise ModelError(f"{model}: preprocess: found the input {text}, expected pixels (N, height, width, channels)")
    if pixels:
        made["dtype"] = "uint8"
    elif last or layout == "NHWC":
        made["layout"] = "NHWC"
    _, first, second, third = spec["opt"]
    at_end = pixels or made.get("layout") == "NHWC"
    return ((first, second), third) if at_end else ((second, third), first)


def check_fit(made: Preprocess, takes: Input) -> None:
    """Refuse what would make of a picture other axes or sizes than an input has.

    Raises:
        ManifestError: it does; the key is named.
    """
    low, high = takes["min"], takes["max"]
    text = f"{takes['name']} {takes['dtype']} {takes['shape']}"
    if len(low) != 4:
        raise ManifestError(f"preprocess: kind: found {made.kind!r}, but no picture fits the input ({text})")
    if takes["dtype"] == "uint8" and made.dtype != "uint8":
        raise ManifestError(f"preprocess: dtype: found {made.dtype!r}, expected 'uint8' for the input ({text})")
    channel, *sides = axes_of(made)
    if not low[channel] <= made.channels <= high[channel]:
        key = "channels" if made.kind != "gray" else "kind"
        raise ManifestError(
            f"preprocess: {key}: found {made.channels} channel{'s' * (made.channels != 1)} in the layout "
            f"{'NHWC' if made.channels_last else 'NCHW'}, expected those of the input ({text})"
        )
    if made.size is not None and not all(low[i] <= side <= high[i] for i, side in zip(sides, made.size, strict=True)):
        raise ManifestError(f"preprocess: size: found {list(made.size)}, expected what the input takes ({text})")


def axes_of(made: Preprocess) -> tuple[int, int, int]:
    """Which axes of the input are channels, height and width."""
    return (3, 1, 2) if made.channels_last else (1, 2, 3)
