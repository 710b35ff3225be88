"""Colours of a slide changed before a model reads it, or written to a new file."""

from karyoscope.pipeline.stains.inputs import (
    builtin_stain,
    bundle_stain,
    input_stains,
    model_input,
    model_input_image,
    stained_image,
)
from karyoscope.pipeline.stains.recolour import recolour_file
from karyoscope.pipeline.stains.recolour_batch import RecolourResult, recolour_slides
from karyoscope.pipeline.stains.stain import Stain, StainedSlide, load_stain

__all__ = [
    "RecolourResult",
    "Stain",
    "StainedSlide",
    "builtin_stain",
    "bundle_stain",
    "input_stains",
    "load_stain",
    "model_input",
    "model_input_image",
    "recolour_file",
    "recolour_slides",
    "stained_image",
]
