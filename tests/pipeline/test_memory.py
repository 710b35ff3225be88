"""The peak memory of a run does not depend on the size of the slide."""

import subprocess
import sys
from pathlib import Path

import pytest

from tiny_model import write_card

RUN = """
import resource, sys
from pathlib import Path
import numpy as np
from karyoscope.inference import Bundle, Engine, Model
from karyoscope.pipeline import Layout, SegmentOptions, segment_file
from karyoscope.slides import Slide
from karyoscope.slides.scale import RecordedScale
from karyoscope.slides.grid import Level

class Lattice(Slide):
    '''Dark squares of 12 pixels, one in each 32 x 32, that are drawn as they are read.'''

    format = "lattice"

    @classmethod
    def recognises(cls, path, head):
        return False

    def _open(self):
        self.levels = [Level(7000, HEIGHT)]

    def _recorded_scale(self):
        return RecordedScale((0.5, 0.5), None)

    def _read_level(self, level, x, y, width, height):
        rows = (np.arange(y, y + height) % 32 < 12)[:, None]
        columns = (np.arange(x, x + width) % 32 < 12)[None]
        out = np.full((height, width, 3), 240, np.uint8)
        out[rows & columns] = (90, 60, 140)
        return out

class Dark(Engine):
    device = "NumPy"

    def run(self, images):
        inside = (images[..., 0] < 128).astype(np.float32)
        classes = np.stack([1 - inside, inside, 0 * inside], -1)[:, ::2, ::2]
        return {"inside": inside, "boundary": 0 * inside, "tp": classes}

HEIGHT, bundle, out = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
import karyoscope.pipeline.to_files as module
module.open_slide = lambda path, *scale, **options: Lattice(path)
module.layout_for = lambda model, area: Layout(
    area.grid.width, area.grid.height, 32, 64, largest=640, within=area.on_grid
)
(out.parent / f"{HEIGHT}.lattice").write_bytes(b"x")
options = SegmentOptions(("geojson", "parquet", "csv", "labels"), tissue="none")
model = Model(Bundle(bundle), Dark())
summary = segment_file(out.parent / f"{HEIGHT}.lattice", out, model, options)
print(summary["nuclei"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def nuclei_and_peak_mb(height: int, bundle: Path, out: Path) -> tuple[int, int]:
    command = [sys.executable, "-c", RUN, str(height), str(bundle), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nuclei, peak = map(int, done.stdout.split())
    return nuclei, peak


@pytest.mark.slow
def test_the_peak_does_not_grow_with_the_slide(tmp_path):
    bundle = write_card(tmp_path / "bundle", files={"model.onnx": "0" * 64})
    small, peak = nuclei_and_peak_mb(2240, bundle, tmp_path / "small")
    large, peak_of_large = nuclei_and_peak_mb(11200, bundle, tmp_path / "large")
    assert small == 219 * 70
    assert large == 219 * 350
    # Row groups and buffers of writers are full on the large one only.
    assert peak_of_large < 1.1 * peak + 40, (peak, peak_of_large)
