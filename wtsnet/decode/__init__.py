"""From a network's output arrays to typed results, in numpy alone.

It knows nothing of runners and networks, and draws nothing.
"""

from wtsnet.decode.boxes import Detection, Detections, detections_from_predictions
from wtsnet.decode.classes import ClassScore, Names, class_name
from wtsnet.decode.decoder import Decoder, Result
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.own import call_own, rows_of
from wtsnet.decode.plain import plain
from wtsnet.decode.registry import TASKS, Function, Seen, collected, decoder, decoders
from wtsnet.decode.rotated import RotatedDetection, RotatedDetections
from wtsnet.decode.semantic import ClassMap

__all__ = [
    "TASKS",
    "ClassMap",
    "ClassScore",
    "Decoder",
    "Detection",
    "Detections",
    "Function",
    "Instances",
    "Lane",
    "Names",
    "Poses",
    "Result",
    "RotatedDetection",
    "RotatedDetections",
    "Seen",
    "call_own",
    "class_name",
    "collected",
    "decoder",
    "decoders",
    "detections_from_predictions",
    "plain",
    "rows_of",
]
