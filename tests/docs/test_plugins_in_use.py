"""Plugins through the command line: what is refused, and what an error of theirs looks like."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import yaml
from extending_pages import PAGES, files_of

SEGMENT = ("segment", "tissue.png", "--mpp", 0.5, "--device", "cpu", "--out", "out")


def show(page):
    """Write the file of a page; return its name."""
    ((name, text),) = files_of(PAGES[page]).items()
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.fixture
def with_plugin(place):
    """A model whose post-processing is that of a file, which lies in the working directory."""
    name = show("postprocessing")
    text = Path(name).read_text("utf-8") + "\nfrom pathlib import Path\nPath('ran').touch()\n"
    Path(name).write_text(text)
    path = Path("model/model.yaml")
    card = yaml.safe_load(path.read_text("utf-8"))
    card["postprocessing"] = {"name": f"{name}:BLOBS"}
    card["plugins"] = {name: hashlib.sha256(text.encode()).hexdigest()}
    path.write_text(yaml.safe_dump(card))
    return name


def one_line(result):
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if line.startswith("karyoscope: ")]
    assert "Traceback" not in result.err
    return lines[0]


@pytest.mark.parametrize(
    "command",
    [
        (*SEGMENT, "--model", "model"),
        ("evaluate", "--truth", "annotated", "--model", "model", "--device", "cpu"),
        ("tune", "model", "--truth", "annotated", "--out", "tuned", "--device", "cpu"),
    ],
    ids=lambda command: command[0],
)
def test_a_bundle_runs_no_file_that_was_not_named(with_plugin, run, command):
    line = one_line(run(*command))
    assert f"runs only if you name it: --plugin {with_plugin}" in line
    assert not Path("ran").exists()
    named = run(*command, "--plugin", with_plugin)
    assert named.code == 0, named.err
    assert Path("ran").exists()


def test_describing_a_bundle_runs_nothing(with_plugin, run):
    assert run("models", "model").code == 0
    assert not Path("ran").exists()


def test_another_file_of_the_name_is_refused(with_plugin, run):
    with Path(with_plugin).open("a") as file:
        file.write("# changed\n")
    line = one_line(run(*SEGMENT, "--model", "model", "--plugin", with_plugin))
    assert f"is not the {with_plugin} that it was made with" in line


def test_a_folder_of_data_runs_no_file(place, run):
    name = show("dataset")
    with Path(name).open("a") as file:
        file.write("\nfrom pathlib import Path\nPath('ran').touch()\n")
    Path("pairs/dataset.yaml").write_text(f"layout: {name}:Pairs\n")
    line = one_line(run("data", "inspect", "pairs"))
    assert f"--plugin {name}" in line
    assert not Path("ran").exists()
    assert run("data", "inspect", "pairs", "--plugin", name).code == 0


def test_a_slide_on_which_a_plugin_fails_does_not_cost_the_others(place, run):
    name = show("format")
    text = Path(name).read_text("utf-8")
    failing = "names = nuclei.class_names()\n        if self.context.slide == 'a.png':\n"
    failing += "            raise IndexError('no such thing')"
    Path(name).write_text(text.replace("names = nuclei.class_names()", failing))
    for stem in "ab":
        shutil.copy("tissue.png", f"{stem}.png")
    done = run(
        *("segment", "a.png", "b.png", "--mpp", 0.5, "--model", "model", "--device", "cpu"),
        *("--out", "out", "--format", f"{name}:PointsWriter"),
    )
    line = one_line(done)
    assert "a.png: plugin" in line
    assert line.endswith("in _write: IndexError: no such thing")
    assert Path("out/b.points.xml").exists()
    assert not Path("out/a.points.xml").exists()


def test_an_error_of_a_loss_is_its_own(place, run):
    pytest.importorskip("lightning", reason="training needs the [train] extra")
    pytest.importorskip("timm", reason="training needs the [train] extra")
    name = show("loss")
    wrong = Path(name).read_text("utf-8").replace('targets["types"]', 'targets["type"]')
    Path(name).write_text(wrong)
    number = next(i for i, line in enumerate(wrong.splitlines(), 1) if 'targets["type"]' in line)
    losses = f'losses=[{{name: three_label}}, {{name: centre}}, {{name: "{name}:Tversky"}}]'
    line = one_line(run("train", "recipe.yaml", "--out", "run", "--set", losses))
    assert line.endswith(f"{name}, line {number}, in forward: KeyError: 'type'")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('losses.2.name="absent.py:X"', "losses.2.name: plugin file absent.py does not exist"),
        ('losses.2.name="my_loss.py:Tver"', "has no loss 'Tver'; it has Tversky"),
        ('losses.2.name="my_loss.py:Tversky", losses.2.beta=1', "has no option 'beta'"),
        ('network.name="my_loss.py:Tversky"', "is not as networks are: it has no 'encoder'"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_place(place, run, change, says):
    pytest.importorskip("lightning", reason="training needs the [train] extra")
    show("loss")
    if "network" in change:
        recipe = yaml.safe_load(Path("recipe.yaml").read_text("utf-8")) | {
            "network": {"name": "unet"}
        }
        Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    changes = [x for part in change.split(", ") for x in ("--set", part)]
    assert says in one_line(run("train", "recipe.yaml", "--out", "run", *changes))
    assert not Path("run").exists()
