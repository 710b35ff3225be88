"""How weights are changed: optimisers, rates, phases, averages, and runs that end by the clock.

What belongs here decides a step or the order of steps. Settings that a recipe may give are defined
here beside what they set; nothing here knows of recipes.
"""

from karyoscope.training.optim.averaging import MovingAverage
from karyoscope.training.optim.clock import TimeLimit
from karyoscope.training.optim.optimisers import build_optimiser, statistics_held
from karyoscope.training.optim.phases import Phase, Phases
from karyoscope.training.optim.sam import SAM
from karyoscope.training.optim.schedule import Cosine, Flat, Schedule, Steps
from karyoscope.training.optim.settings import Optimiser, Sharpness

__all__ = [
    "SAM",
    "Cosine",
    "Flat",
    "MovingAverage",
    "Optimiser",
    "Phase",
    "Phases",
    "Schedule",
    "Sharpness",
    "Steps",
    "TimeLimit",
    "build_optimiser",
    "statistics_held",
]
