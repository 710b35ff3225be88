"""The whole way of the mask-to-image part: train, stop, resume, write, read back, measure."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.datasets import open_dataset  # noqa: E402
from karyoscope.datasets.convert import convert  # noqa: E402
from karyoscope.datasets.split import Split, write_split  # noqa: E402
from karyoscope.training.synthesis import (  # noqa: E402
    Motion,
    SyntheticTiles,
    load_generator,
    load_part,
    load_sources,
    load_synthesis_recipe,
    train_generator,
    train_generator_from,
)

DATA = Path(__file__).parents[2] / "data" / "dsb2018"
SMALL = [
    "data.0.mpp=0.5",
    "data.0.taxonomy=nucleus",
    "generator.width=4",
    "generator.halvings=2",
    "generator.blocks=1",
    "discriminator.width=4",
    "discriminator.halvings=2",
    "training.tile=32",
    "training.batch_size=2",
    "training.save_every=2",
    "training.steps=4",
]


def small(*more):
    return load_synthesis_recipe(DATA, [*SMALL, *more])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthesis") / "run"
    assert train_generator_from(DATA, out, changes=SMALL, device="cpu") == out / "generator"
    return out


@pytest.fixture(scope="module")
def generator(run):
    return load_generator(run)


@pytest.fixture(scope="module")
def source():
    return load_sources(small())


def test_a_resumed_run_equals_an_undisturbed_one(run, tmp_path):
    train_generator(small("training.steps=2"), tmp_path / "parts", device="cpu")
    train_generator(small(), tmp_path / "parts", resume=True, device="cpu")
    parts, whole = (
        torch.load(path / "last.ckpt", weights_only=True)["state_dict"]
        for path in (tmp_path / "parts", run)
    )
    assert parts.keys() == whole.keys()
    for key, value in whole.items():
        assert torch.equal(parts[key], value), key


def test_a_step_of_one_side_leaves_the_other_alone_and_the_average_follows():
    from karyoscope.training.synthesis.module import SynthesisModule

    torch.manual_seed(0)
    module = SynthesisModule(small(), 1)
    assert all(not p.requires_grad for p in module.averaged.parameters())
    names = {name.partition(".")[0] for name in module.state_dict()}
    assert names == {"generator", "discriminator", "averaged"}


def test_perceptual_term_is_zero_for_equals_and_reaches_the_generator():
    from karyoscope.training.synthesis.module import SynthesisModule

    perceptual = "losses.perceptual={encoder: test_efficientnet, pretrained: false, weight: 2}"
    module = SynthesisModule(small(perceptual), 1)
    assert not any("seen" in name for name in module.state_dict())
    layout, real = torch.zeros(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    fake = torch.rand(1, 3, 64, 64, requires_grad=True)
    assert module._terms(layout, real, real)["perceptual"] == 0
    module._terms(layout, real, fake)["perceptual"].backward()
    assert fake.grad.abs().sum() > 0


def test_run_holds_no_more_than_safe_files_and_refuses_a_second_start(run, generator):
    assert sorted(p.name for p in (run / "generator").iterdir()) == [
        "generator.safetensors",
        "generator.yaml",
    ]
    assert generator.card["training"]["steps"] == 4
    assert generator.card["mpp"] == 0.5
    with pytest.raises(KaryoscopeError, match="--resume"):
        train_generator(small(), run, device="cpu")
    with pytest.raises(KaryoscopeError, match="nothing to resume"):
        train_generator(small(), run / "elsewhere", resume=True, device="cpu")


@pytest.mark.slow
def test_generator_learns_the_colours_of_nuclei(tmp_path):
    """A few steps on tiles in which nuclei are dark: painted nuclei become darker than the rest."""
    from karyoscope.training.synthesis.layouts import LayoutTiles, TileWindows, style_of, to_signed

    recipe = small("training.steps=60", "training.average=0.5", "optimiser.lr=0.003")
    train_generator(recipe, tmp_path / "run", device="cpu")
    generator = load_generator(tmp_path / "run")
    windows = TileWindows(load_sources(recipe).bank, 64, 0.0)
    image, ids, classes = LayoutTiles(windows, 8, seed=9).batch(0)

    def contrast(grey):
        return np.mean([g[i > 0].mean() - g[i == 0].mean() for g, i in zip(grey, ids.numpy(),
                        strict=True) if 0 < (i > 0).mean() < 1])  # fmt: skip

    styles = style_of(to_signed(image))
    painted = [
        generator.paint(i.numpy(), c.numpy(), s, torch.Generator().manual_seed(0)).mean(2)
        for i, c, s in zip(ids, classes, styles, strict=True)
    ]
    real = contrast(image.mean(1).numpy())
    assert abs(real) > 5
    assert contrast(painted) / real > 0.3


def test_written_pairs_are_read_back_as_they_were_made(generator, source, tmp_path):
    tiles = SyntheticTiles(generator, source, 5, 64, seed=3)
    for layout in ("folder", "conic"):
        convert(SyntheticTiles(generator, source, 5, 64, seed=3), layout, tmp_path / layout)
    back = open_dataset(tmp_path / "folder")
    assert back.taxonomy.names == ("nucleus",)
    assert back.mpp == 0.5
    assert len(back) == 5
    sources = {record.source for record in source.records}
    for made, read in zip(tiles, back, strict=True):
        assert np.array_equal(made.image, read.image)
        assert np.array_equal(made.inst_map, read.inst_map)
        assert np.array_equal(made.class_map, read.class_map)
        assert made.image.shape == (64, 64, 3)
        assert read.record.source in sources
    ids = np.unique(tiles.load(tiles.records[0]).inst_map)
    assert np.array_equal(ids, np.arange(len(ids)))


def test_a_recipe_can_name_written_pairs_beside_real_ones(generator, source, tmp_path):
    from karyoscope.datasets import merge_classes
    from karyoscope.training.data.bank import PixelBank
    from karyoscope.training.data.images import open_source
    from karyoscope.training.recipe.schema import DataSource

    convert(SyntheticTiles(generator, source, 3, 64), "folder", tmp_path / "tiles")
    named = DataSource.model_validate({"path": str(tmp_path / "tiles"), "weight": 0.3})
    pairs = merge_classes(open_source(named, 0.5), source.taxonomy)
    bank = PixelBank.from_samples(pairs, [named.weight] * 3, len(source.taxonomy))
    assert bank.names == [f"synthetic-{k:06d}" for k in range(3)]
    assert (bank.classes > 0).sum() == (bank.ids > 0).sum() > 0


def test_the_seed_decides_and_every_tile_is_another(generator, source):
    first, again = (SyntheticTiles(generator, source, 4, 32, seed=1) for _ in "ab")
    other = SyntheticTiles(generator, source, 4, 32, seed=2)
    images = [tiles.load(tiles.records[2]).image for tiles in (first, again, other)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    assert len({tiles.tobytes() for tiles in (s.image for s in first)}) == 4


def test_masks_are_moved_copies_of_real_ones(generator, source):
    still = SyntheticTiles(generator, source, 6, 64, seed=4, motion=Motion(0, 0))
    moved = SyntheticTiles(generator, source, 6, 64, seed=4)
    real = source.bank
    for record in still.records:
        a, b = still.load(record), moved.load(record)
        k = still._number[record.name]
        image, row, column = (int(t[k]) for t in still._drawn)
        start, height, width = (int(t[image]) for t in (real.starts, real.heights, real.widths))
        whole = real.ids[start : start + height * width].view(height, width)
        cut = whole[row : row + 64, column : column + 64].numpy()
        assert np.array_equal(a.inst_map > 0, cut > 0)
        agree = ((a.inst_map > 0) == (b.inst_map > 0)).mean()
        assert agree > 0.7


def test_style_of_another_tile_changes_colours_and_not_labels(generator, source):
    own = SyntheticTiles(generator, source, 6, 32, seed=0)
    other = SyntheticTiles(generator, source, 6, 32, seed=0, style="other")
    for a, b in zip(own, other, strict=True):
        assert np.array_equal(a.inst_map, b.inst_map)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(own, other, strict=True))


def test_images_kept_out_are_kept_out(tmp_path):
    names = sorted(p.stem for p in (DATA / "images").iterdir())
    counts = {"images": 0, "sources": 0, "cohorts": {}, "classes": {}}
    parts = {"train": names[2:], "validation": names[:2]}
    path = tmp_path / "split.json"
    write_split(Split(parts, {"train": 0.8, "validation": 0.2}, 0, dict.fromkeys(parts, counts)),
                path)  # fmt: skip
    kept = load_sources(small(f"kept_out.split={path}"))
    assert [r.name for r in kept.records] == names[2:]
    one = load_part(small().data[0], (path, "validation"), kept.taxonomy, 0.5, 32)
    assert [r.name for r in one.records] == names[:2]
    with pytest.raises(KaryoscopeError, match="no part 'test'"):
        load_sources(small(f"kept_out.split={path}", "kept_out.part=test"))


def test_the_recipe_of_the_paper_keeps_out_what_the_shipped_model_is_validated_on():
    recipe = load_synthesis_recipe("smile")
    assert recipe.taxonomy == "lizard"
    assert recipe.kept_out is not None
    assert recipe.kept_out.split.resolve().name == "lizard.split.json"
    assert recipe.kept_out.split.is_file()


def test_faults_of_recipes_and_generators_are_named(run, tmp_path):
    with pytest.raises(KaryoscopeError, match=r"generator\.widht"):
        small("generator.widht=3")
    with pytest.raises(KaryoscopeError, match="neither a recipe nor a folder"):
        load_synthesis_recipe(tmp_path / "none.yaml")
    with pytest.raises(KaryoscopeError, match="multiple of 4"):
        train_generator(small("training.tile=34"), tmp_path / "odd", device="cpu")
    with pytest.raises(KaryoscopeError, match="no image holds a tile of 4096"):
        load_sources(small("training.tile=4096"))
    with pytest.raises(KaryoscopeError, match="holds no generator"):
        load_generator(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in (run / "generator").iterdir():
        data = path.read_bytes()
        (damaged / path.name).write_bytes(data[:-1] if path.suffix == ".safetensors" else data)
    with pytest.raises(KaryoscopeError, match="is not the file that"):
        load_generator(damaged)
