"""From pictures or inputs to results: read, preprocess, run, decode, draw, as an engine's manifest says.

It knows nothing of how networks are made, and of the command line.
"""

from wtsnet.predict.files import File, check_unread, files_of, make_folder, targets_of
from wtsnet.predict.inputs import read_inputs, save_outputs
from wtsnet.predict.lines import printable
from wtsnet.predict.picturing import check_takes_pictures
from wtsnet.predict.prediction import Prediction
from wtsnet.predict.predictor import Predictor
from wtsnet.predict.raw import RawFile

__all__ = [
    "File",
    "Prediction",
    "Predictor",
    "RawFile",
    "check_takes_pictures",
    "check_unread",
    "files_of",
    "make_folder",
    "printable",
    "read_inputs",
    "save_outputs",
    "targets_of",
]
