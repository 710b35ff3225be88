"""Plugin files: run where the user names them, and their parts by name."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins.faults import OWNERS, PluginError, fault_at_start
from karyoscope.core.plugins.names import short_name, split_name


@dataclass(frozen=True)
class PluginFile:
    """A file that was named and run.

    Attributes
    ----------
    path : Path
        Absolute.
    source : bytes
        The files that were run.
    module : module
    """

    path: Path
    source: bytes
    module: ModuleType

    @property
    def sha256(self) -> str:
        """SHA-256 of the file at the time it was run."""
        return hashlib.sha256(self.source).hexdigest()


plugin_files: dict[Path, PluginFile] = {}


def use_plugin(path: str | Path) -> PluginFile:
    """Run a plugin file, so that its parts are found by name.

    A file that was run before is run again only where it has changed.

    Parameters
    ----------
    path : path
        A Python file. It stands alone: what it needs beyond itself must be installed.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, or its code fails; the line of the file is named.
    """
    where = Path(path).absolute()
    try:
        where = where.resolve()
        source = where.read_bytes()
    except OSError as error:
        raise KaryoscopeError(f"plugin {path} cannot be read: {error.strerror}") from error
    known = plugin_files.get(where)
    if known is not None and known.source == source:
        return known
    digest = hashlib.sha256(source).hexdigest()
    module = ModuleType(f"karyoscope_plugin_{digest[:16]}")
    module.__file__ = str(where)
    # Dataclasses and pickle look a class's module up by name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(where), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise PluginError(fault_at_start(where, error)) from error
    plugin_files[where] = PluginFile(where, source, module)
    OWNERS.add(where)
    return plugin_files[where]


def named(name: str, *folders: str | Path) -> str:
    """Resolve a name given by the user: ``file.py:Name`` runs the file, other names are unchanged.

    Parameters
    ----------
    name : str
        Name of an entry, or ``my_file.py:Name``.
    *folders : path
        Where the file is looked for, in this order; then in the working directory.

    Returns
    -------
    str
        The name, with the absolute path of the file.

    Raises
    ------
    KaryoscopeError
        If the file is not there or its code fails.
    """
    found = split_name(name)
    if found is None:
        return name
    file, part = found
    places = [Path(folder) / file for folder in (*folders, ".")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise KaryoscopeError(f"plugin file {file} does not exist")
    return f"{use_plugin(path).path}:{part}"


def used_files() -> list[PluginFile]:
    """All files that were named, in the order in which they were."""
    return list(plugin_files.values())


def file_of(name: str) -> PluginFile | None:
    """The file that a name such as ``my_file.py:Name`` stands for, among those that were named.

    Returns
    -------
    PluginFile or None
        None where the name is no part of a file.

    Raises
    ------
    KaryoscopeError
        If the user has not named the file, or has named two of that name.
    """
    found = split_name(name)
    if found is None:
        return None
    file = Path(found[0])
    if file.name == found[0]:
        fitting = [used for used in plugin_files.values() if used.path.name == file.name]
    else:
        fitting = [used for used in plugin_files.values() if used.path == file.absolute()]
    if not fitting:
        raise KaryoscopeError(
            f"{short_name(name)} is code of a plugin file, which runs only if you name it:"
            f" --plugin {file.name}, or karyoscope.use_plugin in Python"
        )
    if len({used.source for used in fitting}) > 1:
        places = " and ".join(str(used.path) for used in fitting)
        raise KaryoscopeError(f"two different plugin files are called {file.name}: {places}")
    return fitting[0]


def part_of_file(what: str, name: str) -> Any:
    """The object that a name such as ``my_file.py:Name`` stands for; None for any other name.

    Raises
    ------
    KaryoscopeError
        If the user has not named the file, or it has no such object.
    """
    used, found = file_of(name), split_name(name)
    if used is None or found is None:
        return None
    part = found[1]
    if not hasattr(used.module, part):
        own = [
            key
            for key, value in vars(used.module).items()
            if not key.startswith("_") and getattr(value, "__module__", "") == used.module.__name__
        ]
        has = f"it has {', '.join(own)}" if own else "it has none"
        raise KaryoscopeError(f"{used.path} has no {what} {part!r}; {has}")
    return getattr(used.module, part)


def classes_in_files(kind: type) -> list[type]:
    """Classes of a kind that the files that were named define."""
    return [
        value
        for used in plugin_files.values()
        for value in vars(used.module).values()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == used.module.__name__
    ]
