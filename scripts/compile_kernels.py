"""Compile the loops of a first run into an archive that a wheel brings with it.

    python scripts/compile_kernels.py                    # into src/karyoscope/core/compiled
    python scripts/compile_kernels.py build/compiled     # elsewhere

The archive is of this version of Python, of numba and of the sources, and of this system, for any
CPU of a common kind (x86-64-v3, which has AVX2). Where one of them is another, loops are compiled
on the first run, as without it; so for a wheel this is run once for each Python that it is to
serve. At the end a new process checks that nothing of a first run is left to be compiled.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
#: Pixel sizes at which slides are read: finer than the models work at, their own, coarser.
PIXEL_SIZES = (0.25, 0.4, 0.5, 0.6)
CHECK = """
import sys
from pathlib import Path
from karyoscope.core import precompiled
from karyoscope.core.kernels import when_compiling
from karyoscope.inference import find_bundle
from karyoscope.pipeline import FORMATS, warm_up
precompiled.FOLDER = Path(sys.argv[1])
with when_compiling(lambda: print("a first run compiles")):
    warm_up(find_bundle("lizard"), FORMATS, aside=False).join()
"""


def use_loops() -> None:
    """Turn noise into nuclei by every method, and segment it with the shipped models."""
    import cv2
    import numpy as np

    from karyoscope.core.maps import pixel_shape
    from karyoscope.core.taxonomy import Taxonomy
    from karyoscope.features import GROUPS
    from karyoscope.inference import find_bundle
    from karyoscope.inference.find import shipped_models
    from karyoscope.pipeline import FORMATS, LocalExecutor, SegmentOptions, segment_slides, warm_up
    from karyoscope.postprocessing import POSTPROCESSINGS, postprocess

    noise, taxonomy = np.random.default_rng(0), Taxonomy.load("lizard")
    for name, method in POSTPROCESSINGS.items():
        names = {*method.maps, "tp"}
        shapes = {key: (64, 64, *pixel_shape(key, len(taxonomy))) for key in names}
        maps = {key: noise.random(shape, np.float32) for key, shape in shapes.items()}
        postprocess(name, maps, None, taxonomy, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "noise.png")
        cv2.imwrite(str(image), noise.integers(60, 200, (300, 300, 3), np.uint8))
        for model in shipped_models():
            warm_up(find_bundle(model), FORMATS, aside=False).join()
            for mpp in PIXEL_SIZES:
                options = SegmentOptions(FORMATS, mpp=mpp, features=tuple(GROUPS), overwrite=True)
                result = segment_slides(
                    image, Path(folder, "out"), model, options, LocalExecutor("cpu", threads=1)
                )
                if result.failed:
                    raise SystemExit(f"{model} at {mpp} µm/px failed")


def compile_loops(folder: Path) -> Path:
    """Compile for a common kind of CPU, and write the archive."""
    from karyoscope.core import precompiled

    with precompiled.collecting() as compiled:
        use_loops()
    package = Path(precompiled.__file__).parents[1]
    with_loops = {
        p.parent for p in package.rglob("*.py") if "kernels import" in p.read_text("utf-8")
    }
    sources = [path for part in with_loops for path in part.glob("*.py")]
    return precompiled.write_archive(folder, compiled, sources, package)


def main() -> None:
    """Write the archive, and check it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = SOURCE / "karyoscope" / "core" / "compiled"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    folder = parser.parse_args().folder.resolve()
    sys.path.insert(0, str(SOURCE))
    environment = dict(os.environ, PYTHONPATH=str(SOURCE))
    with tempfile.TemporaryDirectory() as cache:
        # Read when numba is imported: an empty cache, so that all is compiled.
        os.environ["NUMBA_CACHE_DIR"] = cache
        from karyoscope.core.precompiled import CPUS, fits, machine

        if not fits():
            print(f"no loops are compiled beforehand on this machine ({platform.machine()})")
            return
        import numba

        name, features = CPUS[machine()]
        numba.config.CPU_NAME = name
        numba.config.CPU_FEATURES = ",".join(f"+{feature}" for feature in features)
        archive = compile_loops(folder)
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", CHECK, str(folder)]
        environment["NUMBA_CACHE_DIR"] = cache
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode or done.stdout:
        archive.unlink()
        raise SystemExit(f"{archive} was removed: {done.stdout.strip() or 'its check failed'}")
    print(f"{archive}: {archive.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
