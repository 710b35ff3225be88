"""Model bundles: what is read, and the one line for each way in which they are damaged."""

import shutil
import zipfile

import pytest
import yaml

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Bundle, Model, find_bundle, shipped_models
from tiny_model import CARD, ThresholdEngine, write_bundle, write_card


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(tiny_bundle, tmp_path / "tiny")


def zipped(folder, target, inside=""):
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, inside + file.name)
    return target


def refused(path, words):
    with pytest.raises(KaryoscopeError, match=words) as error:
        Bundle(path).read("model.onnx")
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("form", ["folder", "zip", "zip of the folder"])
def test_folder_and_zip_are_the_same(bundle, tmp_path, form):
    path = bundle
    if form != "folder":
        path = zipped(bundle, tmp_path / "a.zip", "tiny/" if "folder" in form else "")
    found = find_bundle(path)
    assert found.card.name == "tiny"
    assert found.taxonomy.names == ("blue", "brown")
    assert found.card.maps == {"inside": 1, "boundary": 1, "tp": 2}
    assert found.read("model.onnx") == (bundle / "model.onnx").read_bytes()


def test_shipped_models_are_sound():
    for name in shipped_models():
        found = find_bundle(name)
        assert found.card.name == name
        assert set(found.card.files) == {"model.onnx", "weights.safetensors", "README.md"}
        assert sum(len(found.read(file)) for file in found.card.files) < 25e6
        assert len(found.taxonomy) > 1


def test_a_name_that_is_no_model():
    with pytest.raises(KaryoscopeError, match="no model 'no/such': not a path, and not one of"):
        find_bundle("no/such")


def test_missing(tmp_path):
    refused(tmp_path / "none", "does not exist")


def test_a_folder_without_a_card(tmp_path):
    refused(tmp_path, r"has no readable model\.yaml")


def test_a_file_that_is_no_zip(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02pickle")
    refused(path, "is neither a folder nor a zip file of a model")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", r"model\.yaml describes no model"),
        (b"just text", r"model\.yaml describes no model"),
        (b"- 1\n- 2", r"model\.yaml describes no model"),
        (b"name: tiny", r"model\.yaml describes no model"),
        (b"{", r"model\.yaml is not valid YAML"),
        (b"a: b: c", r"model\.yaml is not valid YAML"),
        (b"\xff\xfe\x00\x12\xd8", r"model\.yaml is not valid YAML"),
        (b"format: !!python/object/apply:os.system ['true']", r"model\.yaml is not valid YAML"),
        (b"format: 1", r"model\.yaml: name: Field required"),
    ],
)
def test_damaged_cards(bundle, text, words):
    (bundle / "model.yaml").write_bytes(text)
    refused(bundle, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "has format 2; this version of karyoscope reads 1"),
        ({"format": "1"}, "has format '1'; this"),
        ({"mpp": 0}, "mpp: Input should be greater than 0"),
        ({"mpp": 7}, "mpp: Input should be less than or equal to 2"),
        ({"maps": {}}, "maps: "),
        ({"maps": {"inside": 3}}, r"maps\.inside: Input should be 1, 2, 4 or 8"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"input": {"mean": [0], "std": [1, 1, 1]}}, r"input\.mean"),
        ({"taxonomy": {"name": "none", "classes": []}}, "taxonomy 'none' has no classes"),
        ({"taxonomy": {"name": "bad", "classes": [{"id": 1}]}}, "a taxonomy needs a name"),
        ({"files": {"../evil": "00"}}, r"lists '\.\./evil', which is not a file of a bundle"),
        ({"files": {"/etc/passwd": "00"}}, "is not a file of a bundle"),
    ],
)
def test_cards_that_make_no_sense(tmp_path, change, words):
    refused(write_card(tmp_path / "a", **change), words)


def test_every_key_but_those_with_defaults_is_needed(tmp_path):
    for key in ("name", "version", "licence", "taxonomy", "mpp", "input", "maps", "network"):
        folder = write_card(tmp_path / key)
        (folder / "model.yaml").write_text(yaml.safe_dump({k: CARD[k] for k in CARD if k != key}))
        refused(folder, f"{key}: Field required")


def test_a_network_that_is_missing(bundle, tmp_path):
    (bundle / "model.onnx").unlink()
    refused(bundle, r"has no readable model\.onnx")
    refused(zipped(bundle, tmp_path / "a.zip"), r"has no readable model\.onnx")


def test_a_network_that_was_changed(bundle, tmp_path):
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"\0")
    refused(bundle, r"is damaged: model\.onnx was changed")
    refused(zipped(bundle, tmp_path / "a.zip"), r"is damaged: model\.onnx was changed")


@pytest.mark.parametrize(
    "name", ["../evil", "tiny/../../evil", "/etc/evil", "\\evil", "a\\..\\..\\evil", "C:\\evil"]
)
def test_a_zip_with_a_path_that_leaves_it(bundle, tmp_path, name):
    path = zipped(bundle, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"gotcha")
    refused(path, "holds a path that leaves it")


def test_a_link_that_leaves_the_folder(bundle, tmp_path):
    (tmp_path / "elsewhere").write_bytes((bundle / "model.onnx").read_bytes())
    (bundle / "model.onnx").unlink()
    (bundle / "model.onnx").symlink_to(tmp_path / "elsewhere")
    refused(bundle, r"holds a link that leaves it: 'model\.onnx'")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_zip_that_was_cut(bundle, tmp_path, share):
    path = zipped(bundle, tmp_path / "a.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "is neither a folder nor a zip file of a model")


def test_a_zip_with_spoilt_contents(bundle, tmp_path):
    path = zipped(bundle, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    start = data.find((bundle / "model.onnx").read_bytes()[:64])
    data[start : start + 16] = bytes(16)
    path.write_bytes(data)
    refused(path, r"has no readable model\.onnx")


def test_a_zip_of_two_models(bundle, tmp_path):
    path = zipped(bundle, tmp_path / "a.zip", "one/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(bundle / "model.yaml", "two/model.yaml")
    refused(path, r"has no readable model\.yaml")


def test_a_model_is_shown_by_its_name_scale_classes_and_views(tmp_path):
    model = Model(Bundle(write_bundle(tmp_path / "tiny")), ThresholdEngine(), tta=4)
    assert repr(model) == "Model('tiny' at 0.5 µm/px: 2 classes, 4 views, NumPy)"
