"""Inputs that once gave a wrong number, ended a batch or hung; generated in ../shared/cases."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the generators are of a system with bash and signals", allow_module_level=True)

PATH = Path(__file__).parents[2] / "benchmarks" / "cases.py"
sys.path.append(str(PATH.parent))  # for the modules that it imports
spec = importlib.util.spec_from_file_location("benchmark_cases", PATH)
cases = sys.modules["benchmark_cases"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.ALL)
def test_a_case_gives_what_is_right(name):
    if not cases.CASES.is_dir():
        pytest.skip("needs the generators in ../shared/cases")
    try:
        cases.try_case(name)
    except cases.Skipped as reason:
        pytest.skip(str(reason))


def test_every_generator_is_tried():
    if not cases.CASES.is_dir():
        pytest.skip("needs the generators in ../shared/cases")
    scripts = {path.stem for path in cases.CASES.iterdir() if path.suffix in (".py", ".sh")}
    assert set(cases.ALL) == scripts - {"synthetic"}
