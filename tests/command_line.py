"""The command line called in this process, as its entry point is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from karyoscope.cli import main


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stderr."""
        return self.err.splitlines()


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch, capfd) -> Run:
    """``run("segment", path, ...)`` calls the command line."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["karyoscope", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capfd.readouterr())

    return call
