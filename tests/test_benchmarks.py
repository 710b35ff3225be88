"""Benchmarks and scripts import modules that exist, and names that these have."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
FOLDERS = [ROOT / "benchmarks", ROOT / "scripts"]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*.py"))


def names_in(module):
    """Names that a file defines at its top level."""
    found = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.ClassDef):
                found.add(part.name)
            elif isinstance(part, ast.Name):
                found.add(part.id)
            elif isinstance(part, ast.alias):
                found.add((part.asname or part.name).partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_benchmark_imports_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        beside = path.parent / f"{node.module}.py"
        if beside.is_file():
            file = beside
        elif node.module.partition(".")[0] == "karyoscope":
            spec = find_spec(node.module)
            assert spec is not None, node.module
            file = Path(spec.origin)
        else:
            continue
        for name in node.names:
            submodule = file.parent / name.name
            there = submodule.with_suffix(".py").is_file() or (submodule / "__init__.py").is_file()
            lazy = "__getattr__" in names_in(file)
            assert there or lazy or name.name in names_in(file), f"{node.module}.{name.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_lies_beside_a_benchmark_is_not_missing(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and "." not in node.module:
            beside = path.with_name(f"{node.module}.py").is_file()
            installed = find_spec(node.module) is not None
            declared = installed or f'"{node.module}' in PROJECT
            assert beside or declared, f"{path.name} imports {node.module}"
