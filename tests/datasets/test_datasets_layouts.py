"""What is particular to single layouts."""

import numpy as np
import pytest
import scipy.io
from dataset_layouts import CASES
from dataset_pictures import pictures

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import common_taxonomy, merge_classes, open_dataset
from karyoscope.datasets.writing import write_label_image, write_png


def written(name, root):
    made = pictures(CASES[name])
    CASES[name].write(root, made)
    return made


@pytest.fixture
def image():
    return np.full((40, 60, 3), 200, np.uint8)


def test_lizard_sources_are_slides_where_the_table_names_them(tmp_path):
    written("lizard", tmp_path)
    info = tmp_path / "Lizard_Labels" / "info.csv"
    info.write_text("Filename,Source,Split\ndpath_2,slide-7-lv1-10-20-30-40,2\nglas_1,None,3\n")
    records = open_dataset(tmp_path).records
    assert [(r.source, r.cohort, r.split) for r in records] == [
        ("dpath:slide-7", "dpath", "2"),
        ("glas:glas_1", "glas", "3"),
    ]


def test_consep_merges_to_the_four_classes_of_hovernet(tmp_path):
    written("consep", tmp_path)
    dataset = open_dataset(tmp_path)
    four = Taxonomy.load("consep4")
    merged = merge_classes(dataset, four)
    table = np.array([0, 1, 2, 3, 3, 4, 4, 4])
    assert len(merged) == 2
    for before, after in zip(dataset, merged, strict=True):
        assert after.taxonomy == four
        np.testing.assert_array_equal(after.inst_map, before.inst_map)
        np.testing.assert_array_equal(after.class_map, table[before.class_map])
    assert merge_classes(merged, four) is merged
    assert merged.whole().taxonomy == four


def test_consep_with_too_few_classes_is_named(tmp_path):
    written("consep", tmp_path)
    path = next(tmp_path.glob("Train/Labels/*.mat"))
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("_")}
    content["inst_type"] = content["inst_type"][:-1]
    scipy.io.savemat(path, content)
    dataset = open_dataset(tmp_path)
    assert len(list(dataset)) == 1
    assert "classes in inst_type" in dataset.problems[0]


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("lizard", "consep4", "consep4"),
        ("lizard", "pannuke", "consep4"),
        ("pannuke", "monusac", "consep4"),
        ("consep", "pannuke", "consep4"),
        ("lizard", "crchisto", "crchisto"),
        ("lizard", "lizard", "lizard"),
        ("lizard", "nucleus", "nucleus"),
        ("qu", "nucls", "nucls"),
    ],
)
def test_taxonomies_meet_in_the_finest_common_one(first, second, common):
    found = common_taxonomy(Taxonomy.load(first), Taxonomy.load(second))
    assert found.name == common


def test_kumar_split_is_16_to_14():
    from karyoscope.datasets.kumar import IMAGES

    splits = [split for _, split in IMAGES.values()]
    assert (splits.count("train"), splits.count("test")) == (16, 14)
    assert len(IMAGES) == 30


def test_monuseg_test_images_have_a_split_of_their_own(tmp_path):
    made = pictures(CASES["kumar"])
    made = [
        type(p)(f"TCGA-2Z-A9J{i}-01A-01-TS1", "", *list(vars(p).values())[2:])
        for i, p in enumerate(made)
    ]
    CASES["kumar"].write(tmp_path / "MoNuSegTestData", made)
    records = open_dataset(tmp_path, "kumar").records
    assert {r.split for r in records} == {"monuseg_test"}
    assert {r.source for r in records} == {"TCGA-2Z-A9J0", "TCGA-2Z-A9J1"}


def test_cpm15_knows_which_images_are_20x(tmp_path):
    written("cpm15", tmp_path)
    assert {s.record.name: s.mpp for s in open_dataset(tmp_path)} == {
        "image01": 0.5,
        "image09": 0.25,
    }


