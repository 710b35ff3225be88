"""The command line: one file a verb, each thin. Results to stdout and files, progress to stderr.

Exit codes: 0 done, 1 a job failed (others went on), 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer

from karyoscope import __version__
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.text import for_terminal

#: Verb, which is the name of its module, and one line of help. Modules are imported when used.
VERBS = {
    "segment": "Find, outline and classify every nucleus of slides and images.",
    "features": "Measure nuclei that were found before.",
    "cohort": "Write one table, and a page, of many slides.",
    "models": "List the models that come with the package, or describe bundles.",
    "train": "Train a recipe.",
    "ablate": "Train the rows of a table of changes, and score them.",
    "export": "Write the model bundle of a training run.",
    "restain": "Learn how a set of images is stained, and stain others so.",
    "synthesize": "Learn to paint tissue from masks; write synthetic image/label pairs.",
    "evaluate": "Score predicted nuclei against annotated images.",
    "tune": "Search the post-processing parameters of a model on validation images.",
    "compare": "Compare two evaluations: paired difference with interval.",
    "data": "Inspect, convert, split and pack annotated images.",
}


class _LazyGroup(typer.core.TyperGroup):
    """Imports a verb's module only when that verb is called, so that ``--help`` is quick."""

    def list_commands(self, ctx):  # type: ignore[no-untyped-def]
        return list(VERBS)

    def get_command(self, ctx, name):  # type: ignore[no-untyped-def]
        # A stand-in: the list of verbs needs no more.
        return typer.core.TyperCommand(name, help=VERBS[name]) if name in VERBS else None

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]
        name, _, rest = super().resolve_command(ctx, args)
        module = import_module(f"karyoscope.cli.{name}")
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    cls=_LazyGroup,
    name="karyoscope",
    help="Find, outline and classify every nucleus in H&E images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"karyoscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and stop.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    pass


def main() -> None:
    """Entry point of the ``karyoscope`` command."""
    try:
        app()
    except KaryoscopeError as error:
        print(f"karyoscope: {for_terminal(str(error))}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
