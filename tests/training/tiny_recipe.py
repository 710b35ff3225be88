"""A recipe over committed images, and a network that trains in seconds."""

import shutil
from pathlib import Path

import yaml

from karyoscope.datasets.split import Split, write_split

DATA = Path(__file__).parents[1] / "data" / "dsb2018"

#: A network with dropout in the encoder and the decoders, of a few thousand weights.
NETWORK = {
    "name": "two_decoder_unet", "encoder": "test_efficientnet", "channels": [8, 8, 8, 8, 8],
    "dropout": 0.2, "drop_path": 0.2,
}  # fmt: skip


def write_recipe(folder: Path, images: int = 5, **parts) -> Path:
    """Write a recipe over a few images, two of them for validation; return its path."""
    names = sorted(p.stem for p in (DATA / "images").iterdir())[:images]
    for part in ("images", "labels"):
        (folder / "data" / part).mkdir(parents=True)
        for name in names:
            shutil.copy(DATA / part / f"{name}.png", folder / "data" / part)
    counts = {"images": 0, "sources": 0, "cohorts": {}, "classes": {}}
    split = {"train": names[2:], "validation": names[:2]}
    write_split(
        Split(split, {"train": 0.8, "validation": 0.2}, 0, dict.fromkeys(split, counts)),
        folder / "split.json",
    )
    source = {"dataset": "folder", "path": str(folder / "data"),
              "taxonomy": "nucleus", "mpp": 0.5}  # fmt: skip
    recipe = {
        "name": "tiny", "licence": "CC0", "taxonomy": "nucleus", "mpp": 0.5,
        "data": [source],
        "validation": {"split": str(folder / "split.json"), "every": 4},
        "network": NETWORK,
        "losses": [{"name": "three_label"}, {"name": "centre"}, {"name": "prior_weighted_types"}],
        "training": {"steps": 4, "batch_size": 2, "tile": 64, "precision": "fp32", "ema": 0},
        "optimiser": {"decay": 0, "warmup": 0},
        "postprocessing": {"name": "three_label"},
    }  # fmt: skip
    for part, keys in parts.items():
        recipe[part] = recipe[part] | keys if isinstance(recipe.get(part), dict) else keys
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path
