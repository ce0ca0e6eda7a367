"""The layers that YOLO's architecture lists name, with upstream's weight names, and the lists themselves."""

from wtsnet.blocks.yolo.convs import activated, conv_block, dw_conv
from wtsnet.blocks.yolo.csp import bottleneck, bottlenecks, c2f_around, c3_around
from wtsnet.blocks.yolo.lists import Architecture, Row, layers

__all__ = [
    "Architecture",
    "Row",
    "activated",
    "bottleneck",
    "bottlenecks",
    "c2f_around",
    "c3_around",
    "conv_block",
    "dw_conv",
    "layers",
]
