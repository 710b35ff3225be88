"""Grids: what they may say, those that are shipped, and budgets."""

from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("timm")

import huggingface_hub
import numpy as np
import torch

from karyoscope.core import timm_models
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.writing import write_png
from karyoscope.evaluation.search_space import search_space
from karyoscope.losses import build_loss
from karyoscope.networks import build_network
from karyoscope.postprocessing import POSTPROCESSINGS
from karyoscope.training.ablation.budget import within
from karyoscope.training.ablation.grid import (
    Budget,
    Grid,
    Row,
    ScoredSet,
    load_grid,
    shipped_grids,
)
from karyoscope.training.ablation.measure import gflop_per_mpx, parameters
from karyoscope.training.ablation.plan import missing_parts, plan_rows
from karyoscope.training.ablation.runs import ablate
from karyoscope.training.ablation.settings import AblationSettings, recipe_of
from karyoscope.training.recipe import stretched
from karyoscope.training.recipe.reading import Recipe, load_recipe

REPOSITORY = Path(__file__).parents[3]
ROWS = [(name, row) for name in shipped_grids() for row in load_grid(name).rows]


def shipped_row(name: str, row: Row, changes=()) -> Recipe:
    """The recipe of a shipped grid's row, by the command that the grid is for."""
    settings = AblationSettings(name.partition("_")[0], Path("out"), changes)
    return load_recipe(*recipe_of(row, load_grid(name), settings))


def test_the_tables_of_the_papers_are_there():
    tables = {
        "hovernet": ["3", "3_cpm", "4", "5", "a1", "a2", "a3"],
        "qu": ["1", "2"],
        "smile": ["2", "2_cohorts"],
        "bern": ["2", "3", "4", "5", "cohorts"],
        "mbzuai": ["1"],
    }
    named = {f"{system}_{table}" for system, of in tables.items() for table in of}
    assert named | {"five_systems", "five_systems_imagenet", "lizard_3"} <= set(shipped_grids())
    assert all(load_grid(name).name == name for name in shipped_grids())
    assert all(load_grid(name).about for name in shipped_grids())


def test_every_shipped_grid_is_on_the_page_of_recipes():
    page = (REPOSITORY / "docs" / "recipes.md").read_text("utf-8")
    commands = {line.split("`")[1] for line in page.splitlines() if "| `karyoscope ablate" in line}
    assert {command.split()[-1] for command in commands} == set(shipped_grids())


@pytest.mark.parametrize(("name", "row"), ROWS, ids=lambda v: getattr(v, "name", v))
def test_rows_of_shipped_grids_fit_together(name, row, monkeypatch):
    monkeypatch.chdir(REPOSITORY)  # the small ones name committed tiles from here
    assert row.corresponds_to
    off = ["network.pretrained=false", "phases=[]"]
    network = row.set.get("network", load_grid(name).set.get("network", {"pretrained": True}))
    recipe = shipped_row(name, row, off if "pretrained" in network else off[1:])
    n_classes = len(Taxonomy.load(recipe.taxonomy))
    with torch.device("meta"):
        network = build_network(recipe.network.name, n_classes, **recipe.network.options)
    read = set()
    for loss in recipe.losses:
        options = dict(loss.options) | ({"pretrained": False} if loss.name == "perceptual" else {})
        read |= set(build_loss(loss.name, n_classes, **options).reads)
    assert read == set(network.outputs)
    method = POSTPROCESSINGS[recipe.postprocessing.name]
    method.validate(recipe.postprocessing.options)
    if row.tune is not None:
        searched = search_space(method.name, Taxonomy.load(recipe.taxonomy), row.tune.by_class)
        assert set(row.tune.shared) <= {a.name for a in searched if a.class_name is None}


