"""Folds of a recipe's images: each image in one, nothing of another part in any."""

import json

import pytest
from own_images import own_images

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.datasets.split import Split, write_split  # noqa: E402
from karyoscope.training.data.folds import divided_images, division, holding_out  # noqa: E402
from karyoscope.training.data.images import images_of, open_source  # noqa: E402
from karyoscope.training.recipe import load_recipe  # noqa: E402


@pytest.fixture
def place(tmp_path):
    """Eight images of four sources, of which a recipe names splits."""
    root = tmp_path / "own"
    names = own_images(root, 8)
    rows = [f"{name},s{k // 2}" for k, name in enumerate(names)]
    (root / "records.csv").write_text("\n".join(["name,source", *rows]) + "\n")
    (root / "dataset.yaml").write_text("mpp: 0.5\n")
    return tmp_path, names


def recipe_with(place, parts, by="source", **keys):
    """A recipe whose validation has a split with these parts, as numbers of images."""
    folder, names = place
    named = {part: [names[k] for k in of] for part, of in parts.items()}
    write_split(Split(named, {}, 0, {}, by), folder / "split.json")
    data = [{"path": str(folder / "own")} | keys]
    changes = [f"data={json.dumps(data)}", f"validation.split={folder / 'split.json'}"]
    return load_recipe("lizard", [*changes, "taxonomy=nucleus", "network.pretrained=false"])


def trained(recipe, path, fold):
    """Names of the images that the recipe trains on and validates on without a fold."""
    text = ["taxonomy=nucleus", "network.pretrained=false"]
    data = [{"path": str(recipe.data[0].path), "exclude": list(recipe.data[0].exclude)}]
    changes = [*text, f"data={json.dumps(data)}", *holding_out(recipe, path, fold)]
    sources, validation = images_of(load_recipe("lizard", changes))
    return {r.name for r in sources[0].train}, {r.name for r in validation}


def divide(recipe, path, folds):
    dataset = open_source(recipe.data[0], recipe.mpp)
    return division(path, recipe, dataset, divided_images(recipe, folds), folds, 0)


@pytest.mark.parametrize(
    ("parts", "by", "keys", "apart"),
    [
        ({"train": [0, 1, 2, 3], "validation": [4, 5, 6, 7]}, "source", {}, []),
        ({"train": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7]}, "source", {}, [6, 7]),
        ({"train": [0, 1, 2, 3], "validation": [4, 5], "overlap": [6, 7]}, "source", {}, [6, 7]),
        # Tiles of one source on both sides, as some papers have them.
        ({"train": [0, 2, 4], "validation": [6], "test": [1, 3, 5, 7]}, "tile", {}, [1, 3, 5, 7]),
        ({"train": [0, 1, 2, 3], "validation": [4, 5, 6, 7]}, "source", {"exclude": [2]}, [2]),
        (
            {"train": [0, 1, 4, 5], "validation": [6, 7], "test": [2, 3]},
            "source",
            {"exclude": [0]},
            [0, 2, 3],
        ),
    ],
)
def test_every_image_is_left_out_once_and_others_are_never_used(place, parts, by, keys, apart):
    folder, names = place
    keys = {key: [names[k] for k in of] for key, of in keys.items()}
    recipe = recipe_with(place, parts, by, **keys)
    divide(recipe, folder / "folds.json", 3)
    aside = {names[k] for k in apart}
    scored = []
    for fold in (1, 2, 3):
        train, validation = trained(recipe, folder / "folds.json", fold)
        assert train
        # Whole sources are left out; all other divided images are trained on.
        assert train == {*names} - aside - validation
        of = dict(zip(names, [k // 2 for k in range(8)], strict=True))
        assert {of[name] for name in train}.isdisjoint(of[name] for name in validation)
        scored += sorted(validation)
    assert sorted(scored) == sorted({*names} - aside)


def test_too_many_folds_and_a_division_of_other_images_are_refused(place):
    folder, _ = place
    recipe = recipe_with(place, {"train": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7]})
    with pytest.raises(KaryoscopeError, match="images of 3 sources cannot make 4 folds"):
        divided_images(recipe, 4)
    made = divide(recipe, folder / "folds.json", 3)
    assert divide(recipe, folder / "folds.json", 3) == made
    other = recipe_with(place, {"train": [0, 1, 2, 3], "validation": [4, 5, 6, 7]})
    with pytest.raises(KaryoscopeError, match=r"folds\.json divides other images"):
        divide(other, folder / "folds.json", 3)
