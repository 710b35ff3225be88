"""Datasets of other classes and other scales in one recipe, and what is held out of training."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.taxonomy import NucleusClass, Taxonomy  # noqa: E402
from karyoscope.datasets import Record, Sample  # noqa: E402
from karyoscope.datasets.consep import write_consep  # noqa: E402
from karyoscope.datasets.folder import write_folder  # noqa: E402
from karyoscope.datasets.split import Split, write_split  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training.bundle.export import export_bundle  # noqa: E402
from karyoscope.training.data.images import (  # noqa: E402
    ValidationImages,
    images_of,
    load_training_bank,
    open_source,
    split_records,
)
from karyoscope.training.module import NucleusModule  # noqa: E402
from karyoscope.training.run import batches_of  # noqa: E402

LIZARD = Taxonomy.load("lizard")
#: Classes that no shipped class set knows; a newcomer's.
THEIRS = Taxonomy(
    "theirs",
    tuple(NucleusClass(i, n, (i, i, i)) for i, n in enumerate(("tumour", "immune", "debris"), 1)),
    {"nucleus": dict.fromkeys(("tumour", "immune", "debris"), "nucleus")},
)
MAY_BE = {"tumour": "epithelial", "immune": ["lymphocyte", "plasma"]}


def sample(name, taxonomy=THEIRS, mpp=0.25, edge=160, source=None):
    """Three nuclei of 20 px, one of each of the first three classes."""
    inst_map = np.zeros((edge, edge), np.int32)
    for k in range(3):
        inst_map[20:40, 20 + 40 * k : 40 + 40 * k] = 5 * (k + 1)
    image = np.where(inst_map[..., None] > 0, (90, 40, 120), (230, 200, 220)).astype(np.uint8)
    classes = np.zeros(16, np.uint8)
    classes[[5, 10, 15]] = 1, 2, 3
    return Sample(Record(name, source or name), image, inst_map, classes, taxonomy, mpp)


@pytest.fixture
def own(tmp_path):
    """A recipe of Lizard's classes at 0.5 µm/px over two images of its own."""
    names = ["held", "kept"]
    write_folder([sample(name, LIZARD, 0.5) for name in names], tmp_path / "own", LIZARD)
    split = Split({"train": ["kept"], "validation": ["held"]}, {}, 0, {})
    write_split(split, tmp_path / "own.json")
    write_recipe(
        tmp_path / "tiny",
        taxonomy="lizard",
        data=[{"path": str(tmp_path / "own")}],
        validation={"split": str(tmp_path / "own.json"), "every": 2},
        losses=[{"name": "three_label"}, {"name": "centre"}, {"name": "partial_types"}],
        training={"steps": 2},
    )
    return tmp_path / "tiny" / "recipe.yaml"


def with_data(path, *entries):
    """The recipe with further entries under ``data``, written beside it."""
    recipe = yaml.safe_load(path.read_text("utf-8"))
    recipe["data"] += [{k: str(v) if k in ("path", "split") else v for k, v in e.items()}
                       for e in entries]  # fmt: skip
    new = path.with_name("more.yaml")
    new.write_text(yaml.safe_dump(recipe))
    return new


def test_a_newcomer_adds_a_dataset_by_one_entry(own, tmp_path):
    write_folder([sample("theirs")], tmp_path / "theirs", THEIRS)
    recipe = load_recipe(with_data(own, {"path": tmp_path / "theirs", "may_be": MAY_BE}))
    bank = load_training_bank(recipe)
    assert bank.names == ["kept", "theirs"]
    assert bank.heights.tolist() == [160, 80]
    immune = 1 << LIZARD.id_of("lymphocyte") | 1 << LIZARD.id_of("plasma")
    assert bank.sets.tolist() == [0, *(1 << c for c in LIZARD.ids), immune]
    assert bank.highest == int(bank.ids.max()) == 3
    theirs = bank.classes[bank.starts[1] :].view(80, 80)
    # Each nucleus is 10 px wide now; what the third is, nothing says.
    assert [int(theirs[15, 15 + 20 * k]) for k in range(3)] == [LIZARD.id_of("epithelial"), 7, 0]
    batches = batches_of(recipe, bank, NucleusModule(recipe, 6))
    batches.targets = ["types", "class_sets"]
    assert not batches.tiles.shares.isnan().any()
    # Background, six classes, and the set as a label of its own.
    assert batches.tiles.shares.shape[1] == 8
    for step in range(8):
        _, targets = batches.batch(step)
        unsure = targets["class_sets"] == immune
        assert (targets["types"][unsure] == 255).all()
        if unsure.any():
            break
    else:
        pytest.fail("no tile shows the nucleus of two possible classes")
    assert train(recipe, tmp_path / "run", device="cpu").is_file()


