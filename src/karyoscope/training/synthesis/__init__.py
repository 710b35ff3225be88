"""Masks in, synthetic image/label pairs out (smile, section II.A)."""

from karyoscope.training.synthesis.data import TileSource, load_part, load_sources
from karyoscope.training.synthesis.distance import (
    TileDistance,
    TileFeatures,
    dataset_distance,
    tile_distance,
)
from karyoscope.training.synthesis.generator import Generator, load_generator
from karyoscope.training.synthesis.pairs import WrittenPairs, write_pairs
from karyoscope.training.synthesis.recipe import SynthesisRecipe, load_synthesis_recipe
from karyoscope.training.synthesis.tiles import Motion, SyntheticTiles
from karyoscope.training.synthesis.train import train_generator, train_generator_from

__all__ = [
    "Generator",
    "Motion",
    "SynthesisRecipe",
    "SyntheticTiles",
    "TileDistance",
    "TileFeatures",
    "TileSource",
    "WrittenPairs",
    "dataset_distance",
    "load_generator",
    "load_part",
    "load_sources",
    "load_synthesis_recipe",
    "tile_distance",
    "train_generator",
    "train_generator_from",
    "write_pairs",
]
