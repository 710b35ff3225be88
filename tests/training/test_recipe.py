from pathlib import Path

import pytest
import yaml

from karyoscope.errors import KaryoscopeError
from karyoscope.training.module import rate_at
from karyoscope.training.recipe import Optimiser, load_recipe

SHIPPED = Path(__file__).parents[2] / "src" / "karyoscope" / "recipes" / "lizard.yaml"


def test_the_shipped_recipe_is_found_by_name():
    recipe = load_recipe("lizard")
    assert recipe.network.name == "shared_unet"
    assert recipe.validation.split.is_file()


def test_changes_reach_into_the_recipe():
    recipe = load_recipe(
        "lizard", ["training.steps=12", "network.channels=[8, 8]", "data.0.weight=2"]
    )
    assert recipe.training.steps == 12
    assert recipe.network.options["channels"] == [8, 8]
    assert recipe.data[0].weight == 2


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("training.stpes=3", "training.stpes"),
        ("mpp=-1", "mpp"),
        ("training.batch_size=many", "training.batch_size"),
        ("training.steps", "key=value"),
    ],
)
def test_a_bad_key_or_value_is_named(change, names):
    with pytest.raises(KaryoscopeError, match=names) as caught:
        load_recipe("lizard", [change])
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_recipe_is_one_line(tmp_path):
    with pytest.raises(KaryoscopeError, match="does not exist"):
        load_recipe(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [unclosed")
    with pytest.raises(KaryoscopeError, match="not valid YAML") as caught:
        load_recipe(broken)
    assert "\n" not in str(caught.value)


def test_a_copied_recipe_reads_the_same(tmp_path):
    recipe = load_recipe("lizard")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert load_recipe(path) == recipe


def test_rate_warms_up_stays_flat_and_falls_to_zero():
    settings = Optimiser(warmup=10, decay=20)
    rates = [rate_at(step, 100, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_a_loss_without_its_output_is_named():
    from karyoscope.training.module import NucleusModule

    channels = "network.channels=[8, 8, 8, 8]"
    recipe = load_recipe("lizard", ["network.pretrained=false", channels, "losses.1.name=hv"])
    with pytest.raises(KaryoscopeError, match="'hv' reads hv"):
        NucleusModule(recipe, 6)
    recipe = load_recipe(
        "lizard", ["network.pretrained=false", channels, "losses.1.name=three_label"]
    )
    with pytest.raises(KaryoscopeError, match="same loss twice"):
        NucleusModule(recipe, 6)
