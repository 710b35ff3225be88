"""What is imported when, who may import whom, and the public names."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import karyoscope

ROOT = Path(__file__).parents[1]
HEAVY = {"numpy", "scipy", "numba", "cv2", "torch", "openvino", "pyarrow", "pydantic", "typer"}
TRAINING = ("torch", "torchvision", "timm", "lightning", "safetensors", "onnx", "matplotlib")

LOADED = """
import json, sys
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} must not be imported")

sys.meta_path.insert(0, Blocker())
sys.argv = {arguments!r}
from karyoscope.cli import main
main()
"""


WATCHED = """
import sys

seen = []

def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        seen.append(event)

sys.addaudithook(watch)
sys.argv = {arguments!r}
from karyoscope.cli import main
try:
    main()
finally:
    seen += [name for name in sys.modules if name.startswith("openvino_telemetry")]
    print(sorted(set(seen)), file=sys.stderr)
"""


FORBIDDEN = """
import sys

sys.argv = {arguments!r}
from karyoscope.cli import main
try:
    main()
finally:
    print(sorted(set({blocked!r}) & set(sys.modules)), file=sys.stderr)
"""


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_the_package_alone_costs_next_to_nothing():
    assert not modules_after("import karyoscope") & HEAVY


def test_help_needs_no_arrays():
    code = """
