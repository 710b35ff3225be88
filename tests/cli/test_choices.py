"""Choices that help lists are those that the packages take."""

import pytest
import typer

from karyoscope.cli._choices import Device, Grouping, Views, names_of
from karyoscope.core.faults import KINDS
from karyoscope.evaluation import GROUPINGS
from karyoscope.inference import DEVICES, VIEWS


def test_choices_are_those_of_the_packages():
    assert [choice.value for choice in Device] == list(DEVICES)
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
