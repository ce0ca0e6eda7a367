"""Typed results on pictures.

It knows nothing of networks and of where results come from.
"""

from wtsnet.draw.boxes import WRITTEN, class_color, draw, save_image
from wtsnet.draw.show import SHOWN, show

__all__ = ["SHOWN", "WRITTEN", "class_color", "draw", "save_image", "show"]
