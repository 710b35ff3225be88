"""Messages of commands that train."""

import logging

import pytest

pytest.importorskip("torch")

from karyoscope.cli.shared.log import complain
from karyoscope.cli.shared.torch import prepare_torch


def test_an_error_is_printed_once_and_a_message_of_training_too(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    prepare_torch(0)
    complain("the recipe is wrong")
    logging.getLogger("karyoscope.training").info("10 images")
    assert capsys.readouterr().err == "karyoscope: the recipe is wrong\n10 images\n"
