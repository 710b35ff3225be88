"""Recipes on disk: read, changed on the command line, checked, with the line of every fault."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import parse_yaml, read_yaml
from karyoscope.training.recipe.check import Fault, Place, faults_of
from karyoscope.training.recipe.parent import fill_from_parent
from karyoscope.training.recipe.plugins import name_plugins
from karyoscope.training.recipe.schema import Recipe

_SHIPPED = resources.files("karyoscope") / "recipes"


def load_recipe(
    path: str | Path,
    changes: list[str] | None = None,
    keys: Mapping[str, Any] | None = None,
) -> Recipe:
    """Read a recipe and apply ``key.path=value`` changes.

    What a recipe with ``start`` leaves out is taken from the model that it starts from.

    Parameters
    ----------
    path : path
        A YAML file, or the name of a recipe that comes with the package. Relative paths inside
        are relative to the working directory.
    changes : list of str, optional
        Such as ``"training.steps=1000"``.
    keys : mapping, optional
        Values in place of those of the file, by key; None takes a key out. Changes are applied
        after them.

    Raises
    ------
    KaryoscopeError
        If the file is missing, is not YAML, or holds unknown keys, bad values, or parts that do
        not fit together; each is named with its line.
    """
    shipped = Path(str(_SHIPPED)) / f"{path}.yaml"
    path = shipped if shipped.is_file() else Path(path)
    if not path.is_file():
        raise KaryoscopeError(f"recipe {path} does not exist")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise KaryoscopeError(f"{path} is not a recipe: it has no keys")
    places = _Places(path, path.read_text(encoding="utf-8"))
    for key, value in (keys or {}).items():
        data[key] = value
        if value is None:
            del data[key]
    for change in changes or []:
        places.changed.append((apply_change(data, change), change))
    fill_from_parent(data)
    _find_splits(data, path.parent)
    missing = name_plugins(data, path.parent)
    if missing:
        raise places.error(missing)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        faults = [_described(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
        raise places.error(faults) from error
    faults = faults_of(recipe)
    if faults:
        raise places.error(faults)
    return recipe


class _Places:
    """Where each key of a recipe was written: a line of the file, or a change."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._root = yaml.compose(text, Loader=yaml.SafeLoader)
        self.changed: list[tuple[Place, str]] = []

    def error(self, faults: list[Fault]) -> KaryoscopeError:
        """All faults in one message."""
        return KaryoscopeError("; ".join(f"{self._name(at)}: {text}" for at, text in faults))

    def _name(self, place: Place) -> str:
        key = ".".join(map(str, place)) or "recipe"
        for changed, change in reversed(self.changed):
            if changed == place[: len(changed)] or (place and place == changed[: len(place)]):
                return f"--set {change}: {key}"
        return f"{self._path}, line {self._line(place)}: {key}"

    def _line(self, place: Place) -> int:
        """Line of a key, or of the nearest key above one that is not there."""
        node, line = self._root, 1
        for part in place:
            if isinstance(node, yaml.MappingNode):
                pairs = {key.value: (key, value) for key, value in node.value}
                if part not in pairs:
                    continue
                key, node = pairs[part]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                if part >= len(node.value):
                    break
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


def _described(loc: Place, kind: str, message: str) -> Fault:
    """Return a fault in the words of the recipe rather than those of pydantic."""
    # The names of a union's members are no keys of the file.
    place = tuple(p for i, p in enumerate(loc) if not (i and loc[i - 1] == "schedule" and i == 2))
    if kind == "extra_forbidden":
        known = _keys_of(Recipe, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, 1)
        hint = f"do you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return place, f"unknown key; {hint}"
    if kind == "missing":
        return place, "is missing"
    text = message.removeprefix("Value error, ")
    return place, text[0].lower() + text[1:]


def _keys_of(model: type[BaseModel], place: Place) -> list[str]:
    """Keys of the part of a recipe at a place, from the models' fields."""
    models = [model]
    for part in place:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        choices = [c for field in fields for c in (field, *getattr(field, "__args__", ()))]
        models = [c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)]
    return list(dict.fromkeys(key for m in models for key in m.model_fields))


def _find_splits(data: dict[str, Any], folder: Path) -> None:
    """Look for bare names of split files beside the recipe and the shipped ones, in place."""
    sources = data.get("data")
    for part in (data.get("validation"), *(sources if isinstance(sources, list) else [])):
        split = part.get("split") if isinstance(part, dict) else None
        if isinstance(split, str):
            part["split"] = str(find_split(split, folder))


def find_split(split: str, folder: Path | None = None) -> Path:
    """Return the file of a split: beside the recipe, in the working directory, or shipped."""
    places = [Path(split), Path(str(_SHIPPED)) / split]
    if folder is not None:
        # A bare name is first looked for beside the recipe, as in a run's folder.
        places.insert(0 if Path(split).name == split else 1, folder / split)
    return next((place for place in places if place.is_file()), Path(split))


def changed_keys(changes: list[str]) -> set[str]:
    """Keys that changes give a value, each by its full name.

    Examples
    --------
    >>> sorted(changed_keys(["training.ema=0.9", "optimiser={warmup: 5, decay: null}"]))
    ['optimiser.warmup', 'training.ema']
    """
    found: set[str] = set()
    for change in changes:
        name, _, value = change.partition("=")
        found |= set(_leaves(name, parse_yaml(value, f"--set {change}: {value}")))
    return found


def _leaves(name: str, value: Any) -> Iterator[str]:
    """A key, or those below it where its value has keys; none that is null, as if not given."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(f"{name}.{key}", below)
    elif value is not None:
        yield name


def apply_change(data: dict[str, Any], change: str) -> Place:
    """Set one key, in place; return which."""
    name, equals, value = change.partition("=")
    if not equals:
        raise KaryoscopeError(f"--set {change!r} should read key=value")
    place: Place = tuple(int(part) if part.isdecimal() else part for part in name.split("."))
    *parents, last = place
    node: Any = data
    try:
        for part in parents:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
        node[last] = parse_yaml(value, f"--set {change}: {value}")
    except (TypeError, IndexError, KeyError) as error:
        raise KaryoscopeError(f"--set {change}: the recipe has no {name}") from error
    return place
