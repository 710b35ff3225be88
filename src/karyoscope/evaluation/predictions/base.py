"""Interface of the formats of predictions: labels and classes for each annotated image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.core.text import for_terminal
from karyoscope.datasets import Sample

#: Names of classes that are listed in a remark, at most.
_LISTED = 8


@dataclass(frozen=True)
class Prediction:
    """The nuclei predicted in one image.

    Attributes
    ----------
    inst_map : ndarray of int32, shape (h, w)
        Id of the nucleus at each pixel, 0 where there is none.
    classes : ndarray of uint8, shape (largest id + 1,) or (h, w), or None
        Class by id or by pixel, 0 for "not classified"; None where there are no classes.
    counting : Prediction or None
        The nuclei to count for the cellular composition, where they are not the same.
    """

    inst_map: np.ndarray
    classes: np.ndarray | None
    counting: Prediction | None = None

    @classmethod
    def of_nuclei(cls, nuclei: Nuclei, width: int, height: int) -> Prediction:
        """Rasterise a table of nuclei on the grid of its image."""
        return cls(*nuclei.labels_and_classes(width, height))


class Predictions(ABC):
    """Predictions for a set of images.

    Attributes
    ----------
    taxonomy : Taxonomy or None
        Classes of the nuclei; None if they have none.
    names : tuple of str
        Images that are known to have a prediction; empty where they are made on demand.
    dropped : frozenset of str
        Classes that were read as ``nucleus``, since that is all that ``taxonomy`` has.
    """

    taxonomy: Taxonomy | None
    names: tuple[str, ...] = ()
    dropped: frozenset[str] = frozenset()

    @abstractmethod
    def load(self, sample: Sample) -> Prediction:
        """Predicted nuclei of one image.

        Parameters
        ----------
        sample : Sample
            The annotated image; only its name, pixels and scale are looked at.

        Raises
        ------
        KaryoscopeError
            If there is no prediction of that name, or its file is damaged.
        """

    @abstractmethod
    def describe(self) -> str:
        """Origin of the predictions, in a few words."""

    def remarks(self, scored: set[str]) -> list[str]:
        """Remarks for the reader of the scores on predictions for images of these names."""
        if not self.dropped:
            return []
        names = sorted(self.dropped, key=lambda name: (len(name), name))
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return [
            "only outlines are scored: the truth has no classes, and those of the predictions are"
            f" left out ({for_terminal(', '.join(names[:_LISTED]))}{more})"
        ]

    def class_ids(self, names: Sequence[str], path: Path) -> np.ndarray:
        """Class ids of names, or of ids written as text; empty and "unclassified" give 0.

        Where the taxonomy is outlines only, every class is ``nucleus``.

        Parameters
        ----------
        names : sequence of str, length n
            Class of each nucleus, as the file writes it.
        path : Path
            Named in errors.

        Returns
        -------
        ndarray of uint8, shape (n,)

        Raises
        ------
        KaryoscopeError
            If one is not in the taxonomy.
        """
        taxonomy = self._taxonomy()
        known = {name.lower(): i for name, i in zip(taxonomy.names, taxonomy.ids, strict=True)}
        known |= {str(i): i for i in taxonomy.ids} | {"": 0, "0": 0, UNCLASSIFIED.name: 0}
        given = [name.strip().lower() for name in names]
        strange = sorted(set(given) - known.keys())
        if strange:
            known |= dict.fromkeys(strange, self._instead_of(strange, taxonomy, path))
        return np.array([known[name] for name in given], np.uint8)

    def check_class_ids(self, classes: np.ndarray, path: Path) -> np.ndarray:
        """Class ids as uint8, after checking that the taxonomy has them.

        Where the taxonomy is outlines only, every class is ``nucleus``.

        Parameters
        ----------
        classes : ndarray, any shape
            Class ids, as the file states them.
        path : Path
            Named in errors.

        Raises
        ------
        KaryoscopeError
            If the taxonomy lacks one.
        """
        taxonomy = self._taxonomy()
        strange = sorted(set(np.unique(classes).tolist()) - {0, *taxonomy.ids})
        if strange:
            instead = self._instead_of([f"{kind:g}" for kind in strange], taxonomy, path)
            classes = np.where(np.isin(classes, [0, *taxonomy.ids]), classes, instead)
        return classes.astype(np.uint8)

    def _taxonomy(self) -> Taxonomy:
        if self.taxonomy is None:
            raise KaryoscopeError(f"{self.describe()}: they have no classes")
        return self.taxonomy

    def _instead_of(self, strange: list[str], taxonomy: Taxonomy, path: Path) -> int:
        """Class for names that a taxonomy lacks, which is an error unless it has only outlines."""
        if not taxonomy.outlines_only:
            raise KaryoscopeError(
                f"{path}: class {strange[0]!r} is not in taxonomy {taxonomy.name!r}; name the right"
                " one with --predicted-classes"
            )
        self.dropped = self.dropped.union(strange)
        return taxonomy.ids[0]


class PredictionFiles(Predictions):
    """Predictions with a file an image, found by the stem of its name.

    Subclasses set ``name``, ``what`` and ``endings`` and implement :meth:`read`; those whose
    files may lack classes override :meth:`has_classes`.

    Parameters
    ----------
    path : path
        A folder, or one file.
    taxonomy : Taxonomy
        What class names and ids in the files mean, where the files do not say.

    Raises
    ------
    KaryoscopeError
        If there is no such file, or two for one image.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]
    #: Whether the prediction of an image is a folder, as those of Zarr are.
    folders: ClassVar[bool] = False

    def __init__(self, path: Path, taxonomy: Taxonomy) -> None:
        self.path = path
        self.files: dict[str, Path] = {}
        for stem, file in _by_stem(path, self.endings, self.folders):
            other = self.files.setdefault(stem, file)
            if other != file:
                raise KaryoscopeError(
                    f"{path}: {other.name} and {file.name} are both {self.what} of {stem};"
                    " keep one of them"
                )
        if not self.files:
            wanted = " or ".join(f"*{ending}" for ending in self.endings)
            raise KaryoscopeError(f"{path}: no {self.what} in it ({wanted})")
        self.names = tuple(sorted(self.files))
        self.given = taxonomy
        self.taxonomy = self.find_taxonomy()

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether there is a file of this format."""
        return next(_by_stem(path, cls.endings, cls.folders), None) is not None

    def describe(self) -> str:
        """Folder and format."""
        return f"{self.what} in {self.path}"

    def find_taxonomy(self) -> Taxonomy | None:
        """Taxonomy of the classes; None if no file has classes."""
        return self.given if any(self.has_classes(p) for p in self.files.values()) else None

    def has_classes(self, path: Path) -> bool:
        """Whether a file gives classes; damaged ones do not, and are named when read."""
        return True

    def load(self, sample: Sample) -> Prediction:
        """Read the file of one image; see :meth:`Predictions.load`."""
        if sample.record.name not in self.files:
            raise KaryoscopeError(f"no {self.what} called {sample.record.name} in {self.path}")
        return self.read(self.files[sample.record.name], sample)

    @abstractmethod
    def read(self, path: Path, sample: Sample) -> Prediction:
        """Read one file."""


def _by_stem(path: Path, endings: tuple[str, ...], folders: bool) -> Iterator[tuple[str, Path]]:
    """Files, or folders, by the part of their name before the first ending that fits."""
    single = not path.is_dir() or (folders and path.name.lower().endswith(endings))
    for file in [path] if single else sorted(path.iterdir()):
        ending = next((e for e in endings if file.name.lower().endswith(e)), None)
        if ending is None or file.name.startswith("."):
            continue
        if file.is_dir() if folders else file.is_file():
            yield file.name[: -len(ending)], file
