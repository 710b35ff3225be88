"""Slides with other colours: independent of windows, and stated in the summary."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from restain_bundles import write_restain_bundle

from karyoscope import open_slide, segment
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.staining import natural_density
from karyoscope.inference import Bundle, load_model
from karyoscope.inference.restain_bundle import RestainBundle
from karyoscope.pipeline import SegmentOptions, load_stain, segment_file
from karyoscope.pipeline.stains.restainer import grey_density
from karyoscope.pipeline.stains.sampling import sample_pixels, sample_windows
from karyoscope.stains import lab_statistics, tissue_pixels
from karyoscope.stains.deconvolution import rgb_of_density

SPECS = ["macenko", "reinhard", "clahe", "restain"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_restain_bundle(tmp_path_factory.mktemp("restain") / "bundle")


@pytest.fixture(scope="module")
def tissue(example_slide):
    with open_slide(example_slide) as slide:
        return slide.read(800, 1000, 300, 220)


@pytest.fixture(scope="module")
def target(tissue, tmp_path_factory):
    """The same tissue, paler and less red."""
    path = tmp_path_factory.mktemp("target") / "pale.png"
    Image.fromarray(rgb_of_density(natural_density(tissue) * (0.8, 0.7, 0.6))).save(path)
    return path


@pytest.fixture(scope="module", params=SPECS)
def stain(request, target, bundle):
    specs = {"clahe": "clahe", "restain": bundle}
    return load_stain(specs.get(request.param, f"{request.param}:{target}"), 0.5, threads=1)


class TestAnyStain:
    @settings(
        max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.data())
    def test_a_window_is_part_of_the_whole(self, stain, tissue, data):
        slide = stain.over(open_slide(tissue, mpp=0.5), 0.5)
        height, width = tissue.shape[:2]
        whole = slide.read(0, 0, width, height, 0.5)
        left, top = (data.draw(st.integers(-20, edge - 1)) for edge in (width, height))
        columns, rows = (data.draw(st.integers(1, 120)) for _ in range(2))
        part = slide.read(left, top, columns, rows, 0.5)
        assert part.shape == (rows, columns, 3)
        expected = np.full((rows, columns, 3), 255, np.uint8)
        y0, x0 = max(0, -top), max(0, -left)
        ends = max(0, top + rows), max(0, left + columns)
        inside = whole[max(0, top) : ends[0], max(0, left) : ends[1]]
        expected[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]] = inside
        # Sums of a convolution may be added up in another order.
        assert np.abs(part.astype(int) - expected).max() <= 1

    def test_colours_change_and_the_slide_stays(self, stain, tissue):
        before = tissue.copy()
        slide = stain.over(open_slide(tissue, mpp=0.5))
        assert np.abs(slide.read(0, 0, 300, 220).astype(int) - tissue).mean() > 5
        np.testing.assert_array_equal(tissue, before)
        assert (slide.size, slide.mpp, slide.name) == ((300, 220), 0.5, "image")
        np.testing.assert_array_equal(slide.thumbnail(2000)[0], tissue)

    def test_it_is_itself_in_another_process(self, stain, tissue):
        slide = stain.over(open_slide(tissue, mpp=0.5))
        expected = slide.read(10, 20, 50, 60)
        other = pickle.loads(pickle.dumps(stain))
        assert other.identity == stain.identity
        for there in (other.over(open_slide(tissue, mpp=0.5)), pickle.loads(pickle.dumps(slide))):
            np.testing.assert_array_equal(there.read(10, 20, 50, 60), expected)
            assert (there.size, there.mpp, there.name) == ((300, 220), 0.5, "image")

    def test_blank_glass_is_read(self, stain):
        glass = open_slide(np.full((50, 70, 3), 244, np.uint8), mpp=0.5)
        assert stain.over(glass).read(0, 0, 70, 50).shape == (50, 70, 3)

    def test_its_identity_is_plain_data(self, stain):
        assert json.loads(json.dumps(stain.identity)) == stain.identity
        assert stain.identity["name"] in SPECS


def test_the_target_s_colours_are_reached(tissue, target):
    wanted = np.asarray(Image.open(target))
    for name in ("macenko", "reinhard"):
        slide = load_stain(f"{name}:{target}").over(open_slide(tissue, mpp=0.5))
        found = slide.read(0, 0, 300, 220)
        before, after = (np.abs(a.astype(int) - wanted).mean() for a in (tissue, found))
        assert after < before / 3


def test_a_target_may_be_several_images(target, tissue, tmp_path):
    Image.fromarray(tissue).save(tmp_path / "dark.png")
    Image.open(target).save(tmp_path / "pale.png")
    found = load_stain(f"reinhard:{tmp_path}").identity
    both = np.concatenate([np.asarray(Image.open(target)), tissue])
    expected = lab_statistics(both.reshape(-1, 3))
    np.testing.assert_allclose([found["mean"], found["spread"]], expected, atol=1e-3)


def test_a_slide_too_pale_is_made_darker_first(bundle, tissue):
    stain = load_stain(bundle, threads=1)
    pale = (255 - (255 - tissue) // 2).astype(np.uint8)
    for rgb in (pale, tissue):
        found = stain.normaliser.fit(rgb.reshape(-1, 3)).gain
        density = grey_density(rgb.reshape(-1, 3))
        assert found == pytest.approx(np.clip(0.6 / density, 0.5, 2))
    blank = np.full((1000, 3), 250, np.uint8)
    assert stain.normaliser.fit(blank).gain == 1


class TestWrongStains:
    @pytest.mark.parametrize("spec", ["vahadane:x.png", "nowhere", "macenkp"])
    def test_names_that_are_none(self, spec):
        with pytest.raises(KaryoscopeError, match=r"no stain .* macenko, reinhard, clahe"):
            load_stain(spec)

    @pytest.mark.parametrize(
        ("spec", "wrong"),
        [
            ("macenko", "needs a target image: macenko:IMAGE"),
            ("clahe:TARGET", "clahe takes no target image"),
            ("macenko:nowhere.png", "nowhere.png does not exist"),
        ],
    )
    def test_targets(self, spec, wrong, target):
        with pytest.raises(KaryoscopeError, match=wrong):
            load_stain(spec.replace("TARGET", str(target)))

    def test_a_target_without_tissue(self, tmp_path):
        path = tmp_path / "glass.png"
        Image.fromarray(np.full((60, 60, 3), 240, np.uint8)).save(path)
        with pytest.raises(KaryoscopeError, match=r"glass.png': the target image shows no"):
            load_stain(f"macenko:{path}")

    def test_a_model_of_nuclei(self, tiny_bundle):
        with pytest.raises(KaryoscopeError, match="does not re-stain images"):
            load_stain(tiny_bundle)

    def test_another_scale(self, bundle, tissue):
        with pytest.raises(KaryoscopeError, match=r"works at 0.5 µm/px, not at 0.25"):
            load_stain(bundle, threads=1).over(open_slide(tissue, mpp=0.25))


class TestBundle:
    def change(self, bundle, tmp_path, **changes):
        folder = tmp_path / "changed"
        folder.mkdir()
        for file in bundle.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        card = yaml.safe_load((bundle / "model.yaml").read_text("utf-8")) | changes
        (folder / "model.yaml").write_text(yaml.safe_dump(card))
        return folder

    def test_its_card(self, bundle):
        card = RestainBundle(bundle).card
        assert (card.kind, card.name, card.mpp, card.density) == ("restain", "random", 0.5, 0.6)
        assert card.training["target"] == ["target.png"]
        assert set(card.files) == {"model.onnx", "weights.safetensors", "README.md"}

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({"density": -1}, "density: "),
            ({"colour": "red"}, "colour: Extra inputs"),
            ({"format": 9}, "has format 9"),
            ({"files": {"../x": ""}}, "lists '../x'"),
        ],
    )
    def test_a_card_that_is_wrong(self, bundle, tmp_path, changes, wrong):
        with pytest.raises(KaryoscopeError, match=wrong):
            RestainBundle(self.change(bundle, tmp_path, **changes))

    def test_a_graph_that_was_changed(self, bundle, tmp_path):
        folder = self.change(bundle, tmp_path)
        with (folder / "model.onnx").open("ab") as file:
            file.write(b"x")
        with pytest.raises(KaryoscopeError, match=r"is damaged: model.onnx was changed"):
            load_stain(folder)

    def test_it_finds_no_nuclei(self, bundle):
        with pytest.raises(KaryoscopeError, match="re-stains images and finds no nuclei"):
            Bundle(bundle)

    def test_onnx_and_torch_agree(self, bundle, tissue):
        torch = pytest.importorskip("torch")
        from safetensors.torch import load_file

        from karyoscope.networks.restainnet import Restained, RestainNet

        network = RestainNet(**RestainBundle(bundle).card.network.options).eval()
        network.load_state_dict(load_file(bundle / "weights.safetensors"))
        with torch.no_grad():
            expected = Restained(network)(torch.from_numpy(tissue[None]))["rgb"][0].numpy()
        found = load_stain(bundle, threads=1).normaliser.run(tissue)
        assert np.abs(found - 255 * expected).max() < 2


class TestSegment:
    def test_the_summary_says_so_and_the_picture_is_the_slide(
        self, tiny_bundle, target, tissue, tmp_path
    ):
        image = tmp_path / "tissue.png"
        Image.fromarray(tissue).save(image)
        model = load_model(tiny_bundle, "cpu", 1)
        stain = load_stain(f"macenko:{target}", 0.5)
        options = SegmentOptions(formats=["csv"], mpp=0.5, stain=stain)
        summary = segment_file(image, tmp_path / "out", model, options)
        assert summary["run"]["stain"] == stain.identity
        assert summary["run"]["stain"]["target"] == "pale.png"
        plain = segment_file(image, tmp_path / "plain", model, replace(options, stain=None))
        assert plain["run"]["stain"] is None
        assert plain["nuclei"] != summary["nuclei"]
        in_memory = segment(tissue, 0.5, model, stain=f"macenko:{target}")
        assert len(in_memory) == summary["nuclei"]

    def test_another_target_is_another_run(self, target, tissue, tmp_path):
        other = tmp_path / "pale.png"
        Image.fromarray(tissue).save(other)
        runs = [
            SegmentOptions(stain=load_stain(f"macenko:{path}")).identity()["stain"]
            for path in (target, other, target)
        ]
        assert runs[0] != runs[1]
        assert runs[0] == runs[2]


class TestSampling:
    def test_small_slides_are_read_whole(self, tissue):
        (window,) = sample_windows(open_slide(tissue, mpp=0.5), 0.5)
        np.testing.assert_array_equal(window, tissue)

    def test_large_slides_are_sampled_where_tissue_is(self, tissue):
        large = np.full((2600, 3000, 3), 243, np.uint8)
        large[1000:2100, 500:2300] = np.tile(tissue, (5, 6, 1))
        slide = open_slide(large, mpp=0.5)
        pixels = sample_pixels(slide, 0.5)
        assert len(pixels) <= 64 * 256 * 256
        assert len(tissue_pixels(pixels)) > len(pixels) / 3
        np.testing.assert_array_equal(pixels, sample_pixels(slide, 0.5))
