"""Recipes in, checkpoints out."""

from karyoscope.training.recipe.reading import Recipe, load_recipe
from karyoscope.training.run import train
from karyoscope.training.weights import load_network

__all__ = ["Recipe", "load_network", "load_recipe", "train"]
