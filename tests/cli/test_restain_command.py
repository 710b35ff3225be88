"""``karyoscope restain``: what it takes, writes and prints."""

import numpy as np
import pytest
from PIL import Image

from karyoscope.slides import open_slide
from karyoscope.stains import lab_statistics


@pytest.fixture
def target(tissue, tmp_path):
    """Brighter tissue."""
    path = tmp_path / "target.png"
    Image.fromarray((255 - (255 - tissue) // 2).astype(np.uint8)).save(path)
    return path


def test_images_are_written_with_the_target_s_colours(run, picture, target, tmp_path):
    out = tmp_path / "out"
    command = ["restain", "apply", picture, "--model", "reinhard", "--target", target]
    result = run(*command, "--out", out, "--mpp", 0.5)
    assert result.code == 0
    assert result.out.strip() == str(out / "tissue.png")
    assert [path.name for path in out.iterdir()] == ["tissue.png"]
    found, wanted = (np.asarray(Image.open(p)).reshape(-1, 3) for p in (out / "tissue.png", target))
    difference = lab_statistics(found)[0] - lab_statistics(wanted)[0]
    assert np.abs(difference).max() < 5
    again = run(*command, "--out", out, "--mpp", 0.5)
    assert again.code == 1
    assert "tissue.png exists: give --overwrite" in again.err
    assert run(*command, "--out", out, "--mpp", 0.5, "--overwrite").code == 0


def test_a_slide_becomes_a_slide(run, example_slide, target, tmp_path):
    command = ["restain", "apply", example_slide, "--model", "macenko", "--target", target]
    result = run(*command, "--out", tmp_path / "out")
    assert result.code == 0
    with open_slide(example_slide) as before, open_slide(result.out.strip()) as after:
        assert after.size == before.size
        assert after.mpp == pytest.approx(before.mpp, rel=1e-4)
        assert [round(level.downsample_x) for level in after.levels] == [1, 2]
        window = 900, 1000, 256, 256
        assert after.read(*window).mean() > before.read(*window).mean() + 20
        coarse = after.read(225, 250, 64, 64, 4 * after.mpp)
        assert np.abs(coarse.mean((0, 1)) - after.read(*window).mean((0, 1))).max() < 3


def test_inputs_that_fail_are_named_and_the_others_go_on(run, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    result = run(
        *("restain", "apply", bad, picture, tmp_path / "none.png", "--model", "clahe"),
        *("--out", tmp_path / "out", "--mpp", 0.5),
    )
    assert result.code == 1
    assert (tmp_path / "out" / "tissue.png").exists()
    assert "none.png does not exist" in result.err
    assert "bad.png" in result.err
    assert "2 of 3 inputs failed" in result.lines[-1]


def test_a_model_that_is_none_is_one_line(run, picture, tmp_path):
    result = run("restain", "apply", picture, "--model", "vahadane", "--out", tmp_path / "out")
    assert result.code == 1
    assert len(result.lines) == 1
    assert "macenko, reinhard, clahe" in result.err


def test_segment_shows_the_model_another_staining(segment, picture, target, tmp_path):
    plain = segment(picture, "--mpp", 0.5, "--json")
    stained = segment(
        *(picture, "--mpp", 0.5, "--json", "--stain", f"macenko:{target}"),
        *("--out", tmp_path / "stained"),
    )
    assert stained.code == 0
    assert '"name": "macenko"' in stained.out
    assert '"target": "target.png"' in stained.out
    assert '"stain": null' in plain.out


def test_results_of_another_staining_are_not_taken_for_these(segment, picture, target):
    assert segment(picture, "--mpp", 0.5).code == 0
    again = segment(picture, "--mpp", 0.5)
    assert "done before with the same settings" in again.err
    other = segment(picture, "--mpp", 0.5, "--stain", f"macenko:{target}")
    assert other.code == 1
    assert "done before" not in other.err


@pytest.mark.slow
def test_train_and_apply(run, picture, tmp_path):
    pytest.importorskip("lightning", reason="training needs the [train] extra")
    tiny = ["width=4", "levels=2", "tile=32", "batch_size=2", "steps=2", "critic_width=4"]
    changes = [x for change in tiny for x in ("--set", change)]
    result = run(
        *("restain", "train", "--target", picture, "--mpp", 0.5, "--out", tmp_path / "pale"),
        *(*changes, "--device", "cpu", "--workers", 1),
    )
    assert result.code == 0, result.err
    bundle = tmp_path / "pale" / "bundle"
    assert result.out.splitlines()[-1] == str(bundle)
    applied = run(
        *("restain", "apply", picture, "--model", bundle, "--mpp", 0.5, "--workers", 1),
        *("--out", tmp_path / "out"),
    )
    assert applied.code == 0, applied.err
    assert Image.open(tmp_path / "out" / "tissue.png").size == (400, 300)
