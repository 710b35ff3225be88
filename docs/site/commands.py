"""The page of commands: every option of every command, from the program itself."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

from karyoscope.cli import VERBS


def command_pages() -> dict[str, str]:
    """Return the page of commands, by its path in the site."""
    parts = [
        "# Commands",
        "Every command and option, as `karyoscope COMMAND --help` prints them. `karyoscope "
        "--version` prints the version, `karyoscope --install-completion` installs tab completion.",
    ]
    for verb in VERBS:
        command = typer.main.get_command(import_module(f"karyoscope.cli.{verb}").app)
        for name, leaf in _leaves(verb, command):
            level = "##" if name == verb else "###"
            if name != verb and f"## {verb}" not in parts:
                parts += [f"## {verb}", VERBS[verb]]
            parts += [f"{level} {name}", *_described(name, leaf)]
    return {"commands.md": "\n\n".join(parts) + "\n"}


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if not below:
        yield name, command
    for child, leaf in (below or {}).items():
        yield from _leaves(f"{name} {child}", leaf)


def _described(name: str, command: Any) -> list[str]:
    help_text = (command.help or "").replace("\b", "")
    about = [_plain(part) for part in help_text.split("\n\n")]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["karyoscope", name, *(_placeholder(p) for p in arguments), "[OPTIONS]"])
    rows = ["| option | |", "| --- | --- |"]
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        rows.append(_row(parameter))
    return [f"```\n{usage}\n```", *about, *(["\n".join(rows)] if len(rows) > 2 else [])]


def _placeholder(parameter: Any) -> str:
    text = (parameter.metavar or parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return text if parameter.required else f"[{text}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = _placeholder(parameter)
    else:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    if callable(default) or default in (None, False, (), []) or parameter.required:
        shown = ""
    elif default is True:
        shown = "on"
    else:
        values = default if isinstance(default, list | tuple) else [default]
        shown = f"`{','.join(map(str, values))}`"
    text = _plain(getattr(parameter, "help", None) or "")
    return f"| `{names}` | {text}{f' Default: {shown}.' if shown else ''} |"


def _plain(text: str) -> str:
    """Return the text of a help on one line, none of it Markdown but code."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [re.sub(r"([\\|<*_\[])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
