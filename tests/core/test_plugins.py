"""Code from outside: run where its user names it, and only there."""

from __future__ import annotations

import sys
import textwrap
from importlib import metadata

import pytest

from karyoscope.core import plugins
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import Registry


@pytest.fixture(autouse=True)
def no_plugins_yet(monkeypatch):
    monkeypatch.setattr(plugins.files, "plugin_files", {})


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.py", folder="."):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write_file


def make_package(folder, name, code, points):
    """An installed package with entry points: its module, and what pip writes beside it."""
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    groups = [f"[{group}]\n{point}\n" for group, point in points.items()]
    (info / "entry_points.txt").write_text("\n".join(groups))


def test_a_file_that_is_named_is_found_by_its_parts(write):
    path = write("def double(x):\n    return 2 * x\n")
    registry = Registry("function", {})
    name = plugins.named(str(path) + ":double")
    assert registry.build(name, 3) == 6
    assert registry["mine.py:double"](4) == 8
    with pytest.raises(KaryoscopeError, match=r"mine.py has no function 'treble'; it has double$"):
        registry.find("mine.py:treble")


def test_a_file_that_is_not_named_is_not_run(write, tmp_path, monkeypatch):
    write("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    registry = Registry("function", {})
    for name in ("mine.py:f", f"{tmp_path}/mine.py:f"):
        with pytest.raises(KaryoscopeError, match=r"runs only if you name it: --plugin mine\.py"):
            registry.find(name)
    assert not (tmp_path / "ran").exists()


def test_a_file_is_run_once_and_again_where_it_changed(write, tmp_path):
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x')\ndef f():\n    return {{}}\n"
    path = write(code.format(1))
    for _ in range(2):
        plugins.use_plugin(path)
    assert count.read_text("utf-8") == "x"
    path.write_text(code.format(2))
    plugins.use_plugin(path)
    assert count.read_text("utf-8") == "xx"
    assert plugins.part_of_file("function", "mine.py:f")() == 2


def test_a_recipe_folder_comes_before_the_working_directory(write, tmp_path, monkeypatch):
    write("A = int\n")
    write("A = str\n", folder="recipes")
    monkeypatch.chdir(tmp_path)
    name = plugins.named("mine.py:A", tmp_path / "recipes")
    assert plugins.part_of_file("type", name) is str
    with pytest.raises(KaryoscopeError, match=r"^plugin file absent\.py does not exist$"):
        plugins.named("absent.py:A")


def test_two_files_of_one_name_are_told_apart_by_their_folders(write):
    first, second = write("A = int\n"), write("A = str\n", folder="other")
    names = [plugins.named(f"{path}:A") for path in (first, second)]
    assert [plugins.part_of_file("type", name) for name in names] == [int, str]
    with pytest.raises(KaryoscopeError, match=r"two different plugin files are called mine\.py"):
        plugins.part_of_file("type", "mine.py:A")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1\nx = 1 / 0\n", r"mine\.py, line 2: ZeroDivisionError: division by zero$"),
        ("x = 1\ndef f(:\n", r"mine\.py, line 2: SyntaxError: invalid syntax$"),
        ("import absent_package\n", r"mine\.py, line 1: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit(3)\n", r"mine\.py, line 2: SystemExit: 3$"),
        ("raise ValueError('a\\nb')\n", r"mine\.py, line 1: ValueError: a b$"),
    ],
)
def test_an_error_in_a_file_is_its_own(write, code, says):
    with pytest.raises(plugins.PluginError, match=says):
        plugins.use_plugin(write(code))
    assert plugins.used_files() == []


def test_an_error_while_a_part_runs_is_the_files(write):
    path = write("def f(x):\n    return x['absent']\n")
    function = Registry("function", {}).find(plugins.named(f"{path}:f"))
    with (
        pytest.raises(plugins.PluginError, match=r"line 2, in f: KeyError: 'absent'$"),
        plugins.blamed(),
    ):
        function({})
    # What the plugin did not do is not its fault.
    with pytest.raises(ZeroDivisionError), plugins.blamed():
        print(1 / 0)


