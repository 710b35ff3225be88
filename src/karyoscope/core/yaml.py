"""YAML read and written: bounded in size, without aliases, wrong in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_bytes

#: The largest file of ours has 4 KiB.
LARGEST = 1 << 20


# The parser of libyaml, which wheels of PyYAML include, is ten times as fast as that in Python.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: The deepest nesting that is read; recipes have five levels.
DEEPEST = 100


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict, list, str, int, float, bool or None
        Plain data; None of an empty file.

    Raises
    ------
    KaryoscopeError
        If the file cannot be read, has more than 1 MiB, or is not plain YAML; the message names it.
    """
    return parse_yaml(read_bytes(path, LARGEST), str(path))


def parse_yaml(text: str | bytes, source: str) -> Any:
    """Turn YAML into plain data.

    Parameters
    ----------
    text : str or bytes
        Bytes are UTF-8.
    source : str
        Name of the file, for messages.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    KaryoscopeError
        If it has more than 1 MiB, is nested in more than 100 levels, or is not plain YAML.

    Examples
    --------
    >>> parse_yaml("mpp: 0.5", "an example")
    {'mpp': 0.5}
    """
    if len(text) > LARGEST:
        raise KaryoscopeError(f"{source} is too large to be read as YAML: more than 1 MiB")
    try:
        whole = text if isinstance(text, str) else text.decode("utf-8-sig")
        _check_structure(whole)
        return yaml.load(whole, LOADER)
    except Exception as error:  # values such as dates and tags raise many kinds
        raise KaryoscopeError(f"{source} is not valid YAML: {_reason(error)}") from error


def _check_structure(text: str) -> None:
    """Refuse aliases, by which a few lines stand for gigabytes, and very deep nesting.

    Only the structure is parsed here, without building any value.
    """
    depth = 0
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1  # type: ignore[union-attr]
            raise yaml.YAMLError(f"alias *{event.anchor} in line {line}: write the value itself")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested in more than {DEEPEST} levels")


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())


class _Dumper(yaml.SafeDumper):
    """A safe dumper that writes values that occur twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump_yaml(data: Any) -> str:
    """Plain data as YAML that :func:`parse_yaml` reads: keys in their order, no aliases.

    Examples
    --------
    >>> values = [1, 2]
    >>> print(dump_yaml({"b": values, "a": values}), end="")
    b:
    - 1
    - 2
    a:
    - 1
    - 2
    """
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