def test_scale_can_be_given_by_the_entry(own, tmp_path):
    write_folder([sample("theirs", mpp=float("nan"))], tmp_path / "theirs", THEIRS)
    entry = {"path": tmp_path / "theirs", "may_be": MAY_BE}
    with pytest.raises(KaryoscopeError, match="theirs: micrometres per pixel unknown"):
        load_training_bank(load_recipe(with_data(own, entry)))
    bank = load_training_bank(load_recipe(with_data(own, entry | {"mpp": 1.0})))
    assert bank.heights.tolist() == [160, 320]


def test_what_nothing_is_known_of_may_be_any_class_of_nucleus(own, tmp_path):
    write_folder([sample("theirs")], tmp_path / "theirs", THEIRS)
    bank = load_training_bank(load_recipe(with_data(own, {"path": tmp_path / "theirs"})))
    assert bank.sets[-1] == sum(1 << c for c in LIZARD.ids)
    assert set(bank.classes[bank.starts[1] :].tolist()) == {0, 7}


@pytest.mark.parametrize(
    ("may_be", "message"),
    [
        ({"tumor": ["epithelial"]}, "taxonomy 'theirs' has no class 'tumor'"),
        ({"tumour": ["epithelium"]}, "taxonomy 'lizard' has no class 'epithelium'"),
    ],
)
def test_a_class_that_is_not_there_is_named(own, tmp_path, may_be, message):
    write_folder([sample("theirs")], tmp_path / "theirs", THEIRS)
    recipe = load_recipe(with_data(own, {"path": tmp_path / "theirs", "may_be": may_be}))
    with pytest.raises(KaryoscopeError, match=message) as caught:
        split_records(recipe)
    assert "\n" not in str(caught.value)


def test_validation_images_have_sure_classes_alone(own, tmp_path):
    write_folder([sample("held"), sample("kept")], tmp_path / "first", THEIRS)
    recipe = load_recipe(own, [f"data=[{{path: {tmp_path}/first, may_be: {json.dumps(MAY_BE)}}}]"])
    shown = ValidationImages(recipe)[0]
    assert shown.inst_map.shape == (80, 80)
    assert shown.classes[[5, 10, 15]].tolist() == [LIZARD.id_of("epithelial"), 0, 0]


def test_points_alone_are_refused(own, tmp_path):
    points = replace(
        sample("p"), inst_map=np.zeros((160, 160), np.int32), points=np.array([[3.0, 4.0, 1.0]])
    )
    write_folder([points], tmp_path / "points", THEIRS)
    recipe = load_recipe(with_data(own, {"path": tmp_path / "points"}))
    with pytest.raises(KaryoscopeError, match="image p: its labels are points") as caught:
        load_training_bank(recipe)
    assert "\n" not in str(caught.value)


def trained(path, *changes):
    """Names of the training images."""
    return [record.name for _, record, _ in split_records(load_recipe(path, list(changes)))[0]]


def three_ways(tmp_path, parts):
    names = sorted(name for part in parts.values() for name in part)
    write_folder([sample(n, LIZARD, 0.5) for n in names], tmp_path / "three", LIZARD)
    write_split(Split(parts, {}, 0, {}), tmp_path / "three.json")
    return (f"data.0.path={tmp_path}/three", f"validation.split={tmp_path}/three.json")


def test_the_test_part_is_not_trained_on(own, tmp_path):
    parts = {"train": ["a"], "validation": ["b"], "test": ["c"], "spare": ["d"]}
    assert trained(own, *three_ways(tmp_path, parts)) == ["a"]
    del parts["train"]
    parts |= {"1": ["a"], "test-2": ["e"]}
    assert trained(own, *three_ways(tmp_path, parts)) == ["a", "d"]


