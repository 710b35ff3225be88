"""Masks in, painted image/label pairs out (smile, section II.A)."""

from karyoscope.training.synthesis.data import TileSource, load_part, load_sources
from karyoscope.training.synthesis.distance import TileDistance, TileFeatures, tile_distance
from karyoscope.training.synthesis.generator import Generator, load_generator
from karyoscope.training.synthesis.recipe import SynthesisRecipe, load_synthesis_recipe
from karyoscope.training.synthesis.tiles import Motion, SyntheticTiles
from karyoscope.training.synthesis.train import train_generator

__all__ = [
    "Generator",
    "Motion",
    "SynthesisRecipe",
    "SyntheticTiles",
    "TileDistance",
    "TileFeatures",
    "TileSource",
    "load_generator",
    "load_part",
    "load_sources",
    "load_synthesis_recipe",
    "tile_distance",
    "train_generator",
]
