"""Which images a recipe does not train on."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record
from karyoscope.datasets.split import Split, apply_split, read_split
from karyoscope.training.recipe.schema import DataSource, Validation

#: The part of a split that is trained on, where it has one of that name.
TRAIN = "train"


class HeldOut:
    """Images that the splits of a recipe hold out of training, by dataset."""

    def __init__(self) -> None:
        self._names: set[tuple[int, str]] = set()
        # By what is never parted: its value, and the one layout that it counts for, or "" for all.
        self._units: dict[str, set[tuple[str, str]]] = defaultdict(set)

    def by_validation(self, dataset: Dataset, validation: Validation) -> list[Record]:
        """Hold out all but the training images of a split; return the validation images."""
        split, parts = _parts(dataset, validation.split, validation.part)
        if TRAIN in parts and validation.part != TRAIN:
            held = set(parts) - {TRAIN} | {validation.part}
        else:
            held = {p for p in parts if p == validation.part or p.lower().startswith("test")}
        self._hold(dataset, split, [record for part in held for record in parts[part]], True)
        return parts[validation.part]

    def by_source(self, dataset: Dataset, source: DataSource) -> None:
        """Hold out the images that the keys of a dataset exclude.

        Raises
        ------
        KaryoscopeError
            If they name an image or a part that is not there.
        """
        if source.split is not None:
            split, parts = _parts(dataset, source.split, source.part)
            rest = [r for part in parts if part != source.part for r in parts[part]]
            self._hold(dataset, split, rest, False)
        missing = set(source.exclude) - {record.name for record in dataset.records}
        if missing:
            raise KaryoscopeError(f"{source.path}: no image {min(missing)} to exclude")
        self._names |= {(id(dataset), name) for name in source.exclude}

    def _hold(
        self, dataset: Dataset, split: Split, records: list[Record], everywhere: bool
    ) -> None:
        # A split by tile has tiles of one source on both sides, as its papers do; where a cohort
        # is left out, that of the other datasets is too.
        unit = {"tile": "name", "source": "source", "cohort": "cohort"}[split.by]
        for record in records:
            self._names.add((id(dataset), record.name))
            value = getattr(record, unit)
            # An image that is its own source may have its name by chance in another layout. What
            # validates stays out even so.
            here_alone = value == record.name and not everywhere
            if value:
                self._units[unit].add((dataset.name if here_alone else "", value))

    def holds(self, dataset: Dataset, record: Record) -> bool:
        """Whether an image is kept out of training."""
        return (id(dataset), record.name) in self._names or any(
            not held.isdisjoint([(place, getattr(record, unit)) for place in ("", dataset.name)])
            for unit, held in self._units.items()
        )


def _parts(dataset: Dataset, path: Path, part: str) -> tuple[Split, dict[str, list[Record]]]:
    split = read_split(path)
    parts = apply_split(dataset, split)
    if part not in parts:
        raise KaryoscopeError(f"{path} has no part {part!r}")
    return split, parts
