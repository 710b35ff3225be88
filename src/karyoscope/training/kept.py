"""What a run keeps in its folder, so that it can be exported from anywhere and without its data."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.targets.points import FIRST_POINT
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.recipe.schema import Recipe

#: What was trained on, in the folder of a run.
TRAINED_ON = "trained_on.json"
_PACKAGES = ("karyoscope", "torch", "lightning", "timm", "numpy")


def resolved(recipe: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A recipe without relative paths, with the split files that it names.

    Parameters
    ----------
    recipe : dict
        The recipe as plain data; it is not changed.

    Returns
    -------
    data : dict
        With the classes written out, full paths, and the bare names of its split files, which are
        looked for beside it.
    files : dict of str to bytes
        The split files by these names.
    """
    data = copy.deepcopy(recipe)
    data["taxonomy"] = Taxonomy.load(data["taxonomy"]).to_dict()
    for source in data["data"]:
        source["path"] = str(Path(source["path"]).resolve())
        if source["taxonomy"] is not None:
            source["taxonomy"] = Taxonomy.load(source["taxonomy"]).to_dict()
    files: dict[str, bytes] = {}
    for part in (data["validation"], *data["data"]):
        split = None if part["split"] is None else Path(part["split"])
        if split is not None and split.is_file():
            part["split"] = _added(files, split)
    if data["start"] is not None and Path(data["start"]).exists():
        data["start"] = str(Path(data["start"]).resolve())
    return data, files


def _added(files: dict[str, bytes], split: Path) -> str:
    """The name under which a split is kept; one of other content gets another name."""
    content = split.read_bytes()
    name, number = split.name, 1
    while files.get(name, content) != content:
        number += 1
        name = f"{split.stem}-{number}{split.suffix}"
    files[name] = content
    return name


def of_bank(bank: PixelBank, taxonomy: Taxonomy, first: int, count: int) -> dict[str, Any]:
    """Description of the content of some images of a bank.

    Parameters
    ----------
    bank : PixelBank
        Training images, on the CPU.
    taxonomy : Taxonomy
        The model's classes.
    first, count : int
        First image, and number of images.

    Returns
    -------
    dict
        ``images``, ``nuclei`` by class (``several`` may be of more classes than one,
        ``unclassified`` of any), and ``sha256`` of the pixels and labels that were trained on.
    """
    digest = hashlib.sha256()
    totals = np.zeros(len(bank.sets), np.int64)
    for k in range(first, first + count):
        start = int(bank.starts[k])
        pixels = slice(start, start + int(bank.heights[k]) * int(bank.widths[k]))
        ids, classes = bank.ids[pixels].numpy(), bank.classes[pixels].numpy()
        for array in (bank.rgb[pixels].numpy(), ids, classes):
            digest.update(array.tobytes())
        of_id = np.full(int(ids.max(initial=0)) + 1, -1, np.int64)
        inside = ids > 0
        of_id[ids[inside]] = classes[inside]
        totals += np.bincount(of_id[of_id >= 0], minlength=len(totals))
        at_point = ids <= FIRST_POINT
        _, firsts = np.unique(ids[at_point], return_index=True)
        totals += np.bincount(classes[at_point][firsts], minlength=len(totals))
    n_single = bank.n_classes + 1
    # Codes of single classes are numbered by the ids of the classes.
    counts = {c.name: int(totals[c.id]) if c.id < n_single else 0 for c in taxonomy.classes}
    more = {"several": int(totals[n_single:].sum()), "unclassified": int(totals[0])}
    nuclei = counts | {name: n for name, n in more.items() if n}
    return {"images": count, "nuclei": nuclei, "sha256": digest.hexdigest()}


def describe(recipe: Recipe, bank: PixelBank, packed: bool) -> dict[str, Any]:
    """What a run is trained on: datasets, images by name, nuclei by class, versions.

    Parameters
    ----------
    recipe : Recipe
    bank : PixelBank
        The training images, on the CPU.
    packed : bool
        Whether the bank comes from one file, so that the datasets may not be there.
    """
    taxonomy = Taxonomy.load(recipe.taxonomy)
    described: dict[str, Any] = {"versions": versions()}
    if packed:
        whole = {"name": "packed", **of_bank(bank, taxonomy, 0, len(bank)), "train": bank.names}
        return described | {"data": [whole]}
    # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
    from karyoscope.training.data.images import images_of

    sources, validation = images_of(recipe)
    data, first = [], 0
    for source in sources:
        held = of_bank(bank, taxonomy, first, len(source.train))
        first += len(source.train)
        data.append(source.describe() | held | {"train": [record.name for record in source.train]})
    names = {record.name for record in validation}
    tests = [r.name for r in sources[0].held_out if r.split.lower().startswith("test")]
    return described | {
        "data": data,
        "validation": sorted(names),
        "test": sorted(set(tests) - names),
    }


def description_of(
    out: Path, described: dict[str, Any], parent: dict[str, Any] | None = None
) -> bytes:
    """Content of ``trained_on.json``: the training data of a run, and its parent.

    Parameters
    ----------
    out : path
        Folder of the run.
    described : dict
        What :func:`describe` returned.
    parent : dict, optional
        The model that the run started from; that of the file stays where it is not given, as in a
        run that is resumed.
    """
    before = read_description(out) or {}
    parents = [parent] if parent is not None else before.get("parents", [])
    described = described | {"parents": parents}
    return (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode()


def read_description(run: Path) -> dict[str, Any] | None:
    """Read what a run was trained on; None for runs of earlier versions.

    Raises
    ------
    KaryoscopeError
        If the file is damaged.
    """
    path = run / TRAINED_ON
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data["data"], list):
            raise TypeError("data is no list")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KaryoscopeError(f"{path} does not say what the run was trained on") from error
    return dict(data)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a training depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
