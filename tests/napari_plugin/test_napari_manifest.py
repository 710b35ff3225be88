"""What napari finds by the manifest."""

from __future__ import annotations

import tomllib
from importlib import import_module, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# npe2 itself uses names that pydantic will drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_manifest_is_valid_and_names_what_exists():
    npe2 = pytest.importorskip("npe2")
    path = Path(str(resources.files("karyoscope.napari_plugin") / "napari.yaml"))
    manifest = npe2.PluginManifest.from_file(path)
    assert manifest.name == "karyoscope"
    assert len(manifest.contributions.commands) == 3
    commands = {command.id for command in manifest.contributions.commands}
    for command in manifest.contributions.commands:
        module, function = command.python_name.split(":")
        assert callable(getattr(import_module(module), function))
    (reader,) = manifest.contributions.readers
    used = {reader.command, *(widget.command for widget in manifest.contributions.widgets)}
    assert used == commands


def test_every_pattern_is_a_file_that_is_read():
    npe2 = pytest.importorskip("npe2")
    from karyoscope.napari_plugin.reader import get_reader

    path = resources.files("karyoscope.napari_plugin") / "napari.yaml"
    (reader,) = npe2.PluginManifest.from_file(Path(str(path))).contributions.readers
    assert len(reader.filename_patterns) == 5
    for pattern in reader.filename_patterns:
        assert get_reader(pattern.replace("*", "slide")) is not None


def test_the_entry_point_leads_to_the_manifest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, file = project["entry-points"]["napari.manifest"]["karyoscope"].split(":")
    assert (resources.files(module) / file).is_file()
    assert "napari" in project["optional-dependencies"]
