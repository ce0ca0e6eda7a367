"""From pictures to results: read, preprocess, run, decode, draw, as an engine's manifest says.

It knows nothing of how networks are made, and of the command line.
"""

from wtsnet.predict.files import File, files_of, make_folder, targets_of
from wtsnet.predict.inputs import InputPredictor, read_inputs, save_outputs
from wtsnet.predict.prediction import Prediction
from wtsnet.predict.predictor import Predictor
from wtsnet.predict.raw import RawFile

__all__ = [
    "File",
    "InputPredictor",
    "Prediction",
    "Predictor",
    "RawFile",
    "files_of",
    "make_folder",
    "read_inputs",
    "save_outputs",
    "targets_of",
]