def test_rows_differ_from_each_other():
    for name in shipped_grids():
        grid = load_grid(name)
        settings = AblationSettings(name.partition("_")[0], Path("out"))
        seen = [
            (*recipe_of(row, grid, settings), row.leave_out, row.tune, row.trained_as)
            for row in grid.rows
        ]
        assert all(row not in seen[:i] for i, row in enumerate(seen)), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a", "rows: Field required"),
        ("name: a\nrows: []", "rows: List should have at least 1"),
        ("name: a\nrows: [{name: x}, {name: x}]", "two rows are called 'x'"),
        ("name: a\nrows: [{name: 'x/y'}]", "rows.0.name"),
        ("name: a\nrows: [{name: x, sets: {}}]", "rows.0.sets: Extra inputs"),
        ("name: a\nrows: [{name: x, trained_as: y}]", "no such row"),
        (
            "name: a\nrows: [{name: x}, {name: y, trained_as: x, set: {optimiser.lr: 1}}]",
            "postprocessing alone",
        ),
        ("name: a\nbudget: {steps: 2, tiles: 3}\nrows: [{name: x}]", "in one unit"),
        ("a: [", "not valid YAML"),
    ],
)
def test_faults_are_named(tmp_path, text, message):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(KaryoscopeError, match=message):
        load_grid(path)


def test_an_absent_grid_is_an_error_that_lists_those_there_are():
    with pytest.raises(KaryoscopeError, match=r"no grid nothing; there are .*hovernet_a1"):
        load_grid("nothing")


def test_a_row_may_override_what_all_rows_are_set_to():
    grid = Grid.model_validate(
        {"name": "g", "set": {"mpp": 0.25, "training.tile": 64},
         "rows": [{"name": "a", "set": {"mpp": 0.2}}]}
    )  # fmt: skip
    name, changes = recipe_of(
        grid.rows[0], grid, AblationSettings("qu", Path("out"), ["training.tile=32"])
    )
    recipe = load_recipe(name, changes)
    assert (recipe.mpp, recipe.training.tile) == (0.2, 32)


@pytest.mark.parametrize("change", ["mpp=0.5", "network.name=unet", "network={name: unet}"])
def test_a_change_that_would_undo_a_row_s_own_is_refused(tmp_path, change):
    grid = Grid.model_validate(
        {"name": "g",
         "rows": [{"name": "plain"}, {"name": "a", "set": {"mpp": 0.2, "network.name": "unet"}}]}
    )  # fmt: skip
    settings = AblationSettings("qu", tmp_path / "out", [change])
    with pytest.raises(KaryoscopeError, match="would undo what row 'a' of the grid changes"):
        ablate(grid, settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["hovernet", "lizard", "bern", "mbzuai", "qu"])
