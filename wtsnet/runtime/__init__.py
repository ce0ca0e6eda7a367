"""Runners: what executes a plan. Called with arrays by input name, they give arrays by output name.

A runner is given a plan, its manifest and a way to get the network; it never sees an Engine. `cuda.py` alone imports
pycuda, and only a runner that needs it imports `cuda.py`.
"""

from wtsnet.runtime.asking import ask
from wtsnet.runtime.choosing import Runner, make_runner
from wtsnet.runtime.fitting import RTX_CAPABILITIES
from wtsnet.runtime.inputs import Inputs, ties
from wtsnet.runtime.reference import reference_runner
from wtsnet.runtime.stats import Stage, Stats

__all__ = ["RTX_CAPABILITIES", "Inputs", "Runner", "Stage", "Stats", "ask", "make_runner", "reference_runner", "ties"]
