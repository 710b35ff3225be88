"""Training of networks that re-stain: images to resemble in, a bundle out.

What belongs here trains and exports a RestainNet; how one is applied to a slide is in
:mod:`karyoscope.pipeline.stains`.
"""

from karyoscope.training.restain.export import export_restainer
from karyoscope.training.restain.module import RestainModule
from karyoscope.training.restain.settings import RestainSettings
from karyoscope.training.restain.tiles import ColourTiles, Target, read_target
from karyoscope.training.restain.train import train_restainer

__all__ = [
    "ColourTiles",
    "RestainModule",
    "RestainSettings",
    "Target",
    "export_restainer",
    "read_target",
    "train_restainer",
]
