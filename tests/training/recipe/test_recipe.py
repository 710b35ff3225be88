from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.recipe.schema import Named, Recipe

SHIPPED = Path(__file__).parents[3] / "src" / "karyoscope" / "recipes" / "lizard.yaml"


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


def small(*changes):
    """The shipped recipe, whose network is built in no time."""
    return load_recipe("lizard", ["network.encoder=test_efficientnet", *changes])


def test_every_fault_is_named_with_its_line(tmp_path):
    recipe = yaml.safe_load(SHIPPED.read_text("utf-8"))
    recipe["training"] |= {"stpes": 5, "tile": 100}
    recipe["losses"][1]["name"] = "hv"
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    lines = path.read_text("utf-8").splitlines()

    def line(text):
        return next(i for i, found in enumerate(lines, 1) if text in found)

    with pytest.raises(KaryoscopeError) as caught:
        load_recipe(path)
    assert f"line {line('stpes')}: training.stpes: unknown key; do you mean steps?" in str(
        caught.value
    )
    path.write_text(path.read_text("utf-8").replace("stpes: 5", "batch_size: 5"))
    with pytest.raises(KaryoscopeError) as caught:
        load_recipe(path)
    tile, loss = (f"line {line(text)}: " for text in ("tile: 100", "name: hv"))
    assert tile + "training.tile: tiles of 100 px do not fit" in str(caught.value)
    assert loss + "losses.1: loss 'hv' reads hv, but network" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.colours=six"], "network.colours: six colours are made of values of 0 to 1"),
        (["losses.1.name=three_label"], "losses.1: the same loss twice: three_label"),
        (["losses.1.name=hinge"], "losses.1: no loss 'hinge'"),
        (["losses.0.wieght=2"], "losses.0: loss 'three_label'.*wieght"),
        (["network.name=vnet"], "network: no network 'vnet'"),
        (["network.width=3"], "network: network 'shared_unet'.*width"),
        (["taxonomy=nowhere"], "taxonomy: "),
        (["training.multiple_of=16"], "multiple_of: .*does not take every image .*16 px"),
        (["postprocessing.name=magic"], "postprocessing.name: no post-processing 'magic'"),
        (["postprocessing.name=hover"], "needs the map 'np', which no output of network"),
        (["postprocessing.speed=9"], "postprocessing: .*speed"),
        (
            ["training.steps=9500", "phases=[{steps: 9000}, {steps: 900}]"],
            "phases: they take 9900 steps, and .* is 9500",
        ),
        (
            ["phases=[{steps: 9, frozen: [brain]}]"],
            "phases.0.frozen: network 'shared_unet' has no part 'brain'; there are encoder",
        ),
        (
            ["phases=[{steps: 9}]", "optimiser.schedule=cosine"],
            "optimiser.schedule: phases have rates of their own",
        ),
        (["optimiser.schedule=step"], "schedule.*epoch: is missing"),
        (["optimiser.schedule=jump"], "optimiser.schedule: .*'flat', 'cosine', 'step'"),
        (["optimiser.momentum=0.9"], "adamw has no momentum"),
        (["optimiser.name=sgd", "optimiser.betas=[0.9, 0.99]"], "sgd has no betas"),
        (["optimiser.sam.rho=0"], "optimiser.sam.rho: .*greater than 0"),
        (["optimiser.sam={radius: 1}"], "optimiser.sam.radius: unknown key; there are rho"),
        (
            ["training.paste={nuclei: 1, size: 300}"],
            "training.paste: patches of 300 px do not fit into tiles of 256 px",
        ),
        (["losses.9.name=hv"], "--set losses.9.name=hv: the recipe has no losses.9"),
    ],
)
def test_what_cannot_be_is_named(changes, message):
    with pytest.raises(KaryoscopeError, match=message) as caught:
        small(*changes)
    assert "\n" not in str(caught.value)


def test_a_recipe_of_nothing_is_named(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    with pytest.raises(KaryoscopeError, match="it has no keys"):
        load_recipe(path)
    path.write_text("name: x\n")
    with pytest.raises(KaryoscopeError, match=r"line 1: licence: is missing; .*losses: is missing"):
        load_recipe(path)


def test_rate_warms_up_stays_flat_and_falls_to_zero():
    flat = "optimiser.schedule=flat"
    recipe = small(flat, "training.steps=100", "optimiser.warmup=10", "optimiser.decay=20")
    rates = [recipe.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_a_recipe_without_the_new_keys_has_the_old_rates():
    recipe = load_recipe("lizard", ["optimiser={}", "training.steps=3000"])
    assert recipe.optimiser.name == "adamw"
    assert recipe.rate_at(999) == 1.0
    assert recipe.rate_at(2000) == pytest.approx(0.5)


def test_rate_of_a_cosine():
    still = ["training.steps=100", "optimiser.warmup=0", "optimiser.decay=null"]
    recipe = small(*still, "optimiser.schedule={name: cosine, to: 0.1}")
    assert [recipe.rate_at(s) for s in (0, 50, 100)] == pytest.approx([1.0, 0.55, 0.1])
    warm = small(
        *still, "optimiser.warmup=4", "optimiser.decay=50", "optimiser.schedule={name: cosine}"
    )
    assert warm.rate_at(0) == pytest.approx(0.25)
    assert warm.rate_at(75) == pytest.approx(0.5 * (1 - 0.5**0.5) / 2)


def test_rate_in_steps():
    recipe = small(
        "training.steps=100",
        "optimiser.warmup=0",
        "optimiser.decay=null",
        "optimiser.schedule={name: step, every: 25, epoch: 2}",
    )
    assert [recipe.rate_at(s) for s in (0, 49, 50, 99)] == pytest.approx([1, 1, 0.1, 0.1])


def test_rate_in_phases():
    recipe = small(
        "optimiser.schedule=flat",
        "training.steps=30",
        "optimiser.warmup=0",
        "optimiser.decay=null",
        "phases=[{steps: 10, frozen: [encoder]}, {steps: 20}]",
    )
    assert [recipe.rate_at(s) for s in (0, 4, 5, 10, 19, 20, 29)] == [1, 1, 0.1, 1, 1, 0.1, 0.1]


def test_every_key_is_in_the_documentation():
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    undocumented = [key for key in keys(Recipe) if f"`{key}`" not in text]
    assert not undocumented


def keys(model, place=""):
    """Every key of a recipe, with the parts it lies in: ``optimiser.sam.rho``."""
    for name, field in model.model_fields.items():
        if not issubclass(model, Named) or name != "name":
            yield place + name
        arguments = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for part in arguments:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from keys(part, f"{place}{name}.")


@pytest.mark.parametrize("changes", [["start=lizard"], ["phases.0.frozen=[]"]])
def test_a_frozen_part_needs_weights(changes):
    off = ["network.pretrained=false"]
    with pytest.raises(KaryoscopeError, match="'encoder' would stay as it was drawn at random"):
        load_recipe("hovernet", off)
    assert load_recipe("hovernet", [*off, *changes]).phases


def test_a_part_may_be_frozen_after_it_was_trained():
    later = 'phases=[{"steps": 5}, {"steps": 5, "frozen": ["encoder"]}]'
    assert load_recipe("hovernet", ["network.pretrained=false", later]).phases[1].frozen
