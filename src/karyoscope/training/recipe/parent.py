"""The model that a recipe starts from, and what the recipe takes from it where it is silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import read_yaml
from karyoscope.training.recipe.losses import losses_of

#: The file by which a folder is known as a run.
RECIPE = "recipe.yaml"
#: Keys of a recipe that one with ``start`` may leave out.
GIVEN = ("taxonomy", "mpp", "context", "stain", "mean", "std", "network", "losses",
         "postprocessing", "licence")  # fmt: skip


@dataclass(frozen=True)
class Parent:
    """A model to start from.

    Attributes
    ----------
    name, version : str
        The name that its card or recipe states; the file's name where neither does.
    weights : Path
        Folder or file that holds its tensors; see
        :func:`~karyoscope.training.weights.read_weights`.
    taxonomy : Taxonomy or None
        Its classes; None where only tensors are known.
    keys : dict
        What a recipe that starts from it may leave out, as in its YAML.
    classes_learned_on : str
        The tissue whose classes it learned, where its card says so.
    nuclei : dict of str to int
        Number of nuclei of each class that it was trained on, where its card says so.
    """

    name: str
    version: str
    weights: Path
    taxonomy: Taxonomy | None
    keys: dict[str, Any]
    classes_learned_on: str = ""
    nuclei: Mapping[str, int] = field(default_factory=dict)


def find_parent(start: str) -> Parent:
    """Find a model by the value of ``start``.

    Parameters
    ----------
    start : str
        A shipped model by name, a bundle (folder or zip file), the folder of a run, or a file of
        weights; of a file in the folder of a run the run's recipe is read.

    Raises
    ------
    KaryoscopeError
        If it is none of these.
    """
    path = Path(start)
    folder = path if path.is_dir() else path.parent
    if path.exists() and (folder / RECIPE).is_file() and not (folder / "model.yaml").is_file():
        return _of_run(path, folder / RECIPE)
    if path.is_file() and path.suffix != ".zip":
        return Parent(path.stem, "", path, None, {})
    if path.is_dir() and not (path / "model.yaml").is_file():
        raise KaryoscopeError(
            f"start: {start} is neither a bundle (model.yaml) nor a run ({RECIPE})"
        )
    return _of_bundle(start)


def fill_from_parent(data: dict[str, Any]) -> None:
    """Fill in missing keys of a recipe from its parent, in place.

    Parameters
    ----------
    data : dict
        A recipe as read from YAML.
    """
    start = data.get("start")
    if not isinstance(start, str):
        return
    training = data.get("training")
    length = training if isinstance(training, dict) else {}
    if all(_is_given(data, key) for key in GIVEN) and "multiple_of" in length:
        return
    parent = find_parent(start)
    if parent.taxonomy is not None:
        data.setdefault("taxonomy", parent.taxonomy.to_dict())
    for key in GIVEN:
        if key in parent.keys and not _is_given(data, key):
            # Of a network or a post-processing without name, single options are changed.
            options = data.get(key) if isinstance(parent.keys[key], dict) else None
            data[key] = parent.keys[key] | options if options else parent.keys[key]
    if "multiple_of" in parent.keys:
        length.setdefault("multiple_of", parent.keys["multiple_of"])
    _drop_weights_of_other_classes(data)


def _is_given(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key)
    if value is None:
        # Only the stain may be none; the recipe that a run keeps says so.
        return key == "stain" and key in data
    return not isinstance(value, dict) or "name" in value


def _of_run(path: Path, recipe: Path) -> Parent:
    data = read_yaml(recipe)
    if not isinstance(data, dict) or not isinstance(data.get("taxonomy"), str | dict):
        raise KaryoscopeError(f"start: {recipe} is not the recipe of a run")
    keys = {key: data[key] for key in GIVEN if data.get(key) is not None}
    keys["network"] = _untrained(keys.get("network") or {})
    # A teacher is no part of the model.
    keys["losses"] = [
        loss for loss in keys.get("losses", []) if not str(loss.get("name")).startswith("soft_")
    ]
    multiple_of = (data.get("training") or {}).get("multiple_of")
    if multiple_of is not None:
        keys["multiple_of"] = multiple_of
    name, version = str(data.get("name")), str(data.get("version", ""))
    return Parent(name, version, path, Taxonomy.load(data["taxonomy"]), keys)


def _of_bundle(start: str) -> Parent:
    # Imported late: a machine that trains on a packed set may lack what inference needs.
    from karyoscope.inference import Ensemble, find_bundle

    bundle = find_bundle(start)
    if isinstance(bundle, Ensemble):
        raise KaryoscopeError(
            f"start: {start} is an ensemble of several models; start from one of them"
        )
    card = bundle.card
    network = {"name": card.network.name, **_untrained(card.network.options)}
    losses = card.training.get("losses") or losses_of(network, len(bundle.taxonomy))
    keys: dict[str, Any] = {
        "taxonomy": bundle.taxonomy.to_dict(),
        "mpp": card.mpp,
        "context": card.input.context,
        "mean": list(card.input.mean),
        "std": list(card.input.std),
        "network": network,
        "losses": losses,
        "postprocessing": {"name": card.postprocessing.name, **card.postprocessing.params},
        "licence": card.licence,
        "multiple_of": card.input.multiple_of,
    }
    if card.input.stain:
        keys["stain"] = card.input.stain
    return Parent(
        card.name,
        card.version,
        bundle.path,
        bundle.taxonomy,
        keys,
        card.classes_learned_on,
        _trained_on(card.training, bundle.taxonomy),
    )


def _trained_on(training: Mapping[str, Any], taxonomy: Taxonomy) -> dict[str, int]:
    """Nuclei of each class in the datasets of a card; empty where it counts none."""
    counts: Counter[str] = Counter()
    for source in training.get("data") or []:
        held = source.get("nuclei") if isinstance(source, dict) else None
        counts.update({name: n for name, n in (held or {}).items() if name in taxonomy.names})
    return dict(counts)


def _untrained(network: Mapping[str, Any]) -> dict[str, Any]:
    """A network without weights from elsewhere: those of the parent take their place."""
    return dict(network) | ({"pretrained": False} if "pretrained" in network else {})


def _drop_weights_of_other_classes(data: dict[str, Any]) -> None:
    """Leave out tuned parameters by class where the classes are no longer those."""
    post = data.get("postprocessing")
    if not isinstance(post, dict):
        return
    names = set(Taxonomy.load(data["taxonomy"]).names) if "taxonomy" in data else set()
    data["postprocessing"] = {
        key: value
        for key, value in post.items()
        if not isinstance(value, dict) or value.keys() <= names
    }
