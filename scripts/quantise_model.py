r"""Quantise a shipped model, its encoder included, to eight-bit integers: a new ``model.onnx``.

    python scripts/quantise_model.py lizard --version 3.1 \
        --recipe src/karyoscope/recipes/lizard-student.yaml
    python scripts/measure_card.py lizard

The graph is made of ``weights.safetensors``, which stays as it is, and calibrated on training
images of the recipe, whose data must be there. The card gets the new version and the name of the
version that was quantised; its scores are removed, because they were measured with the old graph.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from karyoscope.inference import find_bundle
from karyoscope.inference.bundle import ONNX
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.inference.torch_engine import torch_module
from karyoscope.training.bundle.graph import with_half_weights, write_onnx
from karyoscope.training.bundle.quantisation import calibration_tiles, quantise
from karyoscope.training.recipe.reading import load_recipe

MODELS = Path(__file__).parents[1] / "src" / "karyoscope" / "models"


def main() -> None:
    """Quantise the model that is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="a shipped model")
    parser.add_argument("--recipe", type=Path, required=True, help="how it was trained")
    parser.add_argument("--version", required=True, help="version of the model that is written")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the models")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("karyoscope").setLevel(logging.INFO)

    folder = arguments.models / arguments.name
    bundle = find_bundle(folder)
    if bundle.card.version == arguments.version:
        raise SystemExit(f"{folder} is version {arguments.version} already")
    module = torch_module(bundle).eval()
    graph, _ = write_onnx(module)
    tiles = calibration_tiles(load_recipe(arguments.recipe))
    made = with_half_weights(quantise(graph, module, tiles, encoder=True))

    training = bundle.card.training
    before = f"{bundle.card.name} {bundle.card.version}"
    changes = {
        "version": arguments.version,
        "training": training | {"quantised_from": before},
        # They were measured with the old graph.
        "scores": {},
        "steadiness": None,
    }
    rewrite_bundle(bundle, folder, changes, graph=made)
    print(f"{folder}: {ONNX} has {len(made) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
