"""Reading pictures, placing them in a network's input, and what is done to their values.

It knows nothing of networks: arrays in, arrays out.
"""

from wtsnet.pictures.frames import Frame, Picture, as_picture, displayable, swapped
from wtsnet.pictures.placement import Letterbox, Placement, Stretch
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.reading import read_image
from wtsnet.pictures.values import to_input

__all__ = [
    "Frame",
    "Letterbox",
    "Picture",
    "Placement",
    "Preprocess",
    "Stretch",
    "as_picture",
    "displayable",
    "read_image",
    "swapped",
    "to_input",
]
