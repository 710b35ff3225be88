"""Class ids, names, colours and merges, as data.

A taxonomy is a YAML file in ``taxonomies/`` (or a user's own): the classes of a model or of a
dataset, and how they map to the classes of others. No code anywhere asks how many classes there
are or what they are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import parse_yaml, read_yaml

_SHIPPED = resources.files("karyoscope") / "taxonomies"
#: In place of a list of classes: every class of the other taxonomy.
ANY = "any"
#: The last bit of an int64 beside its sign.
_LAST_BIT = 62


@dataclass(frozen=True)
class NucleusClass:
    """One class of nucleus.

    Attributes
    ----------
    id : int
        Positive; 0 always means background or, for a nucleus, "not classified".
    name : str
        In the field's words. Names that differ in case alone are the same name.
    color : tuple of int
        Red, green, blue, each 0 to 255.
    """

    id: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Taxonomy:
    """The classes of one model or dataset.

    Attributes
    ----------
    name : str
        Short name, such as ``"lizard"``.
    classes : tuple of NucleusClass
        In ascending order of id. Column ``k`` of a model's class probabilities (background
        left out) is ``classes[k]``.
    merges : mapping
        Name of another taxonomy -> {name of a class here: name of its class there}. A class that
        is absent from the inner mapping has no counterpart.
    may_be : mapping
        Name of another taxonomy -> {name of a class here: names of the classes there that such a
        nucleus may be, or ``"any"``}. For training on labels that are coarser than the classes
        of a model, or cut otherwise. A class named in ``merges`` alone may be that one class.

    Examples
    --------
    >>> lizard = Taxonomy.load("lizard")
    >>> lizard.names[:2]
    ('neutrophil', 'epithelial')
    >>> lizard.id_of("lymphocyte")
    3
    """

    name: str
    classes: tuple[NucleusClass, ...]
    merges: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    may_be: Mapping[str, Mapping[str, Sequence[str] | str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [c.id for c in self.classes]
        if not ids:
            raise KaryoscopeError(f"taxonomy {self.name!r} has no classes")
        if ids != sorted(set(ids)) or ids[0] < 1 or ids[-1] > 255:
            raise KaryoscopeError(
                f"taxonomy {self.name!r}: class ids must be distinct, ascending and in 1..255,"
                f" not {ids}"
            )
        if len({name.casefold() for name in self.names}) != len(ids):
            raise KaryoscopeError(f"taxonomy {self.name!r}: two classes have the same name")

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Class ids, ascending."""
        return tuple(c.id for c in self.classes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Class names, in the order of the ids."""
        return tuple(c.name for c in self.classes)

    @property
    def outlines_only(self) -> bool:
        """Whether ``nucleus`` is the only class, as in data that have no classes."""
        return self.name == _NUCLEUS.name and len(self) == 1

    def by_id(self, class_id: int) -> NucleusClass:
        """Return the class with this id; id 0 gives a grey class named ``unclassified``."""
        if class_id == 0:
            return UNCLASSIFIED
        for c in self.classes:
            if c.id == class_id:
                return c
        raise KaryoscopeError(f"taxonomy {self.name!r} has no class with id {class_id}")

    def id_of(self, name: str) -> int:
        """Return the id of the class with this name, in upper or lower case."""
        wanted = name.strip().casefold()
        for c in self.classes:
            if c.name.casefold() == wanted:
                return c.id
        raise KaryoscopeError(
            f"taxonomy {self.name!r} has no class {name!r}; it has {', '.join(self.names)}"
        )

    def lookup_to(self, other: Taxonomy) -> np.ndarray:
        """Table that turns class ids of this taxonomy into those of another.

        Parameters
        ----------
        other : Taxonomy
            The target taxonomy. If no merge is declared, classes are mapped by name, provided
            that every name occurs in the target: a single common name, such as "epithelial",
            may have another meaning there. A target with the one class ``nucleus`` takes all
            classes, unless the taxonomy states otherwise.

        Returns
        -------
        ndarray of uint8, shape (256,)
            ``table[id_here] == id_there``; 0 where there is no counterpart.

        Raises
        ------
        KaryoscopeError
            If no class at all has a counterpart.
        """
        names = self._counterparts(other)
        if not names:
            raise KaryoscopeError(
                f"no mapping from taxonomy {self.name!r} to {other.name!r}: {self.merges_to(other)}"
            )
        table = np.zeros(256, np.uint8)
        for here, there in names.items():
            table[self.id_of(here)] = other.id_of(there)
        return table

    def sets_in(self, other: Taxonomy) -> np.ndarray:
        """Table of the classes of another taxonomy that each class of this one may be.

        ``may_be`` counts first, then ``merges``, then equal names as in :meth:`lookup_to`. Where
        nothing is said of the other taxonomy at all, a class may be any class there, except those
        that are no kind of nucleus by the taxonomy's own merge to ``nucleus``.

        Parameters
        ----------
        other : Taxonomy
            The target, with ids up to 62.

        Returns
        -------
        ndarray of int64, shape (256,)
            By class id here: bit c is set where the nucleus may be of class id c there; 0 where
            that is unknown. Bit 0 is never set.

        Raises
        ------
        KaryoscopeError
            If no class is a kind of nucleus, or a class is named that is not there.
        """
        if other.ids[-1] > _LAST_BIT:
            raise KaryoscopeError(
                f"taxonomy {other.name!r}: class ids above {_LAST_BIT} do not fit into sets"
            )
        sets: dict[str, Sequence[str] | str] = {
            here: (there,) for here, there in self._counterparts(other).items()
        }
        sets |= self.may_be.get(other.name, {})
        if not sets:
            sets = dict.fromkeys(self._counterparts(_NUCLEUS), ANY)
        if not sets:
            raise KaryoscopeError(
                f"nothing says what classes of taxonomy {self.name!r} may be in {other.name!r}:"
                " give may_be"
            )
        table = np.zeros(256, np.int64)
        for here, names in sets.items():
            there = other.names if names == ANY else names
            table[self.id_of(here)] = sum({1 << other.id_of(name) for name in there})
        return table

    def _counterparts(self, other: Taxonomy) -> Mapping[str, str]:
        """Classes here by name, each with its one class in another taxonomy."""
        names = self.merges.get(other.name)
        if names is not None:
            return names
        there = {name.casefold(): name for name in other.names}
        equal = {name: there.get(name.casefold(), "") for name in self.names}
        if all(equal.values()):
            return equal
        if other.outlines_only:
            return dict.fromkeys(self.names, other.names[0])
        return {}

    def merges_to(self, other: Taxonomy) -> str:
        """Line of YAML that would map the classes of this taxonomy, and where to write it."""
        return f"write to taxonomy {self.name!r}: {self.merges_line(other)}"

    def merges_line(self, other: Taxonomy) -> str:
        """Line of YAML that would map the classes of this taxonomy to those of another."""
        given = ", ".join(f"{name}: ..." for name in self.names)
        return f"`merges: {{{other.name}: {{{given}}}}}`, each with one of {', '.join(other.names)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files and in model bundles."""
        data = {
            "name": self.name,
            "classes": [{"id": c.id, "name": c.name, "color": list(c.color)} for c in self.classes],
            "merges": {k: dict(v) for k, v in self.merges.items()},
        }
        if self.may_be:
            data["may_be"] = {
                other: {here: ANY if v == ANY else list(v) for here, v in sets.items()}
                for other, sets in self.may_be.items()
            }
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Taxonomy:
        """Build from plain data; the inverse of :meth:`to_dict`."""
        try:
            classes = tuple(
                NucleusClass(int(c["id"]), str(c["name"]), _color(c["color"]))
                for c in data["classes"]
            )
            may_be = {str(k): sets_of(v) for k, v in (data.get("may_be") or {}).items()}
            return cls(str(data["name"]), classes, data.get("merges") or {}, may_be)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise KaryoscopeError(
                "a taxonomy needs a name and classes with id, name and color (three numbers 0-255);"
                f" problem with {error}"
            ) from error

    @classmethod
    def load(cls, name_or_path: str | Path | Mapping[str, Any]) -> Taxonomy:
        """Load a shipped taxonomy by name, any YAML file by path, or one that is written out."""
        if isinstance(name_or_path, Mapping):
            return cls.from_dict(name_or_path)
        text = str(name_or_path)
        shipped = _SHIPPED / f"{text}.yaml"
        if "/" not in text and "\\" not in text and shipped.is_file():
            return cls.from_dict(parse_yaml(shipped.read_bytes(), text))
        path = Path(name_or_path)
        if not path.is_file():
            raise KaryoscopeError(
                f"no taxonomy {text!r}: not a file, and not one of {', '.join(cls.shipped())}"
            )
        return cls.from_dict(read_yaml(path))

    @staticmethod
    def shipped() -> tuple[str, ...]:
        """Names of the taxonomies that come with the package."""
        return tuple(sorted(p.name[:-5] for p in _SHIPPED.iterdir() if p.name.endswith(".yaml")))


def sets_of(data: Mapping[str, Any]) -> dict[str, list[str] | str]:
    """Sets of classes as in YAML: a list, a single name, or ``"any"``."""
    return {
        str(here): [there] if isinstance(there, str) and there != ANY else there
        for here, there in data.items()
    }


def _color(value: Any) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in value)
    if not all(0 <= v <= 255 for v in (red, green, blue)):
        raise ValueError(f"color {value}")
    return red, green, blue


UNCLASSIFIED = NucleusClass(0, "unclassified", (64, 64, 64))
_NUCLEUS = Taxonomy("nucleus", (NucleusClass(1, "nucleus", (0, 0, 0)),))
