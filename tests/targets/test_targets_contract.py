"""What every registered target does."""

import pytest
from label_cases import NOTHING

torch = pytest.importorskip("torch")

from karyoscope.targets import OF_POINTS, TARGETS, crop_targets, make_targets  # noqa: E402


@pytest.fixture
def labels() -> tuple[torch.Tensor, torch.Tensor]:
    """Two tiles: touching nuclei, one without a class, an unlabelled strip, a corner of points."""
    ids = torch.zeros(2, 32, 48, dtype=torch.int32)
    ids[0, 4:12, 4:14], ids[0, 4:12, 14:22], ids[0, 20:30, 30:40] = 1, 2, 7
    ids[1, 8:20, 10:20] = 3
    ids[:, :, -4:] = -1
    # A corner that is labelled by points: background, halfway between two, two points.
    ids[1, 24:, :16] = -2
    ids[1, 24:, 7:9], ids[1, 26:29, 2:5], ids[1, 26:29, 11:14] = -3, -4, -5
    classes = ids.clamp(0, 3).to(torch.uint8)
    classes[ids == -4] = 2
    classes[ids == 7] = 0
    return ids, classes


@pytest.mark.parametrize("name", sorted(TARGETS))
class TestContract:
    def test_one_value_a_pixel(self, name, labels):
        target = TARGETS[name](*labels)
        assert target.shape[0] == 2
        assert target.shape[-2:] == (32, 48)
        assert target.ndim == 3 or target.shape[1] == 2
        assert target.dtype in (torch.int64, torch.float32)
        assert torch.isfinite(target).all()

    def test_labels_are_left_as_they_were(self, name, labels):
        before = [t.clone() for t in labels]
        TARGETS[name](*labels)
        assert all(torch.equal(a, b) for a, b in zip(labels, before, strict=True))

    def test_tiles_do_not_depend_on_each_other(self, name, labels):
        whole = TARGETS[name](*labels)
        for k in range(2):
            alone = TARGETS[name](*(t[k : k + 1] for t in labels))
            torch.testing.assert_close(alone[0], whole[k])

    def test_labels_of_points_are_none_to_other_targets(self, name, labels):
        ids, classes = labels
        without = TARGETS[name](ids.clamp(min=-1), classes)
        if name in OF_POINTS:
            assert not torch.equal(TARGETS[name](ids, classes), without)
        else:
            assert torch.equal(TARGETS[name](ids, classes), without)

    def test_renaming_nuclei_changes_nothing(self, name, labels):
        ids, classes = labels
        renamed = torch.where(ids > 0, 60 - ids, ids)
        torch.testing.assert_close(TARGETS[name](renamed, classes), TARGETS[name](ids, classes))

    def test_unlabelled_pixels_are_ignored_or_background(self, name, labels):
        target = TARGETS[name](*labels)[..., -4:]
        _, unlabelled = NOTHING.get(name, (0, 255 if target.dtype == torch.int64 else 0))
        assert unlabelled is None or (target == unlabelled).all()

    def test_a_tile_without_nuclei(self, name, labels):
        empty = torch.zeros(1, 16, 16, dtype=torch.int32)
        target = TARGETS[name](empty, empty.to(torch.uint8))
        background, _ = NOTHING.get(name, (0, None))
        assert (target == background).all()

    def test_a_bound_on_the_ids_changes_nothing(self, name, labels):
        for highest in (7, 100):
            assert torch.equal(TARGETS[name](*labels, None, highest), TARGETS[name](*labels))


def test_only_the_named_targets_are_made(labels):
    assert set(make_targets(["np", "hv"], *labels)) == {"np", "hv"}


def test_codes_of_several_classes(labels):
    ids, classes = labels
    sets = torch.tensor([0, 2, 4, 8, 0b1100])
    classes[ids == 2] = 4
    made = make_targets(["types", "class_sets"], ids, classes, sets)
    for label, types, bits in ((0, 0, 1), (1, 1, 2), (2, 255, 12), (3, 3, 8), (7, 255, 0)):
        at = ids == label
        assert (made["types"][at] == types).all()
        assert (made["class_sets"][at] == bits).all()


def test_targets_are_cropped_to_the_outputs(labels):
    targets = make_targets(["np", "hv"], *labels)
    cropped = crop_targets(targets, 5)
    assert cropped["np"].shape == (2, 22, 38)
    assert torch.equal(cropped["hv"], targets["hv"][:, :, 5:-5, 5:-5])
    assert crop_targets(targets, 0)["np"] is targets["np"]