def test_a_stretched_recipe_has_the_same_schedule(name):
    recipe = load_recipe(name)
    short = stretched(recipe, recipe.training.steps // 50)
    assert short.training.steps == recipe.training.steps // 50
    for share in (0.1, 0.3, 0.46, 0.54, 0.77, 0.82, 0.98):
        before, after = (r.rate_at(int(share * r.training.steps)) for r in (recipe, short))
        assert after == pytest.approx(before, abs=0.06)


def test_a_decay_that_is_not_written_is_stretched_too():
    recipe = load_recipe(
        "lizard", ["optimiser.schedule=flat", "optimiser.decay=null", "training.steps=4000"]
    )
    assert stretched(recipe, 400).optimiser.decay == 200


def test_a_budget_may_be_in_steps_tiles_or_none():
    assert Budget().model_dump(exclude_none=True) == {}
    with pytest.raises(ValueError, match="greater than 0"):
        Budget(steps=0)


def test_nothing_is_chosen_on_the_images_that_are_scored():
    recipe = load_recipe("lizard")
    chosen = recipe.training.model_copy(update={"keep_parent": "choose"})
    recipe = recipe.model_copy(update={"training": chosen})
    said = [line for line in missing_parts(recipe) if "keep_parent" in line]
    assert said == [
        "training.keep_parent: choose would choose on the images that the row is scored on; give a"
        " number"
    ]
    own = {"truth": recipe.data[0].path, "split": Path("lizard.split.json")}
    assert [
        line for line in missing_parts(recipe, [ScoredSet(**own)]) if "keep_parent" in line
    ] == said
    test_part = [ScoredSet(**own, part="test")]
    assert not [line for line in missing_parts(recipe, test_part) if "keep_parent" in line]
    other = [ScoredSet(truth=Path("other"))]
    assert not [line for line in missing_parts(recipe, other) if "keep_parent" in line]


@pytest.mark.parametrize("name", ["bern_2", "bern_cohorts", "mbzuai_1"])
def test_weights_that_cannot_be_downloaded_are_named_once_asked(name, monkeypatch):
    asked = []
    monkeypatch.setattr(timm_models, "can_reach", lambda address: bool(asked.append(address)))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    settings = AblationSettings(name.partition("_")[0], Path("out"))
    planned = plan_rows(load_grid(name), settings)
    downloaded = [row for row in planned if row.row.set.get("network.pretrained", True) is True]
    assert downloaded
    for row in downloaded:
        assert [line for line in row.problems if "its ImageNet weights cannot be fetched" in line]
    assert len(asked) == 1


def test_a_teacher_without_weights_is_named():
    recipe = load_recipe("lizard-student", ["teacher.weights=no/such/weights.safetensors"])
    assert [line for line in missing_parts(recipe) if "no/such/weights.safetensors" in line]


def test_keys_of_the_command_are_not_fitted_to_the_budget():
    recipe = load_recipe("lizard", ["optimiser.warmup=7", "optimiser.decay=40"])
    short = within(recipe, Budget(steps=100), 1.0, keep=["optimiser.warmup"])
    assert short.optimiser.warmup == 7
    assert short.optimiser.decay == max(1, round(40 * 100 / recipe.training.steps))


def test_operations_of_one_convolution():
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.filter = torch.nn.Conv2d(3, 8, 3, padding=1)

        def forward(self, images):
            return self.filter(images.permute(0, 3, 1, 2).float())

    network = Network()
    # 3 x 3 x 3 x 8 products and as many sums for each pixel.
    assert gflop_per_mpx(network) == pytest.approx(2 * 27 * 8 / 1e3)
    assert parameters(network) == 27 * 8 + 8


@pytest.mark.parametrize("name", ["qu_1", "qu_2", "mbzuai_1", "smile_2_cohorts"])
def test_published_figures_are_those_of_the_page_of_the_paper(name):
    page = (REPOSITORY / "docs" / "papers" / f"{name.partition('_')[0]}.md").read_text("utf-8")
    printed = set(page.replace("|", " ").replace("±", " ").split())
    for row in load_grid(name).rows:
        for heading, score in row.published.items():
            for value in score if isinstance(score, tuple) else [score]:
                # With the zeros at its end; accuracies may be in percent.
                shown = {f"{value:.{k}f}" for k in (2, 3, 4, 5)} | {f"{100 * value:.2f}"}
                assert shown & printed, (row.name, heading, value)


def test_both_sets_of_cpm_are_read_with_their_own_scales(tmp_path):
    names = "cpm15/image01", "cpm15/image08", "cpm17/train/image_00", "cpm17/test/image_00"
    for k, name in enumerate(names):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_png(file.with_suffix(".png"), np.full((4, 4, 3), 200 + k, np.uint8))
        ids = " ".join(["4", "4", "1", *["0"] * 15])
        file.with_name(f"{file.name}_mask.txt").write_text(ids)
    sets = [s for row in load_grid("hovernet_4").rows for s in row.score if s.name == "CPM"]
    for layout in {given.layout for given in sets}:
        dataset = open_dataset(tmp_path, layout)
        scales = {r.name: dataset.load(r).mpp for r in dataset.records}
        assert scales == {
            "image01": 0.5,
            "image08": 0.25,
            "train_image_00": 0.25,
            "test_image_00": 0.25,
        }