def test_a_dataset_holds_out_images_of_its_own(own, tmp_path):
    names = ["a", "b", "c", "d"]
    write_folder([sample(n) for n in names], tmp_path / "theirs", THEIRS)
    parts = {"train": ["a", "d"], "validation": ["b"], "overlap": ["c"]}
    write_split(Split(parts, {}, 0, {}), own.parent / "beside.json")
    entry = {"path": tmp_path / "theirs"}
    assert trained(with_data(own, entry)) == ["kept", *names]
    # A bare name is looked for beside the recipe.
    entry["split"] = "beside.json"
    path = with_data(own, entry)
    assert trained(path) == ["kept", "a", "d"]
    assert trained(path, "data.1.part=overlap") == ["kept", "c"]
    assert trained(with_data(own, entry | {"exclude": ["d"]})) == ["kept", "a"]
    with pytest.raises(KaryoscopeError, match="theirs: no image x to exclude"):
        trained(with_data(own, entry | {"exclude": ["x"]}))
    with pytest.raises(KaryoscopeError, match=r"beside\.json has no part 'most'"):
        trained(path, "data.1.part=most")


def test_what_one_dataset_holds_out_no_other_trains_on(own, tmp_path):
    write_folder([sample("a", source="s"), sample("b")], tmp_path / "first", THEIRS)
    write_split(Split({"train": ["b"], "test": ["a"]}, {}, 0, {}), tmp_path / "first.json")
    write_folder([sample("c", source="s"), sample("d")], tmp_path / "second", THEIRS)
    first = {"path": tmp_path / "first", "split": tmp_path / "first.json"}
    assert trained(with_data(own, first, {"path": tmp_path / "second"})) == ["kept", "b", "d"]


def test_a_name_in_another_layout_is_another_image(own, tmp_path):
    write_consep([sample("a"), sample("b")], tmp_path / "first", THEIRS)
    write_split(Split({"train": ["b"], "test": ["a"]}, {}, 0, {}), tmp_path / "first.json")
    write_folder([sample("a"), sample("held")], tmp_path / "second", THEIRS)
    first = {"path": tmp_path / "first", "split": tmp_path / "first.json"}
    path = with_data(own, first, {"path": tmp_path / "second"})
    assert trained(path) == ["kept", "b", "a"], "but what validates is nowhere trained on"


def test_the_card_names_what_was_held_out(own, tmp_path):
    write_folder([sample("a"), sample("b")], tmp_path / "theirs", THEIRS)
    entry = {"path": tmp_path / "theirs", "exclude": ["b"], "weight": 0.5}
    recipe = load_recipe(with_data(own, entry), ["training.steps=1"])
    assert [s.source.weight for s in images_of(recipe)[0]] == [1.0, 0.5]
    train(recipe, tmp_path / "run", device="cpu")
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    card = yaml.safe_load((tmp_path / "bundle" / "model.yaml").read_text("utf-8"))["training"]
    assert card["validation"] == ["held"]
    usual = {"layout": "folder", "images": 1}
    described = [
        {k: v for k, v in d.items() if k not in ("nuclei", "sha256")} for d in card["data"]
    ]
    assert described == [
        usual | {"name": "own", "weight": 1.0, "mpp": 0.5, "held_out": ["held"]},
        usual | {"name": "theirs", "weight": 0.5, "mpp": 0.25, "held_out": ["b"]},
    ]
    assert str(tmp_path) not in yaml.safe_dump(card)


def test_the_shipped_splits_hold_out_what_they_say(shared):
    names = [
        "lizard",
        "lizard_from_overlays",
        "consep",
        "kumar",
        "pannuke_breast25",
        "monusac_mini",
    ]
    changes = [f"data.{k}.path={shared / 'data' / name}" for k, name in enumerate(names)]
    changes.append(f"data.1.options.info={shared}/data/lizard/Lizard_Labels/info.csv")
    sources = dict(zip(names, images_of(load_recipe("lizard-large", changes))[0], strict=True))
    counts = [len(source.train) for source in sources.values()]
    assert counts == [83, 36, 21, 12, 25, 4]
    kumar = sources["kumar"]
    assert {record.cohort for record in kumar.held_out} == {"breast", "kidney", "prostate", "liver"}


def test_data_that_are_not_there_are_asked_for(tmp_path):
    source = load_recipe("finetune", [f"data=[{{path: {tmp_path / 'nowhere'}}}]"]).data[0]
    with pytest.raises(KaryoscopeError, match=r"nowhere: no such folder.*--set data\.0\.path="):
        open_source(source, 0.5)
