"""The page of the Python interface: its examples run, and every name that it lists is there."""

import re
import shutil
from importlib import import_module
from pathlib import Path

import cv2
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
DATA = Path(__file__).parents[1] / "data" / "dsb2018"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_examples_run_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("images", "labels"):
        folder = tmp_path / "my_folder" / part
        folder.mkdir(parents=True)
        for path in sorted((DATA / part).glob("*.png"))[:2]:
            shutil.copy(path, folder)
    first = min((tmp_path / "my_folder" / "images").iterdir())
    cv2.imwrite("slide.png", cv2.imread(str(first))[:256, :256])
    names: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S), 1):
        exec(compile(block, f"docs/python.md, example {number}", "exec"), names)
    assert {"nuclei", "tuned", "network", "outputs"} <= names.keys()
    assert (tmp_path / "tuned" / "model.yaml").is_file()
    assert (tmp_path / "bundles" / "mine" / "model.yaml").is_file()


def test_every_name_that_is_listed_is_there():
    listed = re.findall(r"^\| `(karyoscope[\w.]*)", TEXT, re.M)
    assert len(listed) > 15
    for dotted in listed:
        module, _, name = dotted.rpartition(".")
        found = import_module(dotted) if module == "" else None
        if found is None:
            try:
                found = import_module(dotted)
            except ModuleNotFoundError:
                found = getattr(import_module(module), name)
        assert found.__doc__, dotted


def test_every_public_name_of_the_package_is_listed():
    import karyoscope

    for name in karyoscope.__all__:
        assert name in ("__version__", "use_plugin") or f"karyoscope.{name}" in TEXT, name
