"""The prepared command for a GPU, on a CPU: its arguments, its report, a recipe that fails."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from tiny_recipe import write_recipe

pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.training import load_recipe
from karyoscope.training.packed.recipe import pack

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_job.py"


@pytest.fixture(scope="module")
def job():
    spec = importlib.util.spec_from_file_location("gpu_job", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_pack_is_of_one_recipe_or_of_all(job, monkeypatch):
    given = ["--packed", "C:\\data\\all.zip", "--packed", "hovernet_consep:it.zip", "--out", "o"]
    monkeypatch.setattr(sys, "argv", ["gpu_job.py", *given])
    arguments = job.parsed()
    assert job.pack_of("hovernet_consep", arguments) == Path("it.zip")
    assert job.pack_of("qu", arguments) == Path("C:\\data\\all.zip")
    monkeypatch.setattr(sys, "argv", ["gpu_job.py", *given[2:]])
    with pytest.raises(ValueError, match="no --packed for qu"):
        job.pack_of("qu", job.parsed())


@pytest.mark.slow
def test_a_recipe_that_fails_is_named_and_the_others_are_trained(job, tmp_path, monkeypatch):
    path = write_recipe(tmp_path, training={"steps": 50})
    recipe = load_recipe(path)
    pack(recipe, tmp_path / "set.zip", 2**25)
    name = path.name
    monkeypatch.setattr(job, "peak", lambda device: 1.0)
    monkeypatch.chdir(tmp_path)
    given = ["--packed", "set.zip", "--out", "OUT", "--device", "cpu", "--scores-alone"]
    given += ["--train", "nonsense=1", "--train", f"{name}=1"]
    monkeypatch.setattr(sys, "argv", ["gpu_job.py", *given])
    with pytest.raises(SystemExit) as end:
        job.main()
    assert end.value.code == 1
    assert sorted(file.name for file in (tmp_path / "OUT").iterdir()) == [
        "report.json",
        "report.md",
    ]
    report = json.loads((tmp_path / "OUT" / "report.json").read_text("utf-8"))["trained"]
    assert report["nonsense"] == {"failed": "recipe nonsense does not exist"}
    assert report[name]["steps"] > 0
    assert {"val/pq", "val/r2"} <= report[name]["scores"].keys()
