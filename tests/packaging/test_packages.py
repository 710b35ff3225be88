"""What packages hold, and that their recipes say what pyproject.toml says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from karyoscope import __version__
from karyoscope.core.precompiled import archive_name, fits

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Names on conda-forge, where they are others than on PyPI.
CONDA = {"opencv-python-headless": "opencv", "openslide-bin": "openslide"}


def test_one_version():
    recipe = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == PROJECT["version"] == __version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    for file in (*PACKAGING.glob("*"), ROOT / "docs" / "kubernetes.yaml"):
        if file.is_file():
            tags = set(re.findall(r"karyoscope:([\d.]+\d)", file.read_text(encoding="utf-8")))
            assert tags <= {__version__}, file


def test_the_conda_recipe_has_the_same_dependencies():
    recipe = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    wanted = {f"python {PROJECT['requires-python']}"}
    for requirement in PROJECT["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=[\d.]+)", requirement).groups()
        wanted.add(f"{CONDA.get(name, name)} {bound}")
    assert set(recipe["requirements"]["run"]) == wanted


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda", "karyoscope.def"])
def test_images_copy_what_exists_and_install_extras_that_exist(name):
    text = (PACKAGING / name).read_text(encoding="utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    copied += re.findall(r"^    (\S+) /src/\S+$", text, re.MULTILINE)
    assert {"pyproject.toml", "README.md", "LICENSE", "src"} <= set(copied)
    assert all((ROOT / source).exists() for source in copied)
    extras = re.findall(r"^ARG EXTRAS=(\S+)$|\"\.\[([\w,]+)\]\"", text, re.MULTILINE)
    named = {extra for pair in extras for part in pair for extra in part.split(",") if extra}
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_the_workflow_runs_on_three_systems():
    flow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    systems = flow["jobs"]["run"]["strategy"]["matrix"]["os"]
    assert {system.split("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}


@pytest.mark.slow
def test_sdist_and_wheel(tmp_path):
    for tool in ("build", "twine", "check_wheel_contents"):
        pytest.importorskip(tool)
    done = subprocess.run(
        ["bash", ROOT / ".ci" / "package", tmp_path],
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert len(list(tmp_path.glob("*.tar.gz"))) == 1
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    # Files of the package that are committed and not installed would be missed by users alone.
    assert _committed() <= names
    # What this interpreter's first run need not compile.
    assert (f"karyoscope/core/compiled/{archive_name()}" in names) == fits()
    assert {name.split("/")[0] for name in names} == {
        "karyoscope",
        f"karyoscope-{__version__}.dist-info",
    }


def _committed() -> set[str]:
    """Names of the package's files, as in the wheel; without a repository, of its modules."""
    source = ROOT / "src"
    if not (ROOT / ".git").exists():
        return {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", "src/karyoscope"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {Path(name).relative_to("src").as_posix() for name in listed.stdout.splitlines()}
