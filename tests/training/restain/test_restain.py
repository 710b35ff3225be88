"""Training of a RestainNet: settings, tiles, a run that goes on, and what it learns."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("lightning", reason="training needs the [train] extra")

import torch

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import load_stain
from karyoscope.slides import open_slide
from karyoscope.stains import lab_statistics
from karyoscope.training.restain.settings import RestainSettings
from karyoscope.training.restain.tiles import ColourTiles, Target, read_target
from karyoscope.training.restain.train import train_restainer, train_restainer_from

TINY = {"width": 4, "levels": 2, "tile": 32, "batch_size": 2, "critic_width": 4}


@pytest.fixture(scope="module")
def tissue(example_slide):
    with open_slide(example_slide) as slide:
        return slide.read(800, 1000, 200, 150)


@pytest.fixture
def target(tissue):
    return Target([tissue], ["tissue.png"], 0.6)


class TestSettings:
    def test_changes_are_read_as_yaml(self):
        settings = RestainSettings.of_changes(["steps=12", "adversarial=0"], name="x", mpp=None)
        assert (settings.steps, settings.adversarial, settings.name) == (12, 0, "x")
        assert settings.mpp == 0.5

    @pytest.mark.parametrize(
        ("change", "wrong"),
        [("steps", "should read key=value"), ("stepps=1", "stepps: Extra"), ("width=0", "width: ")],
    )
    def test_a_wrong_one_is_named(self, change, wrong):
        with pytest.raises(KaryoscopeError, match=wrong):
            RestainSettings.of_changes([change])


class TestTiles:
    def test_a_batch_depends_on_its_number_alone(self, tissue):
        tiles = ColourTiles([tissue, tissue[:50, :60]], 32, 3, seed=1)
        first = iter(tiles)
        batches = [next(first) for _ in range(3)]
        assert batches[0].shape == (3, 3, 32, 32)
        assert 0 <= batches[0].min() <= batches[0].max() <= 1
        torch.testing.assert_close(tiles.batch(2), batches[2])
        assert not torch.equal(batches[0], batches[1])
        later = ColourTiles([tissue, tissue[:50, :60]], 32, 3, seed=1, first_step=2)
        torch.testing.assert_close(next(iter(later)), batches[2])

    def test_images_smaller_than_a_tile_are_mirrored(self, tissue):
        batch = ColourTiles([tissue[:10, :20]], 32, 2).batch(0)
        assert batch.shape == (2, 3, 32, 32)

    def test_files_are_trained_on_in_one_call(self, tissue, tmp_path):
        Image.fromarray(tissue).save(tmp_path / "a.png")
        changes = [f"{name}={value}" for name, value in TINY.items()]
        bundle = train_restainer_from(
            [str(tmp_path / "a.png")],
            tmp_path / "run",
            changes=[*changes, "steps=1"],
            file_mpp=0.5,
            device="cpu",
        )
        assert bundle == tmp_path / "run" / "bundle"
        assert RestainSettings.read(tmp_path / "run" / "settings.yaml").name == "run"
        assert load_stain(str(bundle), 0.5, 1) is not None

    def test_the_target_is_read_at_the_scale_of_the_network(self, tissue, tmp_path):
        Image.fromarray(tissue).save(tmp_path / "a.png")
        found = read_target([str(tmp_path)], mpp=0.5, file_mpp=0.25)
        assert [image.shape for image in found.images] == [(75, 100, 3)]
        assert found.names == ["a.png"]
        assert 0.1 < found.density < 2

    def test_targets_that_are_none(self, tmp_path):
        with pytest.raises(KaryoscopeError, match=r"--target: .* holds no slide"):
            read_target([str(tmp_path)], 0.5)
        Image.fromarray(np.full((60, 60, 3), 244, np.uint8)).save(tmp_path / "glass.png")
        with pytest.raises(KaryoscopeError, match="show no stained tissue"):
            read_target([str(tmp_path)], 0.5, 0.5)


class TestRun:
    @pytest.mark.parametrize("adversarial", [0.1, 0])
    def test_a_run_that_was_stopped_goes_on_to_the_same_end(self, target, tmp_path, adversarial):
        whole = RestainSettings(steps=6, adversarial=adversarial, **TINY)
        train_restainer(whole, target, tmp_path / "whole", device="cpu")
        # Over the first two steps the rate is flat in both.
        half = whole.model_copy(update={"steps": 2})
        path = tmp_path / "half"
        train_restainer(half, target, path, device="cpu")
        with pytest.raises(KaryoscopeError, match="holds a run already"):
            train_restainer(whole, target, path, device="cpu")
        train_restainer(whole, target, path, resume=True, device="cpu")
        expected, found = (
            torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
            for folder in (tmp_path / "whole", path)
        )
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=name)
        assert (path / "log.csv").is_file()
        assert RestainSettings.read(path / "settings.yaml") == whole

    def test_nothing_to_resume(self, target, tmp_path):
        with pytest.raises(KaryoscopeError, match="nothing to resume"):
            train_restainer(RestainSettings(steps=1, **TINY), target, tmp_path, resume=True)

    @pytest.mark.slow
    def test_it_learns_the_colours_of_its_target(self, target, tissue, tmp_path):
        settings = RestainSettings(steps=150, adversarial=0, lr=5e-3, **TINY)
        bundle = train_restainer(settings, target, tmp_path / "run", device="cpu")
        other = tissue[..., [2, 0, 1]]
        slide = load_stain(bundle, threads=1).over(open_slide(other, mpp=0.5))
        found = slide.read(0, 0, 200, 150)
        wanted, before, after = (
            lab_statistics(image.reshape(-1, 3))[0] for image in (tissue, other, found)
        )
        assert np.linalg.norm(after - wanted) < np.linalg.norm(before - wanted) / 3
