"""Choices that help lists are those that the packages take."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from rich.text import Text

from karyoscope.cli import VERBS
from karyoscope.cli.shared.choices import Device, Grouping, Views, names_of
from karyoscope.core.faults import KINDS
from karyoscope.evaluation import GROUPINGS
from karyoscope.inference import DEVICES, VIEWS


def test_choices_are_those_of_the_packages():
    assert {choice.value for choice in Device} <= set(DEVICES)
    assert [int(choice) for choice in Views] == sorted(VIEWS)
    assert [choice.value for choice in Grouping] == list(GROUPINGS)


def test_help_lists_them(run):
    result = run("segment", "--help")
    assert "auto|cpu|cuda" in result.out
    assert "1|2|4|8|16" in result.out


def test_names_are_taken_in_any_case():
    assert names_of("--exclude", "Blur, PEN", KINDS) == ["blur", "pen"]
    with pytest.raises(typer.BadParameter, match="--exclude Ink: there are blur, pen"):
        names_of("--exclude", "Ink", KINDS)


def _texts(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """The text of a command and of its options and subcommands, by name."""
    yield name, command.help or ""
    for option in command.params:
        yield f"{name} {option.name}", getattr(option, "help", None) or ""
    for word, inner in getattr(command, "commands", {}).items():
        yield from _texts(inner, f"{name} {word}")


def help_texts() -> dict[str, str]:
    """The text of every command and option, by name."""
    texts: dict[str, str] = {}
    for verb in VERBS:
        command = typer.main.get_command(import_module(f"karyoscope.cli.{verb}").app)
        texts |= _texts(command, verb)
    return texts


def test_help_loses_no_words_to_markup():
    """Rich takes a word in square brackets as a style and prints nothing of it."""
    texts = help_texts()
    assert len(texts) > 200
    lost = {name: Text.from_markup(text).plain for name, text in texts.items()}
    assert {name for name, plain in lost.items() if plain != texts[name]} == set()


def test_help_has_no_quotes_of_the_source():
    """A docstring in two pieces would show the quotes between them."""
    assert not {name for name, text in help_texts().items() if '" "' in text}
