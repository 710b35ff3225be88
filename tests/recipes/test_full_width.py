"""Every shipped recipe at its full width: a step, an export, and a segmented tile.

Weights of encoders are drawn at random, since packages are not fetched in tests.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

import yaml  # noqa: E402
from PIL import Image  # noqa: E402

import karyoscope  # noqa: E402
from karyoscope.datasets import open_dataset  # noqa: E402
from karyoscope.networks import build_network  # noqa: E402
from karyoscope.training.bundle import export_bundle  # noqa: E402
from karyoscope.training.module import NucleusModule  # noqa: E402
from karyoscope.training.recipe.reading import Recipe, load_recipe  # noqa: E402
from karyoscope.training.run import batches_of  # noqa: E402
from karyoscope.training.weights import write_weights  # noqa: E402

ROOT = Path(__file__).parents[2]
TILES = ROOT / "tests" / "data" / "nucls_tiles"
RECIPES = sorted(path.stem for path in (ROOT / "src/karyoscope/recipes").glob("*.yaml"))


def full(name: str, folder: Path) -> Recipe:
    """The recipe at its width, on committed tiles, from random weights."""
    data = load_recipe(name).model_dump(mode="json")
    of_points = any(loss["name"].startswith("point_") for loss in data["losses"])
    tiles = as_points(folder / "tiles") if of_points else TILES
    data |= {"data": [{"path": str(tiles)}], "taxonomy": str(TILES / "taxonomy.yaml"), "mpp": 0.2}
    data["validation"]["split"] = str(TILES / "split.json")
    data |= {"phases": [], "teacher": None}
    if "pretrained" in data["network"]:
        data["network"]["pretrained"] = False
    data["losses"] = [loss for loss in data["losses"] if not loss["name"].startswith("soft_")]
    for loss in data["losses"]:
        if "pretrained" in loss:
            loss |= {"pretrained": False, "maps": "contour"}
        if "counts" in loss:
            loss["counts"] = [1, 2]
    least = 2 if name.startswith("hovernet") else 1
    # One tile, or two views of one, so that machines with 16 GB of memory hold the widest.
    of_pairs = any(loss["name"].startswith("consistent_") for loss in data["losses"])
    size = 2 if of_pairs else 1
    data["training"] |= {"batch_size": size, "tile": 128 * least if "consep" not in name else 200}
    data["training"]["precision"] = "fp32"
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_recipe(path)


def as_points(folder: Path) -> Path:
    """The committed tiles with a point in place of each outline."""
    shutil.copytree(TILES, folder)
    for sample in open_dataset(TILES):
        label = folder / "labels" / f"{sample.record.name}.png"
        label.with_suffix(".csv").unlink()
        Image.fromarray(np.zeros(sample.inst_map.shape, np.uint16)).save(label)
        ids = np.unique(sample.inst_map[sample.inst_map > 0])
        rows = [["x", "y", "class"]]
        for i in ids:
            y, x = (np.mean(v) + 0.5 for v in np.nonzero(sample.inst_map == i))
            rows.append([x, y, sample.taxonomy.by_id(sample.classes[i]).name])
        text = "\n".join(",".join(map(str, row)) for row in rows)
        label.with_name(f"{label.stem}_points.csv").write_text(text + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_at_full_width_trains_exports_and_segments(name, tmp_path):
    from karyoscope.training.data.images import load_training_bank

    recipe = full(name, tmp_path)
    torch.manual_seed(0)
    bank = load_training_bank(recipe)
    module = NucleusModule(recipe, bank.n_classes).train()
    module.log = lambda *_, **__: None
    before = {k: v.clone() for k, v in module.network.named_parameters()}
    optimiser = module.configure_optimizers()["optimizer"]
    batch = batches_of(recipe, bank, module).batch(0)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = module.training_step(batch, 0)
        assert torch.isfinite(loss)
        loss.backward()
        return loss

    optimiser.step(closure)
    changed = [k for k, v in module.network.named_parameters() if not torch.equal(v, before[k])]
    # Residual units of timm begin as the identity, so that what is inside waits for a step.
    assert len(changed) > 0.5 * len(before)

    write_weights(module.network, tmp_path / "weights.safetensors")
    bundle = export_bundle(tmp_path, tmp_path / "bundle", checkpoint="weights.safetensors")
    image = np.random.default_rng(0).integers(120, 250, (192, 192, 3), np.uint8)
    nuclei = karyoscope.segment(image, model=str(bundle), mpp=0.2)
    assert isinstance(nuclei, karyoscope.Nuclei)
    shutil.rmtree(bundle)


def test_the_widths_are_those_of_the_papers():
    """What the slow tests build is not a reduced form."""
    millions = {"hovernet": 30, "smile": 30, "qu": 20, "bern": 60, "mbzuai": 50}
    for name, least in millions.items():
        recipe = load_recipe(name)
        with torch.device("meta"):
            network = build_network(recipe.network.name, 6, **recipe.network.untrained)
        assert sum(p.numel() for p in network.parameters()) > 1e6 * least, name
