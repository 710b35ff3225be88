"""Training of stain normalisation networks: target images in, a bundle out.

The modules train and export a RestainNet; :mod:`karyoscope.pipeline.stains` applies one to slides.
"""

from karyoscope.training.restain.export import export_restainer
from karyoscope.training.restain.module import RestainModule
from karyoscope.training.restain.settings import RestainSettings
from karyoscope.training.restain.tiles import ColourTiles, Target, read_target
from karyoscope.training.restain.train import train_restainer, train_restainer_from

__all__ = [
    "ColourTiles",
    "RestainModule",
    "RestainSettings",
    "Target",
    "export_restainer",
    "read_target",
    "train_restainer",
    "train_restainer_from",
]