def test_a_part_of_another_kind_is_refused(write):
    name = plugins.named(f"{write('x = 3')}:x")
    with pytest.raises(KaryoscopeError, match="is no function: it must be a class or function"):
        Registry("function", {}).find(name)
    with pytest.raises(KaryoscopeError, match="is no text: it must be a str"):
        Registry("text", {}, kind=str).find(name)


def test_entry_points_are_looked_up_only_where_a_name_is_none_of_ours(monkeypatch):
    asked = []

    def points(group):
        asked.append(group)
        return []

    monkeypatch.setattr(metadata, "entry_points", points)
    registry = Registry("function", {"ours": print}, group="karyoscope.functions")
    assert registry.find("ours") is print
    assert "theirs" not in registry
    assert list(registry) == ["ours"]
    assert asked == []
    with pytest.raises(KaryoscopeError, match=r"no function 'theirs'; there are ours$"):
        registry.find("theirs")
    assert set(asked) == {"karyoscope.functions"}


def test_a_package_is_found_and_ours_comes_first(tmp_path, monkeypatch):
    code = "def f(x):\n    return x + 1\n"
    group = "karyoscope.functions"
    make_package(tmp_path, "some_functions", code, {group: "theirs = some_functions:f\nours = x:y"})
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("function", {"ours": print}, group=group)
    assert registry.find("ours") is print
    assert registry.build("theirs", 2) == 3
    assert registry.names() == ["ours", "theirs"]
    assert plugins.package_of(group, "theirs") == ("some_functions", "1.2")
    with (
        pytest.raises(plugins.PluginError, match=r"some_functions\.py, line 2, in f"),
        plugins.blamed(),
    ):
        registry.find("theirs")(None)


def test_a_package_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    group = "karyoscope.functions"
    make_package(tmp_path, "broken_functions", "1 / 0\n", {group: "theirs = broken_functions:f"})
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("function", {}, group=group)
    says = r"plugin package broken_functions: theirs .* cannot be loaded: ZeroDivisionError"
    with pytest.raises(KaryoscopeError, match=says):
        registry.find("theirs")
    with pytest.warns(UserWarning, match=says):
        assert list(registry.installed()) == []


PARTS = {
    "losses": ("losses", "LOSSES"),
    "networks": ("networks", "NETWORKS"),
    "datasets": ("datasets", "DATASETS"),
    "postprocessing": ("postprocessing", "POSTPROCESSINGS"),
    "formats": ("formats", "WRITERS"),
    "slides": ("slides", "READERS"),
    "targets": ("targets", "TARGETS"),
    "protocols": ("metrics", "PROTOCOLS"),
    "features": ("features", "GROUPS"),
    "stains": ("stains", "NORMALISERS"),
    "predictions": ("evaluation", "FORMATS"),
    "engines": ("inference", "DEVICES"),
}


@pytest.mark.parametrize("group", PARTS)
def test_every_registry_is_reached_by_its_group(group, tmp_path, monkeypatch):
    if group in ("losses", "networks", "targets"):
        pytest.importorskip("torch", reason="training needs the [train] extra")
    package, registry = PARTS[group]
    ours = getattr(__import__(f"karyoscope.{package}", fromlist=[registry]), registry)
    module, first = f"some_{group}", next(iter(ours))
    code = f"from karyoscope.{package} import {registry}\nMINE = {registry}[{first!r}]\n"
    make_package(tmp_path, module, code, {f"karyoscope.{group}": f"mine_too = {module}:MINE"})
    monkeypatch.syspath_prepend(tmp_path)
    assert ours.find("mine_too") is ours[first]
    assert ours.names()[-1] == "mine_too"
    assert dict(ours.installed()) == {"mine_too": ours[first]}
    sys.modules.pop(module, None)
