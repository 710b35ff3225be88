"""Recipes in, checkpoints out."""

from karyoscope.training.from_source import train_from
from karyoscope.training.recipe.reading import Recipe, load_recipe
from karyoscope.training.run import train
from karyoscope.training.source import RecipeSource
from karyoscope.training.weights import load_network

__all__ = ["Recipe", "RecipeSource", "load_network", "load_recipe", "train", "train_from"]
