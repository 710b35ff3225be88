"""Tab completion, asked as a shell asks for it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from karyoscope.cli import VERBS


@pytest.fixture
def complete(run, monkeypatch):
    """``complete("karyoscope seg")``: what bash would offer for the last word."""

    def call(line: str) -> list[str]:
        monkeypatch.setenv("_KARYOSCOPE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        result = run()
        assert result.code == 0
        assert not result.err
        return result.out.split()

    return call


def test_commands(complete):
    assert complete("karyoscope ") == list(VERBS)
    assert complete("karyoscope seg") == ["segment"]


def test_commands_of_a_command(complete):
    assert {"inspect", "convert", "split", "pack"} <= set(complete("karyoscope data "))


def test_options(complete):
    assert complete("karyoscope segment --over") == ["--override-mpp", "--overwrite"]
    assert "--plugin" in complete("karyoscope data pack --")


def test_values(complete):
    assert complete("karyoscope segment --tta ") == ["1", "2", "4", "8", "16"]
    assert complete("karyoscope segment --model liz") == ["lizard", "lizard-large"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_scripts(run, monkeypatch, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    monkeypatch.setenv("_KARYOSCOPE_COMPLETE", f"source_{shell}")
    result = run()
    assert result.code == 0, result.err
    assert "_KARYOSCOPE_COMPLETE" in result.out.upper()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_bash(tmp_path):
    """The script that bash is given asks the command, and bash is left with the answer."""
    program = tmp_path / "karyoscope"
    call = "import sys; from karyoscope.cli import main; sys.argv[0] = 'karyoscope'; main()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{call}" "$@"\n')
    program.chmod(0o755)
    asked = (
        'eval "$(_KARYOSCOPE_COMPLETE=source_bash "$1")";'
        " COMP_WORDS=(karyoscope segment --overw); COMP_CWORD=2;"
        ' _karyoscope_completion "$1"; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", asked, "bash", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["--overwrite"]
