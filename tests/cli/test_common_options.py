"""``--config``, ``--log-file``, ``--verbose`` and ``--dry-run``."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture
def config(tmp_path):
    """``config("tta: 2")`` writes the file and returns its path."""

    def write(text: str):
        path = tmp_path / "options.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def summary_of(folder):
    return json.loads((folder / "tissue.summary.json").read_text("utf-8"))


def test_a_file_gives_options_and_the_command_line_wins(segment, picture, tmp_path, config):
    file = config(
        "mpp: 0.499\ntta: 2\nformat: [csv, geojson]\nfeatures: shape\noverride_mpp:\njson: true\n"
    )
    result = segment(picture, "--config", file, "--format", "csv")
    assert result.code == 0, result.err
    (printed,) = json.loads(result.out)
    summary = summary_of(tmp_path / "out")
    assert printed == summary
    assert (summary["mpp"], summary["run"]["tta"]) == (0.499, 2)
    assert set(summary["files"]) == {"tissue.csv"}
    assert segment(picture, "--config", file, "--format", "csv").code == 0
    again = segment(picture, "--format", "csv", "--mpp", "0.499", "--tta", "2")
    assert "done before with the same settings" in again.err


def test_inputs_and_required_options_may_stand_in_the_file(
    run, picture, tmp_path, tiny_bundle, config
):
    file = config(
        f"inputs: [{picture}]\nout: {tmp_path / 'out'}\nmodel: {tiny_bundle}\n"
        "mpp: 0.5\nformat: csv\ndevice: cpu\nworkers: 1\n"
    )
    result = run("segment", "--config", file)
    assert result.code == 0, result.err
    assert summary_of(tmp_path / "out")["nuclei"] > 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fromat: csv", "there is no option fromat; did you mean format?"),
        ("overwrite: 1", "overwrite takes true or false, not 1"),
        ("mpp: [0.5, {a: 1}]", "mpp takes text or a number"),
        ("mpp: fast", "'--mpp'"),
        ("- csv", "holds no mapping of options to values"),
        ("a: [", "is not valid YAML"),
        ("tta: &a 4\nmpp: *a", "alias *a in line 2"),
    ],
)
def test_files_that_do_not_fit(segment, picture, tmp_path, config, text, line):
    result = segment(picture, "--config", config(text))
    assert result.code == 2
    shown = " ".join(result.err.replace("│", " ").split())
    assert line in shown
    assert not (tmp_path / "out").exists()


def test_a_missing_file(segment, picture, tmp_path):
    result = segment(picture, "--config", tmp_path / "none.yaml")
    assert result.code == 2
    assert "No such file" in " ".join(result.err.replace("│", " ").split())


def test_every_command_takes_it(run, config):
    result = run("models", "--config", config("jsno: true"))
    assert result.code == 2
    assert "there is no option jsno" in " ".join(result.err.replace("│", " ").split())


def test_the_log_holds_what_was_printed_and_more(segment, picture, tmp_path):
    log = tmp_path / "run.log"
    result = segment(picture, tmp_path / "none.png", "--mpp", 0.5, "--log-file", log)
    assert result.code == 1
    lines = log.read_text(encoding="utf-8").splitlines()
    for printed in result.lines:
        assert any(line.endswith(printed.removeprefix("karyoscope: ")) for line in lines)
    assert "command: karyoscope segment" in lines[2]
    assert "DEBUG exit code 1 after " in lines[-1]
    # Nothing is kept for the next command of this process, and a second one is added.
    segment(picture, "--mpp", 0.5)
    assert log.read_text(encoding="utf-8").splitlines() == lines
    segment(picture, "--mpp", 0.5, "--log-file", log)
    assert log.read_text(encoding="utf-8").splitlines()[: len(lines)] == lines


def test_names_cannot_forge_lines_of_the_log(segment, tmp_path):
    log = tmp_path / "run.log"
    segment(tmp_path / "a\n2026-01-01 00:00:00 INFO all is well.png", "--log-file", log)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 3
    assert not any(line.startswith("2026-01-01 00:00:00 INFO") for line in lines)


def test_a_log_that_cannot_be_written(segment, picture, tmp_path):
    result = segment(picture, "--mpp", 0.5, "--log-file", tmp_path / "none" / "run.log")
    assert result.code == 2
    assert "No such file" in " ".join(result.err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_ends_the_log_and_not_the_job(segment, picture, tmp_path):
    result = segment(picture, "--mpp", 0.5, "--log-file", "/dev/full")
    assert result.code == 0
    assert result.err.count("the log ends here") == 1
    assert summary_of(tmp_path / "out")["nuclei"] > 20


def test_verbose_says_more_each_once(segment, picture):
    result = segment(picture, "--mpp", 0.5, "--verbose")
    assert "begun" in result.err
    assert "exit code 0" in result.err
    assert result.err.count(" nuclei in ") == 1
    assert "begun" not in segment(picture, "--mpp", 0.5, "--overwrite").err


def test_a_dry_run_writes_nothing(segment, picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    result = segment(picture, broken, tmp_path / "none.png", "--mpp", 0.5, "--dry-run", "--json")
    assert result.code == 1
    assert not (tmp_path / "out").exists()
    plan = json.loads(result.out)
    slides = {slide["path"]: slide for slide in plan["slides"]}
    found = slides[str(picture)]
    assert (found["state"], found["size"], found["mpp"]) == ("new", [400, 300], 0.5)
    assert found["analysed_mm2"] == pytest.approx(400 * 300 * 0.25e-6)
    assert slides[str(broken)]["state"] == "failed"
    assert len(plan["problems"]) == 1


def test_a_dry_run_says_what_is_done_and_what_is_in_the_way(segment, picture):
    planned = "--dry-run", "--json"
    assert segment(picture, "--mpp", 0.5).code == 0
    done = segment(picture, "--mpp", 0.5, *planned)
    assert done.code == 0
    assert json.loads(done.out)["slides"][0]["state"] == "done"
    other = segment(picture, "--mpp", 0.4, *planned)
    assert other.code == 1
    assert "use --overwrite" in json.loads(other.out)["slides"][0]["error"]
    assert segment(picture, "--mpp", 0.4, *planned, "--overwrite").code == 0
    table = segment(picture, "--mpp", 0.5, "--dry-run").out
    assert "nothing to do" in table
