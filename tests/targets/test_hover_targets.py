import numpy as np
import pytest
from hypothesis import given, settings
from label_cases import label_maps

torch = pytest.importorskip("torch")

from karyoscope.targets.hover import hover_maps  # noqa: E402


def test_a_square_by_hand():
    ids = torch.zeros(1, 7, 8, dtype=torch.int32)
    ids[0, 1:6, 2:7] = 9
    horizontal, vertical = hover_maps(ids)[0]
    ramp = torch.tensor([-1, -0.5, 0, 0.5, 1])
    torch.testing.assert_close(horizontal[3, 2:7], ramp)
    torch.testing.assert_close(vertical[1:6, 4], ramp)
    outside = ids[0] == 0
    assert not horizontal[outside].any()
    assert not vertical[outside].any()


def test_each_side_is_scaled_by_its_own_reach_and_half_pixels_round_up():
    ids = torch.zeros(1, 1, 6, dtype=torch.int32)
    ids[0, 0, 1:5] = 1  # centre of mass at 2.5, so at 3
    horizontal = hover_maps(ids)[0, 0, 0]
    torch.testing.assert_close(horizontal, torch.tensor([0, -1, -0.5, 0, 1, 0]))


@settings(max_examples=30, deadline=None)
@given(label_maps())
def test_extremes_are_reached_and_images_do_not_meet(ids):
    maps = hover_maps(ids)
    assert maps.abs().max() <= 1
    assert not maps[(ids == 0)[:, None].expand_as(maps)].any()
    for image, expected in zip(ids, maps, strict=True):
        torch.testing.assert_close(hover_maps(image[None])[0], expected)
        for label in image.unique()[image.unique() > 0]:
            rows, columns = (image == label).nonzero().T
            if columns.max() > columns.min():
                assert expected[0][rows, columns].abs().max() == 1


@settings(max_examples=20, deadline=None)
@given(label_maps())
def test_turning_the_tile_swaps_the_maps(ids):
    horizontal, vertical = hover_maps(ids).unbind(1)
    turned = hover_maps(ids.mT)
    torch.testing.assert_close(turned[:, 0].mT, vertical)
    torch.testing.assert_close(turned[:, 1].mT, horizontal)


@pytest.mark.parametrize("name", ["consep_train_3", "consep_train_8", "glas_12", "glas_12_x2"])
def test_equals_the_authors_targets(shared, name):
    with np.load(shared / "golden" / "hover_maps.npz") as cases:
        ids, expected = cases[f"{name}_inst"], cases[f"{name}_hv"]
    maps = hover_maps(torch.from_numpy(ids)[None], min_pixels=31, offset=1)
    ours = maps[0].permute(1, 2, 0).numpy()
    # The published program skips nuclei within two pixels of the upper or left edge.
    skipped = np.union1d(ids[:2], ids[:, :2])
    compared = ~np.isin(ids, skipped[skipped > 0])
    np.testing.assert_allclose(ours[compared], expected[compared], atol=1e-6)
    assert len(np.unique(ids[compared])) > 40