import contextlib, io
from karyoscope.cli import main
sys.argv = ["karyoscope", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
    assert modules_after(code) & HEAVY == {"typer"}


def test_listing_models_needs_no_image_library():
    code = """
import contextlib, io
from karyoscope.cli import main
sys.argv = ["karyoscope", "models"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
    assert modules_after(code) & HEAVY == {"typer", "numpy", "pydantic"}


def test_the_main_job_loads_no_part_of_scipy_and_no_metrics():
    """Of SciPy only the package itself, by numba; its parts take 37 MB and half a second."""
    code = """
import sys
import karyoscope.cli.segment
from karyoscope.pipeline import prepare
parts = {"scipy." + part for part in ("optimize", "spatial", "sparse", "ndimage", "stats")}
parts.add("karyoscope.metrics")
print(sorted(parts & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_main_job_needs_none_of_the_libraries_of_training(tmp_path, tiny_bundle, example_slide):
    arguments = ["karyoscope", "segment", example_slide, "--out", tmp_path, "--model", tiny_bundle]
    arguments += ["--device", "cpu", "--workers", "1", "--roi", "900,900,200,200", "--json"]
    code = BLOCKED.format(blocked=TRAINING, arguments=list(map(str, arguments)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["nuclei"] > 5


@pytest.mark.slow
def test_the_main_job_asks_nothing_of_the_network(tmp_path, tiny_bundle, example_slide):
    """Slides are analysed where nothing may leave; OpenVINO reports its import by default."""
    arguments = ["karyoscope", "segment", example_slide, "--out", tmp_path, "--model", tiny_bundle]
    arguments += ["--device", "cpu", "--workers", "1", "--roi", "900,900,200,200"]
    code = WATCHED.format(arguments=list(map(str, arguments)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_main_job_loads_neither_pandas_nor_parts_of_scipy(tmp_path, tiny_bundle, example_slide):
    """Both are imported by libraries of ours, for what no run asks of them, and take 60 MB."""
    arguments = ["karyoscope", "segment", example_slide, "--out", tmp_path, "--model", tiny_bundle]
    arguments += ["--device", "cpu", "--workers", "1", "--roi", "900,900,200,200", "--json"]
    blocked = "pandas", "scipy.linalg"
    code = FORBIDDEN.format(blocked=blocked, arguments=list(map(str, arguments)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["nuclei"] > 5
    assert done.stderr.splitlines()[-1] == "[]"


def test_loops_of_other_packages_multiply_matrices():
    """The import of SciPy's BLAS by numba is left out for our loops, not for those that use it."""
    code = """
import sys
import numba, numpy as np
from karyoscope.postprocessing import runs
runs.find_runs(np.eye(4, dtype=np.uint8))
before = "scipy.linalg" in sys.modules
matrix = np.arange(9.0).reshape(3, 3)
found = numba.njit(lambda a, b: a @ b)(matrix, matrix)
print(before, np.array_equal(found, matrix @ matrix))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr


@pytest.mark.parametrize("verb", ["train", "export"])
def test_training_without_its_libraries_is_one_line(tmp_path, verb, monkeypatch, capsys):
    from karyoscope.cli import main

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in TRAINING else find(name)
    )
    monkeypatch.setattr(sys, "argv", ["karyoscope", verb, "x", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("karyoscope: torch, timm, lightning")
    assert "pip install 'karyoscope[train]'" in line


def test_who_imports_whom():
    """The contracts of pyproject.toml, checked by import-linter."""
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_public_names():
    assert karyoscope.__all__ == [
        "__version__",
        "KaryoscopeError",
        "Nuclei",
        "Taxonomy",
        "evaluate",
        "load_model",
        "open_slide",
        "read",
        "score_pairs",
        "segment",
        "use_plugin",
    ]
    for name in karyoscope.__all__:
        assert getattr(karyoscope, name) is not None
        assert name in dir(karyoscope)
    with pytest.raises(AttributeError, match="has no attribute 'segmnt'"):
        _ = karyoscope.segmnt


def test_packages_are_attributes_and_are_loaded_when_used():
    code = (
        "import sys, karyoscope; assert 'karyoscope.metrics' not in sys.modules;"
        " assert 'metrics' in dir(karyoscope); karyoscope.metrics.panoptic_quality;"
        " karyoscope.training.load_recipe; karyoscope.plotting.overlay"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert karyoscope.__version__ == version("karyoscope")


def test_no_module_is_hidden_by_a_function_of_its_name():
    """``karyoscope.pipeline.segment`` would be either, by what was imported first."""
    hidden = []
    for found in pkgutil.walk_packages(karyoscope.__path__, "karyoscope."):
        parent, _, name = found.name.rpartition(".")
        source = ROOT / "src" / Path(*parent.split(".")) / "__init__.py"
        tree = ast.parse(source.read_text(encoding="utf-8"))
        names = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module != parent
            for alias in node.names
        }
        if name in names:
            hidden.append(found.name)
    assert hidden == []


def test_no_package_imports_a_private_module_of_another():
    package = Path(karyoscope.__file__).parent
    found = []
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for parts in (name.split(".") for name in names):
                if parts[0] != "karyoscope" or len(parts) < 2 or parts[1] == own:
                    continue
                if any(p.startswith("_") and not p.startswith("__") for p in parts[1:]):
                    found.append(f"{path.relative_to(package)}: {'.'.join(parts)}")
    assert not found


def test_core_reaches_other_packages_by_name_in_one_module_alone():
    core = Path(karyoscope.__file__).parent / "core"
    sources = {path.name: path.read_text(encoding="utf-8") for path in core.rglob("*.py")}
    dynamic = {name for name, text in sources.items() if re.search(r'import_module\(f?"kary', text)}
    assert dynamic == {"conversions.py"}
    calls = re.findall(r'_call\(\s*"(\w+)', sources["conversions.py"])
    assert set(calls) == {"formats", "pipeline", "plotting", "view"}


def imports_by_module() -> dict[str, set[str]]:
    """Modules that each module imports, in functions and for types too."""
    source = ROOT / "src"
    paths = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (source / "karyoscope").rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in paths:
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= (parts & paths.keys()) or {node.module}
    return found


def test_no_circle_of_imports_even_for_types():
    left = imports_by_module()
    assert len(left) > 400
    while True:
        needed = set().union(*(imported - {name} for name, imported in left.items()))
        ends = {n for n, imported in left.items() if not (imported - {n}) & left.keys()}
        ends |= left.keys() - needed
        if not ends:
            break
        left = {name: imported for name, imported in left.items() if name not in ends}
    assert sorted(left) == []


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "scripts"])
def test_no_file_is_longer_than_350_lines(folder):
    lengths = {p: p.read_text(encoding="utf-8").count("\n") for p in (ROOT / folder).rglob("*.py")}
    assert lengths
    assert [str(path) for path, lines in lengths.items() if lines > 350] == []


def test_packages_are_attributes_and_those_that_need_an_extra_say_which():
    code = """
import sys
for name in ("torch", "lightning", "timm"):
    sys.modules[name] = None
import karyoscope
assert karyoscope.metrics.__name__ == "karyoscope.metrics"
missing = [name for name in dir(karyoscope) if not hasattr(karyoscope, name)]
try:
    karyoscope.training
except AttributeError as error:
    print(missing, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "karyoscope[train]" in done.stdout
    missing = set(re.findall(r"'(\w+)'", done.stdout.partition("]")[0]))
    assert missing <= {"losses", "networks", "targets", "training"}
