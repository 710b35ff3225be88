"""Rules for tests and benchmarks: public names alone, contracts that name no entry."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from karyoscope.core.maps import MAPS

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def is_private(dotted: str) -> bool:
    """Whether a module or a name of a module is private; members of classes are not looked at."""
    for part in dotted.split("."):
        if part.startswith("_") and not part.startswith("__"):
            return True
        if part[:1].isupper():
            return False
    return False


def is_ours(dotted: str) -> bool:
    return dotted.split(".")[0] == "karyoscope"


def private_uses(source: str) -> Iterator[str]:
    """Private modules and names of karyoscope that a file imports, reads or replaces."""
    tree = ast.parse(source)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname: a.name for a in node.names if a.asname and is_ours(a.name)}
            yield from (a.name for a in node.names if is_ours(a.name) and is_private(a.name))
        elif isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                modules[alias.asname or alias.name] = name
                if is_private(name):
                    yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            *_, name = full_name = ast.unparse(node).split(".")
            name = ".".join([modules.get(full_name[0], ""), *full_name[1:]])
            if is_ours(name) and is_private(name):
                yield name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            # monkeypatch.setattr(module, "name", value), or ("package.module.name", value).
            texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
            if texts and isinstance(node.args[0], ast.Constant):
                name = str(texts[0])
            else:
                first, *rest = ast.unparse(node.args[0]).split(".")
                name = ".".join([modules.get(first, ""), *rest, *map(str, texts)])
            if is_ours(name) and is_private(name):
                yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_use_public_names_alone(path):
    assert sorted(set(private_uses(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import karyoscope.slides._vendor",
        "from karyoscope.slides import _vendor",
        "from karyoscope.slides._vendor import scan_size",
        "from karyoscope.slides.tiff import _pages",
        "from karyoscope.slides import tiff\ntiff._pages()",
        "from karyoscope import slides\nslides.tiff._pages()",
        "import karyoscope.slides.tiff as module\nmodule._pages()",
        "from karyoscope.slides import tiff\nmonkeypatch.setattr(tiff, '_pages', None)",
        "monkeypatch.setattr('karyoscope.slides.tiff._pages', None)",
    ],
)
def test_private_names_are_found(source):
    assert list(private_uses(source))


@pytest.mark.parametrize(
    "source",
    [
        "from karyoscope.slides import tiff\ntiff.pages()",
        "import numpy\nnumpy._globals",
        # What a subclass defines, such as `_write` of a format, is described in docs/extending.
        "from karyoscope.formats import Writer\nmonkeypatch.setattr(Writer, '_write', None)",
        "monkeypatch.setattr('karyoscope.formats.Writer._write', None)",
    ],
)
def test_public_names_are_left_alone(source):
    assert not list(private_uses(source))


#: By folder of tests: the module and the name of the registry that its contract tests go through.
REGISTRIES = {
    "datasets": ("karyoscope.datasets", "DATASETS"),
    "evaluation": ("karyoscope.evaluation", "FORMATS"),
    "features": ("karyoscope.features", "GROUPS"),
    "formats": ("karyoscope.formats", "WRITERS"),
    "inference": ("karyoscope.inference.devices", "DEVICES"),
    "losses": ("karyoscope.losses", "LOSSES"),
    "networks": ("karyoscope.networks", "NETWORKS"),
    "postprocessing": ("karyoscope.postprocessing", "POSTPROCESSINGS"),
    "slides": ("karyoscope.slides", "READERS"),
    "stains": ("karyoscope.stains", "NORMALISERS"),
    "targets": ("karyoscope.targets", "TARGETS"),
}
CONTRACTS = sorted((ROOT / "tests").rglob("test_*_contract.py"))


def entries_named(source: str, entries: set[str]) -> set[str]:
    """Entries of a registry that tests name, in their bodies or in the cases they run for."""
    tests = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    texts = {
        node.value
        for test in tests
        for node in ast.walk(test)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts & entries


def test_every_contract_goes_through_a_registry():
    assert {path.parent.name for path in CONTRACTS} == REGISTRIES.keys()


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name)
def test_contracts_name_no_entry(path):
    """Differences are described by the case of an entry; maps, which share names, may be named."""
    folder, name = REGISTRIES[path.parent.name]
    if path.parent.name in ("losses", "networks", "targets"):
        pytest.importorskip("torch")
        pytest.importorskip("timm")
    registry = getattr(import_module(folder), name)
    maps = {*MAPS, "three_label", "types", "class_sets"}
    assert entries_named(path.read_text(encoding="utf-8"), {*registry} - maps) == set()


def test_named_entries_are_found():
    source = "@pytest.mark.parametrize('name', ['csv'])\ndef test_it(name):\n    assert name != 'b'"
    assert entries_named(source, {"csv", "b", "c"}) == {"csv", "b"}
    assert not entries_named("CASES = {'csv': 1}\ndef read(path):\n    return 'csv'", {"csv"})
