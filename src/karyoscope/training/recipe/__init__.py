"""What a run is described by: the keys of a recipe, its file, and whether its parts fit together.

What belongs here is known before any image is read: the schema, the reading of YAML with changes
from the command line, and the checks that name the line of every fault.
"""

from karyoscope.training.recipe.check import can_validate, faults_of
from karyoscope.training.recipe.reading import apply_change, changed_keys, load_recipe
from karyoscope.training.recipe.schema import (
    DataSource,
    Named,
    Recipe,
    Teacher,
    Validation,
    WeightedLoss,
)
from karyoscope.training.recipe.stretch import stretched

__all__ = [
    "DataSource",
    "Named",
    "Recipe",
    "Teacher",
    "Validation",
    "WeightedLoss",
    "apply_change",
    "can_validate",
    "changed_keys",
    "faults_of",
    "load_recipe",
    "stretched",
]
