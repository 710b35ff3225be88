"""The options that every command has: of plugins, a file of options, and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from karyoscope.cli.shared.config import use_config
from karyoscope.cli.shared.log import log_to, show_details
from karyoscope.core.plugins import use_plugin


def with_common_options(command: Any) -> Any:
    """Add these options to a command, or to every command of a group.

    They are ``--config``, ``--plugin``, ``--log-file`` and ``--verbose``.

    Parameters
    ----------
    command : click.Command
        Is changed.

    Returns
    -------
    click.Command
    """
    inner = getattr(command, "commands", None)
    if inner is None:
        command.params += _options()
    for each in (inner or {}).values():
        with_common_options(each)
    return command


def _use(files: list[Path] | None) -> None:
    for file in files or []:
        use_plugin(file)


def _configure(context: typer.Context, file: Path | None) -> None:
    if file is not None:
        use_config(context, file)


def _log(file: Path | None) -> None:
    if file is None:
        return
    try:
        log_to(file)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror or error}") from error


def _carrier(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=_configure,
            expose_value=False,
            is_eager=True,
            help="A YAML file of options (`tta: 4`); those of the command line win.",
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            callback=_use,
            expose_value=False,
            # Before the other options, which may name parts of the file.
            is_eager=True,
            help="Python file with an extension (slide reader, network, post-processing, ...) to"
            " load.",
        ),
    ] = None,
    log_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=_log,
            expose_value=False,
            is_eager=True,
            help="Add what is done, with the time, to the end of this file.",
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            callback=show_details,
            expose_value=False,
            is_eager=True,
            help="Say more of what is done.",
        ),
    ] = False,
) -> None:
    """Hold the options: Typer makes options from the arguments of a function alone."""


def _options() -> list[Any]:
    carrier = typer.Typer(add_completion=False)
    carrier.command()(_carrier)
    return [option for option in typer.main.get_command(carrier).params if option.name != "help"]
