"""YOLO, driven by architecture lists: those of the checkpoint, of a file, or the published ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.blocks.heads.heads import KINDS, HeadCall, add_head
from wtsnet.blocks.yolo.lists import Architecture, layers
from wtsnet.blocks.yolo.published import GENERATIONS, generation, published_lists, read_lists
from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError
from wtsnet.network import TOPK_LIMIT, Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor, Weights


@dataclasses.dataclass(frozen=True)
class YOLO:
    """A variant: a published one, or one whose architecture the manifest tells.

    Attributes:
        lists: where the published lists are: generation, family, name of the lists. Empty for the manifest's.
        letter: the size of the published.
        imgsz: height and width of the pictures that it was trained on, in pixels.
        stride: what these are multiples of: the input pixels between the cells of the coarsest level.
        block: what the lists call the head.
    """

    lists: tuple[str, ...] = ()
    letter: str = ""
    imgsz: int = 640
    stride: int = 32
    block: str = "Detect"
    architecture: Architecture | None = None
    head: str = option("topk", "what leaves the network: topk, decoded or raw")
    k: int = option(1000, f"how many candidates the topk head gives, up to {TOPK_LIMIT}")
    cfg: str = option("", "a YAML file of architecture lists, in place of those of the checkpoint")
    scale: str = option("", "the size's letter, where the lists have several")

    def bind(self, weights: Weights) -> YOLO:
        """With the architecture read: that of the file, the published one, or that in the manifest of the weights."""
        if self.head not in KINDS:
            raise ModelError(f"head: found {self.head!r}, expected one of {', '.join(KINDS)}")
        if not isinstance(self.k, int) or not 1 <= self.k <= TOPK_LIMIT:
            raise ModelError(f"k: found {self.k!r}, expected 1 to {TOPK_LIMIT}")
        if self.lists and not self.cfg:
            return self._published(weights.facts)
        facts, where = weights.facts, self.cfg or weights.origin
        # Files of lists are shared: how many classes there are, the weights tell.
        known = {**read_lists(self.cfg), "nc": -1} if self.cfg else dict(facts.get("yaml") or {})
        if not known:
            raise ModelError(
                f"{where}: the architecture is taken from the manifest beside the .wts, which has none; export it from "
                "the checkpoint, give its lists with cfg=FILE.yaml, or name a published one such as yolov5s"
            )
        known |= {name: facts[name] for name in ("nc", "kpt_shape", "reg_max") if name in facts}
        known["scale"] = self.scale or known.get("scale") or self.letter
        return self._trained(Architecture.read(known, where), facts)

    def _published(self, facts: Mapping[str, Any]) -> YOLO:
        """With the published architecture, and what the facts tell that no size of a weight would."""
        if self.scale not in ("", self.letter):
            raise ModelError(f"scale: found {self.scale!r}, but the name says {self.letter!r}")
        known = published_lists(*self.lists) | {"nc": -1, "scale": self.letter}
        if told := facts.get("yaml"):
            known["activation"] = told.get("activation")
        if shape := facts.get("kpt_shape"):
            known["kpt_shape"] = shape
        return dataclasses.replace(self, architecture=Architecture.read(known, f"{self.lists[0]}.yaml"))

    def _trained(self, architecture: Architecture, facts: Mapping[str, Any]) -> YOLO:
        """With the sizes of the pictures that the facts tell of."""
        block = architecture.rows[-1].block if architecture.rows else ""
        stride, usual = (1, 224) if block == "Classify" else (int(max(facts.get("stride", [self.stride]))), self.imgsz)
        trained = facts.get("imgsz", usual)
        pixels = max(trained) if isinstance(trained, list) else trained
        imgsz = -(-pixels // stride) * stride  # upstream rounds up, too
        return dataclasses.replace(self, architecture=architecture, stride=stride, imgsz=imgsz, block=block)


def image(cfg: YOLO) -> Image:
    """The input: RGB or grey pictures between 0 and 1, whole; of classifiers a square from their middle."""
    architecture = cfg.architecture
    channels = architecture.channels if architecture else 3
    preprocess: dict[str, Any] = {"kind": "letterbox", "fill": 114}
    if cfg.block == "RTDETRDecoder":
        preprocess = {"kind": "stretch", "antialias": False}
    elif cfg.block == "Classify" and architecture and architecture.yolov5:
        preprocess = {"kind": "middle", "antialias": False}
        if channels == 3:
            preprocess |= {"mean": list(MEAN), "std": list(STD)}
    elif cfg.block == "Classify":
        preprocess = {"kind": "crop", "resize": cfg.imgsz}
    if channels == 4:  # upstream reads files with OpenCV, and makes RGB of three channels only
        preprocess["order"] = "BGR"
    return Image(channels=channels, size=cfg.imgsz, multiple=cfg.stride, preprocess=preprocess)


def yolo(s: Scope, x: Tensor, cfg: YOLO) -> Mapping[str, Tensor]:
    """All layers of the lists, then the head: `cfg.head` says what of it is in the network."""
    architecture = cfg.architecture
    if architecture is None:
        raise ModelError("yolo: the configuration is not bound to weights")
    s.net.weights.usual_eps = architecture.eps
    s = s / "model"
    inputs = layers(s, x, architecture)
    call = HeadCall(architecture, cfg.head, cfg.k, _strides(x, inputs, architecture, cfg.stride))
    return add_head(s / (len(architecture.rows) - 1), inputs, call)


def _strides(x: Tensor, levels: list[Any], architecture: Architecture, coarsest: int) -> tuple[int, ...]:
    """How many input pixels lie between the cells of each level."""
    if -1 not in x.shape[2:]:
        return tuple(x.shape[2] // level.shape[2] for level in levels)
    weights = x.net.weights
    if (stride := weights.facts.get("stride")) and len(stride) == len(levels):
        return tuple(int(value) for value in stride)
    # The sizes are dynamic: a small network with fixed ones tells.
    probe, size = Network(weights), 8 * coarsest
    fixed = probe.input("images", (1, x.shape[1], size, size))
    return tuple(size // level.shape[2] for level in layers(probe.root / "model", fixed, architecture))


def _variants(name: str, family: str) -> dict[str, YOLO]:
    """The published models of a family, by name."""
    known = generation(name)
    own = known["families"][family]
    block, made = own["head"][0], {}
    for pattern, lists in own["names"].items():
        for letter in own.get("scales", known.get("scales")) if "{}" in pattern else ("",):
            key = lists if isinstance(lists, str) else lists[letter]  # where every letter has its own
            chosen = known["lists"][key]
            made[pattern.format(letter)] = YOLO(
                (name, family, key),
                letter,
                imgsz=own.get("imgsz", chosen.get("imgsz", 640)),
                stride=1 if block == "Classify" else chosen.get("stride", 32),
                block=block,
                head="decoded" if block == "Classify" else "topk",
            )
    return made


model("yolo", image=image, task="detect", upstream="any of these, by its manifest", variants={"yolo": YOLO()})(yolo)
for _name in GENERATIONS:
    for _family, _own in generation(_name)["families"].items():
        _alias = {"yolov5": YOLO()} if _family == "yolov5" else {}  # as it was before there were others
        model(
            _family,
            image=image,
            task=_own.get("task", "detect"),
            upstream=_own.get("upstream", "ultralytics"),
            variants=_alias | _variants(_name, _family),
        )(yolo)
