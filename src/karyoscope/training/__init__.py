"""Recipes in, checkpoints out."""

from karyoscope.training.recipe import Recipe, load_recipe
from karyoscope.training.run import train

__all__ = ["Recipe", "load_recipe", "train"]
