"""Registries: classes and functions by name, such as losses, networks, datasets and formats.

A name is that of an entry of ours, of an entry point of an installed package, or
``my_file.py:Name`` of a plugin file that the user named; see :mod:`karyoscope.core.plugins`. Entry
points are looked up only where a name is none of ours.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from karyoscope.core import plugins
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remarks import warn

Entry = TypeVar("Entry")
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Registry(dict[str, Entry], Generic[Entry]):
    """Entries by name: a dict whose error messages suggest names.

    Parameters
    ----------
    what : str
        What an entry is, for messages: "loss".
    entries : mapping of str to entry
        The entries by name.
    group : str
        Entry points of installed packages that are entries too: "karyoscope.losses".
    kind : type, optional
        What a plugin's entry must be: an instance or a subclass of this.

    Examples
    --------
    >>> numbers = Registry("number", {"two": 2, "three": 3})
    >>> numbers.find("three")
    3
    >>> numbers.canonical("Three")
    'three'
    >>> numbers.find("fou")
    Traceback (most recent call last):
        ...
    karyoscope.core.errors.KaryoscopeError: no number 'fou'; there are three, two
    """

    def __init__(
        self,
        what: str,
        entries: Mapping[str, Entry] | None = None,
        *,
        group: str = "",
        kind: type | None = None,
    ) -> None:
        super().__init__(entries or {})
        self.what, self.group, self.kind = what, group, kind

    @classmethod
    def by_name(
        cls, what: str, entries: Iterable[Entry], *, group: str = "", kind: type | None = None
    ) -> Registry[Entry]:
        """Registry of entries that have a ``name``, such as classes of writers."""
        found = cls(what, group=group, kind=kind)
        for entry in entries:
            found.register(entry.name, entry)  # type: ignore[attr-defined]
        return found

    def register(self, name: str, entry: Entry) -> None:
        """Add an entry.

        Raises
        ------
        KaryoscopeError
            If there is one of that name already.
        """
        if name in self:
            raise KaryoscopeError(f"there is a {self.what} {name!r} already: choose another name")
        self[name] = entry

    def find(self, name: str) -> Entry:
        """Entry of a name.

        Raises
        ------
        KaryoscopeError
            If there is none; lists those that there are, and names the nearest. If it is of a
            plugin that fails, that the user has not named, or that is of another kind.
        """
        try:
            return self[name]
        except KeyError:
            known = choices(name, self.names())
            raise KaryoscopeError(f"no {self.what} {name!r}; there are {known}") from None

    def canonical(self, name: str) -> str:
        """Name as it was registered, for one in upper or lower case; others do not change."""
        if name in self:
            return name
        same = [known for known in self if known.casefold() == name.casefold()]
        return same[0] if len(same) == 1 else name

    def __missing__(self, name: str) -> Entry:
        """Entry of a plugin."""
        entry: Any = None
        if isinstance(name, str):
            entry = plugins.part_of_file(self.what, name)
            if entry is None:
                entry = plugins.part_of_package(self.group, name)
        if entry is None:
            raise KeyError(name)
        self._check_kind(name, entry)
        return entry  # type: ignore[no-any-return]

    def _check_kind(self, name: str, entry: object) -> None:
        kind = self.kind
        if kind is None:
            fits, wanted = callable(entry), "a class or function"
        else:
            fits = issubclass(entry, kind) if isinstance(entry, type) else isinstance(entry, kind)
            wanted = f"a {kind.__name__}"
        if not fits:
            raise plugins.PluginError(f"{name} is no {self.what}: it must be {wanted}")

    def names(self) -> list[str]:
        """Names of all entries: first the built-in ones, then those of installed packages."""
        return [*self, *(name for name in plugins.entry_points(self.group) if name not in self)]

    def installed(self) -> Iterator[tuple[str, Entry]]:
        """Return the entries of installed packages, by name.

        An entry that cannot be loaded is left out, with a warning.
        """
        for name in self.names()[len(self) :]:
            try:
                yield name, self.find(name)
            except KaryoscopeError as error:
                warn(str(error), stacklevel=2)

    def takes(self, name: str, parameter: str) -> bool:
        """Whether a callable entry has a parameter of the given name."""
        return parameter in (_parameters(self._callable(name)) or ())

    def build(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call an entry with arguments that were checked by its signature.

        Parameters
        ----------
        name : str
            Name of the entry.
        *arguments, **options
            Arguments of the entry; the options come from the user.

        Returns
        -------
        object
            What the entry returns. Whatever the entry itself raises is passed on as it is: it is
            no fault of the user's.

        Raises
        ------
        KaryoscopeError
            If there is no such entry, or it does not take an option or lacks one.
        """
        entry = self._callable(name)
        known = _parameters(entry)
        unknown = [option for option in options if known is not None and option not in known]
        if known is not None and unknown:
            free = known[len(arguments) :]
            there = f"there are {choices(unknown[0], free)}" if free else "it takes none"
            raise KaryoscopeError(f"{self.what} {name!r} has no option {unknown[0]!r}; {there}")
        try:
            inspect.signature(entry).bind(*arguments, **options)
        except TypeError as error:
            raise KaryoscopeError(f"{self.what} {name!r}: {error}") from error
        return entry(*arguments, **options)

    def _callable(self, name: str) -> Callable[..., Any]:
        entry: Any = self.find(name)
        return entry  # type: ignore[no-any-return]


def _parameters(entry: Callable[..., Any]) -> list[str] | None:
    """Names of all parameters of an entry; None where it takes any.

    A class that hands ``**options`` on to the class above takes what that one takes.
    """
    if isinstance(entry, partial):
        inner = _parameters(entry.func)
        return inner if inner is None else inner[len(entry.args) :]
    names: list[str] = []
    owners = [c for c in getattr(entry, "__mro__", ()) if "__init__" in vars(c)]
    for function in [owner.__init__ for owner in owners] or [entry]:
        if function is object.__init__ or function.__module__.startswith("torch."):
            # A module of torch says that it takes any argument, and takes none.
            break
        parameters = [*inspect.signature(function).parameters.values()][bool(owners) :]
        names += [p.name for p in parameters if p.kind not in _REST and p.name not in names]
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    else:
        return None
    return names


def choices(name: str, known: Iterable[str]) -> str:
    """Names that could have been meant, sorted, and the nearest where one is near.

    Examples
    --------
    >>> choices("focl", ["focal", "dice"])
    'dice, focal (do you mean focal?)'
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, 1)
    return ", ".join(names) + (f" (do you mean {near[0]}?)" if near else "")
