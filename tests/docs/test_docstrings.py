"""Docstrings of the public names: what numpydoc finds wrong with them."""

import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the public names of training need torch")
validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is of the extra `docs`")

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "site"))
from api import MODULES, public_names  # noqa: E402

# A docstring that is missing, sections that are unknown or out of order; a parameter that does not
# exist, has no type or no description; a summary that is missing, begins in lower case or does not
# end. Short functions, whose signature says the rest, need no sections.
FAULTS = {"GL06", "GL07", "GL08", "GL10", "PR02", "PR04", "PR05", "PR07", "PR10", "RT05"}
FAULTS |= {"SS01", "SS02", "SS03", "SS04"}


# Packages whose names are for other modules of karyoscope.
INTERNAL = {
    "karyoscope.formats.cohort",
    "karyoscope.pipeline.runs",
    "karyoscope.pipeline.stains",
    "karyoscope.pipeline.tiling",
}


def documented(module):
    """Dotted names of the functions, classes and methods of a module that have an entry."""
    for name in public_names(import_module(module)):
        value = getattr(import_module(module), name)
        if inspect.isclass(value):
            yield f"{module}.{name}"
            for member, what in vars(value).items():
                if not member.startswith("_") and (
                    inspect.isfunction(what) or isinstance(what, property)
                ):
                    yield f"{module}.{name}.{member}"
        elif inspect.isfunction(value):
            yield f"{module}.{name}"


@pytest.mark.parametrize("module", [name for part in MODULES.values() for name in part])
def test_numpydoc_finds_no_fault(module):
    faults = [
        f"{name}: {code} {message}"
        for name in documented(module)
        for code, message in validate.validate(name)["errors"]
        if code in FAULTS
    ]
    assert not faults, "\n".join(faults)


def test_every_package_with_public_names_has_a_page():
    """Or its names are public names of a package that has one."""
    source = Path(__file__).parents[2] / "src"
    listed = {name for part in MODULES.values() for name in part}
    for path in (source / "karyoscope").rglob("__init__.py"):
        module = ".".join(path.parent.relative_to(source).parts)
        public = "__all__" in path.read_text(encoding="utf-8")
        if public and module not in listed | INTERNAL:
            shown = {name for above in listed for name in public_names(import_module(above))}
            assert set(public_names(import_module(module))) <= shown, module
