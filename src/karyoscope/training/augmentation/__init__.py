"""Random changes of training tiles: geometry, colour, pasted nuclei, and the two views of one tile.

What belongs here works on batches of tensors on the device, draws from a generator that is handed
in, and states its ranges as settings that a recipe may give. Nothing here knows of recipes.
"""

from karyoscope.training.augmentation.colour import Colour
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.augmentation.pasting import Pasting
from karyoscope.training.augmentation.views import SecondView, draw_second_views

__all__ = ["Colour", "Geometry", "Pasting", "SecondView", "draw_second_views"]