def test_images_that_both_parts_of_cpm17_number_alike_are_told_apart(tmp_path):
    written("cpm17", tmp_path)
    before = {record.name: record.split for record in open_dataset(tmp_path, "cpm17").records}
    assert before == {"image_00": "train", "image_31": "test"}
    for path in list(tmp_path.rglob("image_31*")):
        path.rename(path.with_name(path.name.replace("image_31", "image_00")))
    dataset = open_dataset(tmp_path, "cpm17")
    found = {record.name: record.split for record in dataset.records}
    assert found == {"test_image_00": "test", "train_image_00": "train"}
    assert len(list(dataset)) == 2
    assert dataset.problems == []


def test_crchisto_points_count_from_the_corner(tmp_path, image):
    folder = tmp_path / "img1"
    write_png(folder / "img1.png", image)
    detection = np.array([[1.0, 1.0], [5.0, 9.0]])
    scipy.io.savemat(folder / "img1_detection.mat", {"detection": detection})
    scipy.io.savemat(folder / "img1_epithelial.mat", {"detection": detection[:1]})
    scipy.io.savemat(folder / "img1_others.mat", {"detection": np.zeros((0, 0))})
    sample = next(iter(open_dataset(tmp_path)))
    assert sample.points.tolist() == [[0.5, 0.5, 1], [4.5, 8.5, 0]]
    merged = merge_classes(open_dataset(tmp_path), Taxonomy.load("consep4"))
    assert next(iter(merged)).points.tolist() == [[0.5, 0.5, 3], [4.5, 8.5, 0]]


def test_monusac_ambiguous_regions_are_ignored_and_its_scale_is_its_own(tmp_path):
    written("monusac", tmp_path)
    path = sorted(tmp_path.rglob("*.xml"))[0]
    path.write_text(path.read_text("utf-8").replace('Name="Neutrophil"', 'Name="Ambiguous"'))
    sample = next(s for s in open_dataset(tmp_path) if s.record.name == path.stem)
    assert sample.ignore.dtype == bool
    assert sample.ignore.any()
    assert not (sample.ignore & (sample.inst_map > 0)).any()
    assert sample.mpp == 0.252
    assert sample.record.source == "TCGA-55-1594"


def test_nucls_boxes_are_ignored_not_taken_for_outlines(tmp_path, image):
    write_png(tmp_path / "rgb" / "a.png", image)
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a.csv").write_text(
        "raw_classification,super_classification,type,xmin,ymin,xmax,ymax,coords_x,coords_y\n"
        'tumor,tumor_any,polyline,2,2,8,8,"2,8,8,2","2,2,8,8"\n'
        "lymphocyte,sTIL,rectangle,5,5,20,20,,\n"
        'unlabeled,AMBIGUOUS,polyline,30,2,34,8,"30,34,34,30","2,2,8,8"\n'
    )
    sample = next(iter(open_dataset(tmp_path)))
    assert np.bincount(sample.inst_map.ravel())[1:].tolist() == [36, 24]
    assert sample.classes.tolist() == [0, 1, 0]
    assert sample.ignore.sum() == 15 * 15 - 9


def test_nucls_with_an_unknown_class_is_named(tmp_path, image):
    written("nucls", tmp_path)
    path = sorted(tmp_path.glob("csv/*.csv"))[0]
    path.write_text(path.read_text("utf-8").replace("tumor_any", "martian"))
    dataset = open_dataset(tmp_path)
    assert len(list(dataset)) == 1
    assert "unknown super-class 'martian'" in dataset.problems[0]


