"""A training set with its validation images in one small file."""

import dataclasses
import io
import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from PIL import Image  # noqa: E402

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training import load_recipe  # noqa: E402
from karyoscope.training.data.images import ValidationImages, load_training_bank  # noqa: E402
from karyoscope.training.packed.coding import (  # noqa: E402
    decode_image,
    decode_labels,
    encode_image,
    encode_labels,
    renumber,
)
from karyoscope.training.packed.files import read_packed, read_packed_validation  # noqa: E402
from karyoscope.training.packed.fitting import fit_images  # noqa: E402
from karyoscope.training.packed.recipe import pack_recipe  # noqa: E402

MIB = 2**20


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    recipe = load_recipe(write_recipe(folder, training={"steps": 2, "ema": 0.9}))
    report = pack_recipe(recipe, folder / "set.zip", 55 * MIB)
    bank = load_training_bank(recipe)
    return SimpleNamespace(
        folder=folder, path=folder / "set.zip", recipe=recipe, report=report, bank=bank
    )


def images_of(bank):
    for start, h, w in zip(bank.starts, bank.heights, bank.widths, strict=True):
        yield (t[start : start + h * w] for t in (bank.rgb, bank.ids, bank.classes))


def same_nuclei(a, b):
    """Whether two label maps are equal up to the numbering."""
    pairs = np.unique(np.stack([np.ravel(a), np.ravel(b)]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def test_labels_come_back_exactly():
    rng = np.random.default_rng(0)
    for height, width, most in ((1, 1, 0), (7, 300, 255), (64, 33, 256), (90, 90, 70_000)):
        ids = rng.integers(0, most + 1, (height, width)).astype(np.int32)
        ignore = rng.random(ids.shape) < 0.2
        back, ignored = decode_labels(encode_labels(ids, ignore), ids.shape)
        assert back.dtype == np.int32
        assert np.array_equal(back, ids)
        assert np.array_equal(ignored, ignore)
        assert not decode_labels(encode_labels(ids), ids.shape)[1].any()


def test_nuclei_are_numbered_from_one():
    found, old = renumber(np.array([[0, 9], [4, 9]]))
    assert found.tolist() == [[0, 2], [1, 2]]
    assert old.tolist() == [0, 4, 9]
    assert renumber(np.full((2, 2), 7))[0].tolist() == [[1, 1], [1, 1]]


def test_an_image_of_another_size_or_kind_is_refused_before_it_is_decoded():
    rgb = np.zeros((8, 9, 3), np.uint8)
    data = encode_image(rgb, "lossless")
    with pytest.raises(KaryoscopeError, match="is 8 x 9, not"):
        decode_image(data, (9, 8))
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    for wrong in (buffer.getvalue(), b"", data[:20]):
        with pytest.raises(KaryoscopeError, match="is damaged, or in an unknown format"):
            decode_image(wrong, (8, 9))


def test_what_is_packed_comes_back(made):
    assert made.report.loss is None
    back = read_packed(made.path, made.recipe)
    for name, value in vars(made.bank).items():
        if name == "ids":
            continue
        same = torch.equal(value, vars(back)[name]) if torch.is_tensor(value) else None
        assert same or value == vars(back)[name], name
    assert back.ids.dtype == torch.int32
    for (_, ids, _), (_, found, _) in zip(images_of(made.bank), images_of(back), strict=True):
        assert same_nuclei(ids, found)
        assert found.max() == len(ids[ids > 0].unique())
    assert list(made.folder.glob("*.partial")) == []


def test_validation_images_come_back(made):
    there = ValidationImages(made.recipe)
    back = read_packed_validation(made.path, made.recipe)
    assert len(back) == len(there) == 2
    for k, sample in enumerate(back):
        assert sample.record == there[k].record
        assert (sample.mpp, sample.taxonomy) == (there[k].mpp, there[k].taxonomy)
        assert np.array_equal(sample.image, there[k].image)
        assert np.array_equal(sample.class_map, there[k].class_map)
        assert same_nuclei(sample.inst_map, there[k].inst_map)
        assert sample.ignore is None
    uncompressed = made.folder / "set.safetensors"
    from karyoscope.training.packed.files import write_packed

    write_packed(made.bank, made.recipe, uncompressed)
    assert read_packed_validation(uncompressed, made.recipe) == []
    assert torch.equal(read_packed(uncompressed, made.recipe).ids, made.bank.ids)


def test_pixels_that_are_not_labelled_stay_so(made, tmp_path):
    from karyoscope.training.packed.files import about_recipe
    from karyoscope.training.packed.images import rows_of, samples_of
    from karyoscope.training.packed.writing import write_compressed

    ids = made.bank.ids.clone()
    classes = made.bank.classes.clone()
    ids[100:900], classes[100:900] = -1, 0
    bank = dataclasses.replace(made.bank, ids=ids, classes=classes)
    sample = ValidationImages(made.recipe)[0]
    ignore = np.zeros(sample.inst_map.shape, bool)
    ignore[3:9, 5:50] = True
    sample = dataclasses.replace(sample, ignore=ignore)
    images = [*rows_of(bank, {}), *samples_of([sample], {})]
    write_compressed(images, bank, about_recipe(made.recipe), tmp_path / "s.zip", 55 * MIB)
    back = read_packed(tmp_path / "s.zip", made.recipe)
    assert torch.equal(back.ids == -1, ids == -1)
    assert torch.equal(back.classes, classes)
    (found,) = read_packed_validation(tmp_path / "s.zip", made.recipe)
    assert np.array_equal(found.ignore, ignore)
    assert same_nuclei(found.inst_map, sample.inst_map)


def test_a_nucleus_of_two_classes_is_named(made):
    from karyoscope.training.packed.images import rows_of

    classes = made.bank.classes.clone()
    classes[int(torch.nonzero(made.bank.ids > 0)[0])] = 9
    with pytest.raises(KaryoscopeError, match="pixels of two classes"):
        list(rows_of(dataclasses.replace(made.bank, classes=classes), {}))


def test_a_file_stays_within_its_limit_and_says_what_that_costs(made, tmp_path):
    images = made.report.sizes["train images, WebP without loss"]
    images += made.report.sizes["validation images, WebP without loss"]
    limit = int(made.report.size - 0.3 * images) + 8192
    report = pack_recipe(made.recipe, tmp_path / "less.zip", limit)
    assert (tmp_path / "less.zip").stat().st_size == report.size <= limit
    assert report.loss.lowest > 36
    assert "AVIF 4:4:4 of quality 9" in str(report)
    assert "grey levels on average" in str(report)
    back = read_packed(tmp_path / "less.zip", made.recipe)
    difference = (back.rgb.int() - made.bank.rgb.int()).abs().float().mean()
    assert 0 < difference < 3
    assert torch.equal(back.classes, made.bank.classes)
    with pytest.raises(KaryoscopeError, match="raise --limit-mib") as refusal:
        pack_recipe(made.recipe, tmp_path / "none.zip", 20_000)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "none.zip").exists()


def test_the_best_quality_that_fits_is_found(monkeypatch):
    import karyoscope.training.packed.fitting as fitting

    tried = []

    def coded(image, coding):
        tried.append(coding)
        return b"x" * (1000 if coding == "lossless" else int(coding))

    monkeypatch.setattr(fitting, "encode_image", coded)
    monkeypatch.setattr(fitting, "coding_loss", lambda *_: None)
    for room in range(2 * 90, 2 * 98 + 5):
        found = fit_images([np.zeros((1, 1, 3))] * 2, ["a", "b"], room)
        best = max(q for q in fitting.QUALITIES if 2 * q <= room)
        assert found.coding == f"AVIF 4:4:4 of quality {best}"
    with pytest.raises(KaryoscopeError, match="at the lowest quality"):
        fit_images([np.zeros((1, 1, 3))] * 2, ["a", "b"], 179)


def test_published_jpeg_files_are_not_coded_again(tmp_path):
    path = write_recipe(tmp_path)
    published = {}
    for png in sorted((tmp_path / "data" / "images").iterdir()):
        jpeg = png.with_suffix(".jpg")
        Image.open(png).convert("RGB").save(jpeg, quality=80)
        png.unlink()
        published[png.stem] = jpeg.read_bytes()
    recipe = load_recipe(path)
    report = pack_recipe(recipe, tmp_path / "set.zip", 55 * MIB)
    assert report.loss is None
    with zipfile.ZipFile(tmp_path / "set.zip") as zipped:
        for image in json.loads(zipped.read("pack.json"))["images"]:
            assert zipped.read(image["image"]) == published[image["name"]]
    assert torch.equal(
        read_packed(tmp_path / "set.zip", recipe).rgb, load_training_bank(recipe).rgb
    )


def rewritten(path, out, change):
    """Copy a file with other entries; ``change`` gets and edits them by name."""
    with zipfile.ZipFile(path) as zipped:
        entries = {name: zipped.read(name) for name in zipped.namelist()}
    change(entries)
    with zipfile.ZipFile(out, "w") as zipped:
        for name, data in entries.items():
            zipped.writestr(name, data)
    return out


def read_both(path, recipe):
    read_packed(path, recipe)
    read_packed_validation(path, recipe)


def test_damage_is_one_line(made, tmp_path):
    broken = tmp_path / "broken.zip"

    def described(edit):
        def change(entries):
            about = json.loads(entries["pack.json"])
            edit(about)
            entries["pack.json"] = json.dumps(about).encode()

        return change

    def swapped(entries):
        entries["images/00000.webp"] = entries["labels/00000.webp"][:60]

    changes = [
        lambda entries: entries.pop("pack.json"),
        lambda entries: entries.pop("labels/00001.webp"),
        lambda entries: entries.update({"pack.json": b"[1"}),
        lambda entries: entries.update({"classes.bin": b"\1"}),
        swapped,
        described(lambda about: about.update(format="other")),
        described(lambda about: about.pop("images")),
        described(lambda about: about["images"][0].update(size=[10, 10])),
        described(lambda about: about["images"][0].update(size=[10**9, 10**9])),
        described(lambda about: about["images"][0].update(nuclei=-1)),
        described(lambda about: about["images"][0].update(nuclei=float("inf"))),
        described(lambda about: about["bank"]["weights"]["values"].pop()),
        described(lambda about: about["bank"]["weights"].update(dtype="none")),
        lambda entries: entries.update({"classes.bin": b"\xff" * len(entries["classes.bin"])}),
        described(lambda about: about["bank"].pop("weights")),
        described(lambda about: about.update(taxonomy="{")),
    ]
    for k, change in enumerate(changes):
        rewritten(made.path, broken, change)
        with pytest.raises(KaryoscopeError) as refusal:
            read_packed(broken, made.recipe)
        assert "\n" not in str(refusal.value), k
        assert str(broken) in str(refusal.value), k
    whole = made.path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    for data in (whole[:4], whole[: len(whole) // 2], flipped):
        broken.write_bytes(data)
        with pytest.raises(KaryoscopeError):
            read_both(broken, made.recipe)


def test_a_set_of_another_recipe_is_named(made):
    for changes, message in (
        (["taxonomy=lizard"], "has the classes nucleus, the recipe neutrophil"),
        (["mpp=0.25"], "is at 0.5 µm/px, the recipe at 0.25"),
    ):
        other = load_recipe(made.folder / "recipe.yaml", changes)
        for read in (read_packed, read_packed_validation):
            with pytest.raises(KaryoscopeError, match=message):
                read(made.path, other)


def test_the_command_compresses(made, tmp_path):
    from typer.testing import CliRunner

    from karyoscope.cli.data import app

    out = tmp_path / "new" / "set.zip"
    command = ["pack", str(made.folder / "recipe.yaml"), "--compress", "--out"]
    done = CliRunner().invoke(app, [*command, str(out)])
    assert done.exit_code == 0, done.output
    assert "3 train and 2 validation images" in done.stdout
    assert "every pixel is as it was" in done.stdout
    assert out.is_file()
    wrong = CliRunner().invoke(app, [*command, str(tmp_path / "set.safetensors")])
    assert wrong.exit_code == 2
