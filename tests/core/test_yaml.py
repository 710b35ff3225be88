"""YAML of strangers."""

from __future__ import annotations

import pytest
import yaml as pyyaml

from karyoscope.core import yaml
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import dump_yaml, parse_yaml, read_yaml

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def test_plain_data_come_through():
    assert parse_yaml("a: [1, 2.5, null, yes]\nb: {c: µ}", "here") == {
        "a": [1, 2.5, None, True],
        "b": {"c": "µ"},
    }
    assert parse_yaml(b"\xef\xbb\xbfa: 1", "here") == {"a": 1}
    assert parse_yaml("", "here") is None


def test_aliases_are_refused_before_they_are_followed():
    with pytest.raises(KaryoscopeError, match=r"^here is not valid YAML: alias \*a in line 2"):
        parse_yaml(BOMB, "here")


def test_nesting_is_bounded():
    deepest = yaml.DEEPEST
    assert parse_yaml("[" * deepest + "]" * deepest, "here")
    deeper = "[" * (deepest + 1) + "]" * (deepest + 1)
    with pytest.raises(KaryoscopeError, match=r"^here is not valid YAML: .*more than 100 levels"):
        parse_yaml(deeper, "here")


@pytest.mark.parametrize("loader", [pyyaml.SafeLoader, yaml.LOADER])
def test_both_parsers_of_pyyaml_refuse_what_is_too_large_when_expanded(monkeypatch, loader):
    monkeypatch.setattr(yaml, "LOADER", loader)
    assert parse_yaml("a: [1, {b: 2.5e-3}]\nc: text", "here") == {
        "a": [1, {"b": 2.5e-3}],
        "c": "text",
    }
    with pytest.raises(KaryoscopeError, match="alias"):
        parse_yaml(BOMB, "here")


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        b"\xff\xfe\x00\x12\xd8",
        "a: !!python/object/apply:os.system ['true']",
        "a: 2020-13-45",
        "a: !!bool perhaps",
        "a: !!int x",
        "? [a]\n: b",
        "\x00",
        "[" * 20_000,
        "{a: " * 20_000,
    ],
)
def test_whatever_is_wrong_is_one_line_that_names_the_source(text):
    with pytest.raises(KaryoscopeError, match=r"^here is not valid YAML: ") as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)


def test_large_files_are_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml, "LARGEST", 10)
    path = tmp_path / "a.yaml"
    path.write_text("a: 1 # to")
    assert read_yaml(path) == {"a": 1}
    path.write_text("a: 1 # too long")
    with pytest.raises(KaryoscopeError, match=rf"^{path} is too large"):
        read_yaml(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(KaryoscopeError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "a.yaml")


def test_what_is_written_is_read():
    shared = {"µ": [1, 2]}
    data = {"b": shared, "a": [shared, shared]}
    text = dump_yaml(data)
    assert parse_yaml(text, "here") == data
    assert "µ" in text