def test_pannuke_in_flat_folders_and_with_overlaps(tmp_path):
    folder = tmp_path / "fold2"
    folder.mkdir()
    masks = np.zeros((1, 256, 256, 6))
    masks[0, 10:20, 10:20, 0] = 7
    masks[0, 15:25, 15:25, 3] = 7  # the same id in another channel is another nucleus
    np.save(folder / "images.npy", np.full((1, 256, 256, 3), 300.0))
    np.save(folder / "masks.npy", masks)
    dataset = open_dataset(tmp_path)
    sample = next(iter(dataset))
    assert sample.record.split == "2"
    assert sample.image.max() == 255
    assert np.bincount(sample.inst_map.ravel())[1:].tolist() == [75, 100]
    assert sample.classes.tolist() == [0, 1, 4]


def test_pannuke_cohorts_are_tissues(tmp_path):
    written("pannuke", tmp_path)
    assert {r.cohort for r in open_dataset(tmp_path).records} == {"Breast"}


def test_qu_classes_are_ids_modulo_three(tmp_path, image):
    inst_map = np.zeros((40, 60), np.int32)
    for i in range(1, 7):
        inst_map[4:8, 8 * i : 8 * i + 4] = i
    write_png(tmp_path / "images" / "a.png", image)
    write_label_image(tmp_path / "labels_instance", "a_label", inst_map)
    sample = next(iter(open_dataset(tmp_path)))
    names = [sample.taxonomy.by_id(c).name for c in sample.classes[1:]]
    assert names == ["lymphocyte", "stroma", "tumor"] * 2


def test_numbered_classes_need_names(tmp_path, image):
    written("folder", tmp_path)
    (tmp_path / "dataset.yaml").unlink()
    table = sorted(tmp_path.glob("labels/*.csv"))[0]
    table.write_text("id,class\n1,3\n")
    with pytest.raises(KaryoscopeError, match="--classes"):
        open_dataset(tmp_path)
    sample = next(iter(open_dataset(tmp_path, taxonomy=Taxonomy.load("lizard"))))
    assert sample.classes[1] == 3


def test_records_table_overrides_and_names_what_is_missing(tmp_path):
    written("folder", tmp_path)
    (tmp_path / "records.csv").write_text("name,source,split\na_1,slide 1,train\nzz,s,test\n")
    dataset = open_dataset(tmp_path)
    assert [(r.source, r.split) for r in dataset.records] == [("slide 1", "train"), ("b_2", "")]
    assert dataset.problems == ["records.csv: no readable image called zz"]


@pytest.mark.parametrize("name", ["conic", "pannuke"])
def test_damaged_arrays_are_named(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    damaged = sorted(tmp_path.glob("labels.npy" if name == "conic" else case.labels))[0]
    damaged.write_bytes(damaged.read_bytes()[:200])
    if name == "conic":
        with pytest.raises(KaryoscopeError, match=r"labels\.npy"):
            open_dataset(tmp_path, name)
    else:
        dataset = open_dataset(tmp_path, name)
        assert len(list(dataset)) == 1
        assert "masks.npy" in dataset.problems[0]


def test_two_label_files_of_one_image_are_refused(tmp_path, image):
    write_png(tmp_path / "images" / "a.png", image)
    labels = np.zeros((40, 60), np.int32)
    labels[2:9, 2:9], labels[20:30, 20:30] = 1, 2
    write_label_image(tmp_path / "labels", "a", labels)
    assert len(open_dataset(tmp_path, "folder")) == 1
    np.save(tmp_path / "labels" / "a.npy", labels * 2)
    with pytest.raises(KaryoscopeError, match="both are the labels"):
        open_dataset(tmp_path, "folder")


def test_images_of_one_name_in_two_splits_are_refused(tmp_path, image):
    labels = np.zeros((40, 60), np.int32)
    labels[2:9, 2:9], labels[20:30, 20:30] = 1, 2
    for part, brightness in (("train", 0), ("test", 9)):
        write_png(tmp_path / part / "images" / "a.png", image + np.uint8(brightness))
        write_label_image(tmp_path / part / "labels", "a", labels)
    with pytest.raises(KaryoscopeError, match="rename one"):
        open_dataset(tmp_path, "folder")
