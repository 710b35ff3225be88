"""Choices that help lists are those that the packages take."""

from karyoscope.cli._choices import Device, Grouping, Views
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
