"""Training images: held on the device, drawn as tiles, made into batches.

What belongs here lies between the samples of :mod:`karyoscope.datasets` and the batches that a
network is trained on. The modules ``images`` (from a recipe to its images) and ``hold_out`` (which
of them are not trained on) read annotations and are imported by name, since a machine that trains
on a packed set may lack the packages that they need.
"""

from karyoscope.training.data.bank import PixelBank, single_sets
from karyoscope.training.data.batches import Batch, TileBatches, step_seed
from karyoscope.training.data.sampling import TileIndex, importance, tile_probabilities

__all__ = [
    "Batch",
    "PixelBank",
    "TileBatches",
    "TileIndex",
    "importance",
    "single_sets",
    "step_seed",
    "tile_probabilities",
]
