"""Plugins of a recipe: named by it, kept with its run, and listed in its bundle."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import (
    PluginError,
    PluginFile,
    file_of,
    named,
    package_of,
    short_name,
)
from karyoscope.core.registry import Registry
from karyoscope.training.recipe.check import Fault, Place
from karyoscope.training.recipe.schema import Recipe

#: Where the registry is of what a recipe names under a key.
_REGISTRIES = {
    "losses": ("losses", "LOSSES"),
    "network": ("networks", "NETWORKS"),
    "postprocessing": ("postprocessing", "POSTPROCESSINGS"),
    "data": ("datasets", "DATASETS"),
    "stain": ("stains", "NORMALISERS"),
}


def name_plugins(data: dict[str, Any], folder: Path) -> list[Fault]:
    """Run the plugin files that a recipe names, and write where they are to it, in place.

    Parameters
    ----------
    data : dict
        Content of a recipe, which may have faults of any kind.
    folder : path
        Folder of the recipe, where a file is looked for before the working directory.

    Returns
    -------
    list of Fault
        Files that are not there, and those that share their name.

    Raises
    ------
    PluginError
        If the code of a file fails.
    """
    faults: list[Fault] = []
    files: dict[str, PluginFile] = {}
    for place, part, key in _places(data):
        try:
            part[key] = named(part[key], folder)
            used = file_of(part[key])
        except PluginError:
            raise
        except KaryoscopeError as error:
            faults.append((place, str(error)))
            continue
        if used is not None and files.setdefault(used.path.name, used).source != used.source:
            faults.append((place, f"another plugin file is called {used.path.name} too"))
    return faults


def kept_with_run(recipe: Recipe) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the folder of a run keeps of its recipe.

    Returns
    -------
    data : dict
        The recipe as plain data, which names its plugin files without their folders.
    files : dict of str to bytes
        These files by name.
    """
    data: dict[str, Any] = recipe.model_dump(mode="json")
    files = {}
    for _, part, key in _places(data):
        used = file_of(part[key])
        if used is not None:
            files[used.path.name] = used.source
        part[key] = short_name(part[key])
    return data, files


def listed_in_bundle(recipe: Recipe) -> dict[str, dict[str, str]]:
    """What a bundle says of the plugins of its recipe; empty where it has none.

    Returns
    -------
    dict
        ``plugins``, the SHA-256 of files by name; ``packages``, the version of packages by name.
    """
    files: dict[str, str] = {}
    packages: dict[str, str] = {}
    for place, part, key in _places(recipe.model_dump(mode="json")):
        used = file_of(part[key])
        if used is not None:
            files[used.path.name] = used.sha256
            continue
        registry = _registry(str(place[0]))
        found = None if part[key] in registry else package_of(registry.group, part[key])
        packages |= dict([found] if found else [])
    return {key: value for key, value in (("plugins", files), ("packages", packages)) if value}


def _places(data: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Where a recipe may name a part from outside: place, the mapping there, and the key in it."""
    for key, inner in (("losses", "name"), ("data", "dataset")):
        parts = data.get(key)
        for k, part in enumerate(parts if isinstance(parts, list) else []):
            if isinstance(part, dict) and isinstance(part.get(inner), str):
                yield (key, k, inner), part, inner
    for key in ("network", "postprocessing"):
        part = data.get(key)
        if isinstance(part, dict) and isinstance(part.get("name"), str):
            yield (key, "name"), part, "name"
    if isinstance(data.get("stain"), str):
        yield ("stain",), data, "stain"


def _registry(key: str) -> Registry[Any]:
    # Imported late: some need the analyst's packages, which a bare GPU machine may lack.
    package, name = _REGISTRIES[key]
    found: Registry[Any] = getattr(import_module(f"karyoscope.{package}"), name)
    return found
