"""The command line: one file a verb, each thin. Results to stdout and files, progress to stderr.

Exit codes: 0 done, 1 a job failed (others went on), 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer

from karyoscope import __version__
from karyoscope.errors import KaryoscopeError

#: Verb -> (module with ``app`` or ``command``, one line of help). Modules are imported when used.
VERBS = {
    "segment": "Find, outline and classify every nucleus of slides and images.",
    "models": "List the models that come with the package.",
    "train": "Train a recipe.",
    "export": "Write the model bundle of a training run.",
    "evaluate": "Score predicted nuclei against annotated images.",
    "compare": "Compare two evaluations: paired difference with interval.",
    "data": "Inspect, convert and split annotated images.",
}


class _LazyGroup(typer.core.TyperGroup):
    """Imports a verb's module only when that verb is called, so that ``--help`` is quick."""

    def list_commands(self, ctx):  # type: ignore[no-untyped-def]
        return list(VERBS)

    def get_command(self, ctx, name):  # type: ignore[no-untyped-def]
        if name not in VERBS:
            return None
        if len(sys.argv) < 2 or sys.argv[1] in ("--help", "-h"):
            return typer.core.TyperCommand(name, help=VERBS[name])
        module = import_module(f"karyoscope.cli.{name}")
        return typer.main.get_command(module.app)


app = typer.Typer(
    cls=_LazyGroup,
    name="karyoscope",
    help="Find, outline and classify every nucleus in H&E images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=False)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    pass


def main() -> None:
    """Entry point of the ``karyoscope`` command."""
    if sys.argv[1:2] == ["--version"]:
        print(f"karyoscope {__version__}")
        return
    try:
        app()
    except KaryoscopeError as error:
        print(f"karyoscope: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
