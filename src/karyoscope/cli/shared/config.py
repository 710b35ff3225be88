"""Options of a command read from a YAML file; those of the command line take precedence."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import typer

from karyoscope.core.errors import KaryoscopeError


def use_config(context: typer.Context, file: Path) -> None:
    """Take the values of a command's options from a file, where the command line has none.

    Parameters
    ----------
    context : typer.Context
        Context of the command, before its options are read.
    file : Path
        A YAML mapping from options, as on the command line without ``--``, to values. Where an
        option takes several names separated by commas, a list may stand.

    Raises
    ------
    typer.BadParameter
        If the file cannot be read, or names what the command does not have.
    """
    # Imported late: a command without --config starts without YAML.
    from karyoscope.core.yaml import read_yaml

    try:
        given = read_yaml(file)
    except KaryoscopeError as error:
        raise typer.BadParameter(str(error)) from error
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise typer.BadParameter(f"{file} holds no mapping of options to values")
    known = _parameters(context)
    values = dict(context.default_map or {})
    for name, value in given.items():
        parameter = known.get(str(name).replace("_", "-"))
        if parameter is None:
            raise typer.BadParameter(f"{file}: {_unknown(str(name), known)}")
        if value is not None:
            values[parameter.name] = _as_typed(parameter, value, f"{file}: {name}")
    context.default_map = values


def _parameters(context: typer.Context) -> dict[str, Any]:
    """Options by what stands on the command line, and arguments by their names."""
    known: dict[str, Any] = {}
    for parameter in context.command.params:
        if parameter.name in ("help", "config"):
            continue
        names = [name for name in parameter.opts if name.startswith("--")] or [parameter.name]
        known |= {str(name).removeprefix("--").replace("_", "-"): parameter for name in names}
    return known


def _unknown(name: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-"), known, 1)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"there is no option {name}; {meant}"


def _as_typed(parameter: Any, value: Any, where: str) -> Any:
    """The value as it would stand on the command line."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise typer.BadParameter(f"{where} takes true or false, not {value!r}")
        return value
    several = parameter.nargs == -1 or getattr(parameter, "multiple", False)
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            raise typer.BadParameter(f"{where} takes text or a number, not {item!r}")
    texts = [str(item) for item in items]
    return texts if several else ",".join(texts)
