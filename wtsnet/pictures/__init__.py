"""Reading pictures, placing them in a network's input, and what is done to their values.

It knows nothing of networks: arrays in, arrays out.
"""

from wtsnet.pictures.placement import Letterbox, Placement, Stretch
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.pictures.reading import read_image, to_input

__all__ = ["Letterbox", "Placement", "Preprocess", "Stretch", "read_image", "to_input"]
