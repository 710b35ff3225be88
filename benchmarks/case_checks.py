"""The cases of benchmarks/cases.py: each runs a generator of ../shared/cases, then the program."""

from __future__ import annotations

import ast
import csv
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from case_bench import EXAMPLE, MOST_BYTES, Bench, Skipped, near, require


def densities(bench: Bench, script: str, arguments: tuple[int, ...]) -> str:
    """Nuclei and density of the same tissue on other ground: about 287 on 0.25 mm²."""
    found = []
    for value in arguments:
        bench.make(script, bench.folder / "a.tif", value)
        bench.segment(bench.folder / "a.tif", "--overwrite")
        found.append(bench.summary())
    seen = "; ".join(
        f"{value}: {s['nuclei']} nuclei, {s['density_per_mm2']:.0f}/mm²"
        for value, s in zip(arguments, found, strict=True)
    )
    first = found[0]["density_per_mm2"]
    same = all(
        near(s["density_per_mm2"], first, 0.01) and near(s["nuclei"], 287, 0.05) for s in found
    )
    require(same and near(first, 1150, 0.05), seen)
    return seen


def black_padding(bench: Bench) -> str:
    return densities(bench, "black_padding.py", (0, 255))


def density_by_file_size(bench: Bench) -> str:
    return densities(bench, "density_by_file_size.py", (2800, 2900, 4000))


def dataset_exif(bench: Bench) -> str:
    qualities = {}
    for orientation in (1, 3, 6):
        data = bench.folder / f"turned-{orientation}"
        bench.make("dataset_exif.py", data, orientation)
        given = ["evaluate", "--model", "lizard", "--truth", data, "--layout", "folder"]
        given += ["--mpp", 0.5, "--protocol", "hovernet", "--out", bench.folder / f"e{orientation}"]
        ended = bench.call(bench.program, *given, "--json")
        require(ended.code == 0, ended.err)
        (found,) = set(re.findall(r'"pq": ([0-9.]+)', ended.out)[:1])
        qualities[orientation] = float(found)
        require(orientation == 1 or "orientation" in ended.err, f"no warning: {ended.err}")
    seen = ", ".join(f"orientation {o}: PQ {q:.3f}" for o, q in qualities.items())
    require(len(set(qualities.values())) == 1 and qualities[1] > 0.8, seen)
    return seen


def fluorescence(bench: Bench) -> str:
    bench.make("fluorescence.py", bench.folder / "a.ome.tif")
    ended = bench.segment(bench.folder / "a.ome.tif")
    warned = [w for w in bench.summary()["warnings"] if "H&E" in w] if ended.code == 0 else []
    require(ended.code == 1 or (bool(warned) and warned[0] in ended.err), ended.err)
    return ended.line


def mpp_ten_times_off(bench: Bench) -> str:
    bench.make("mpp_ten_times_off.py", bench.folder / "a.tif")
    ended = bench.segment(bench.folder / "a.tif")
    require(ended.code == 1 and "0.025" in ended.line, ended.err)
    return ended.line


def name_not_utf8(bench: Bench) -> str:
    bench.make("name_not_utf8.py", bench.folder / "images")
    ended = bench.segment(bench.folder / "images", "--mpp", 0.5)
    with (bench.folder / "out" / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    require(len(rows) == 2 and ended.code == 0, f"exit {ended.code}, {len(rows)} rows: {ended.err}")
    return f"exit 0, both in cohort.csv: {[row['slide'] for row in rows]}"


def stdout_not_utf8(bench: Bench) -> str:
    images = bench.folder / "images"
    bench.make("name_not_utf8.py", images)
    for name in os.listdir(os.fsencode(images)):
        if name != b"a.png":
            os.rename(os.fsencode(images) + b"/" + name, os.fsencode(images) + b"/b.png")
    ended = bench.make("stdout_not_utf8.sh", images)
    made = {"a.csv", "b.csv", "cohort.csv"} <= set(ended.out.split())
    require("exit 0" in ended.out and made, ended.out + ended.err)
    return "exit 0; a.csv, b.csv, cohort.csv"


def ome_two_scenes(bench: Bench) -> str:
    slide = bench.folder / "a.ome.tif"
    bench.make("ome_two_scenes.py", slide)
    ended = bench.segment(slide)
    require("it holds 2 images" in ended.err and "--scene" in ended.err, ended.err)
    counts = []
    for scene in (1, 2):
        bench.segment(slide, "--scene", scene, out=f"out-{scene}")
        counts.append(bench.summary(f"out-{scene}")["nuclei"])
    require(near(sum(counts), 293, 0.05), str(counts))
    return f"{ended.line}; by --scene {counts} nuclei"


def orientation_tag(bench: Bench) -> str:
    bench.make("orientation_tag.py", bench.folder / "a.tif")
    ended = bench.segment(bench.folder / "a.tif")
    require("orientation" in ended.err and "as stored" in ended.err, ended.err)
    require(any("orientation" in w for w in bench.summary()["warnings"]), "not in the summary")
    return ended.line


def scn_tissue_from_qupath(bench: Bench) -> str:
    slide = bench.folder / "a.scn"
    bench.make("scn_tissue_from_qupath.py", slide)
    bench.segment(slide, "--tissue", slide.with_suffix(".geojson"))
    bench.segment(slide, out="whole")
    part, whole = bench.summary()["nuclei"], bench.summary("whole")["nuclei"]
    # 64 of the 150 that are drawn lie in the left half.
    require(near(part, 64, 0.1) and near(whole, 143, 0.05), f"{part} of {whole}")
    return f"{part} of {whole} nuclei"


def svs_roi_smaller_than_macro(bench: Bench) -> str:
    bench.make("svs_roi_smaller_than_macro.py", bench.folder / "a.svs")
    bench.segment(bench.folder / "a.svs")
    found = bench.summary()
    seen = f"{found['size']} px at {found['mpp']} µm, {found['nuclei']} nuclei"
    require(found["size"] == [600, 480] and found["mpp"] == 0.499 and found["nuclei"] > 70, seen)
    return seen


def tiff16_14bit(bench: Bench) -> str:
    deep = bench.folder / "a.tif"
    bench.make("tiff16_14bit.py", deep)
    ended = bench.segment(deep)
    plain = (tifffile.imread(deep) // 64).astype(np.uint8)
    scale = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(bench.folder / "b.tif", plain, photometric="rgb", **scale)
    bench.segment(bench.folder / "b.tif", out="plain")
    found, wanted = bench.summary(), bench.summary("plain")
    seen = " and ".join(
        f"{s['nuclei']} nuclei of {s['mean_area_um2']:.1f} µm²" for s in (found, wanted)
    )
    same = all(near(found[name], wanted[name], 0.02) for name in ("nuclei", "mean_area_um2"))
    require(same, f"{seen} in 8 bits")
    return f"{seen} in 8 bits; {ended.line}"


def tiff_selection_channel(bench: Bench) -> str:
    bench.make("tiff_selection_channel.py", bench.folder / "a.tif")
    ended = bench.segment(bench.folder / "a.tif")
    seen = f"{bench.summary()['nuclei']} nuclei; {ended.line}"
    require(near(bench.summary()["nuclei"], 145, 0.05), seen)
    return seen


def readonly_home_numba(bench: Bench) -> str:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skipped("needs root and setpriv, to run as another user")
    if not Path("/usr/bin/python3.11").exists() or sys.version_info[:2] != (3, 11):
        raise Skipped("needs /usr/bin/python3.11, which the script calls")
    import numpy

    import karyoscope

    packages = [str(Path(module.__file__).parents[1]) for module in (karyoscope, numpy)]
    # Another user must be able to pass through all folders above.
    for package in packages:
        if any(
            not above.stat().st_mode & 0o001 for above in (Path(package), *Path(package).parents)
        ):
            raise Skipped(f"another user cannot read {package}")
    bench.folder.chmod(0o777)
    bench.make("orientation_tag.py", bench.folder / "a.tif")
    (bench.folder / "a.tif").chmod(0o644)
    ended = bench.make("readonly_home_numba.sh", ":".join(packages), bench.folder / "a.tif")
    require("exit 0" in ended.out, ended.out[-500:] + ended.err[-1500:])
    return f"exit 0, {bench.summary('o')['nuclei']} nuclei"


def concurrent_same_folder(bench: Bench) -> str:
    ends = []
    for delay in (0.5, 4):
        out = bench.folder / f"out-{delay}"
        ended = bench.make("concurrent_same_folder.sh", EXAMPLE, out, delay)
        codes = re.findall(r"(?:first|second|third): exit (\d+)", ended.out)
        said = "is writing these results" in ended.err or "done before" in ended.err
        whole = "GeoJSON is broken" not in ended.out and "Traceback" not in ended.err
        require("0" in codes[:2] and codes[2] == "0" and said and whole, ended.out + ended.err)
        ends.append(f"{delay} s apart: exits {', '.join(codes)}")
    return "; ".join(ends) + "; files whole"


def threads_one_model(bench: Bench) -> str:
    lines = bench.make("threads_one_model.py", EXAMPLE).out.splitlines()
    found = [re.fullmatch(r"alone (\d+) in threads (\[.*\])", line) for line in lines]
    same = [m is not None and set(ast.literal_eval(m[2])) == {int(m[1])} for m in found]
    require(len(same) == 6 and all(same), "\n".join(lines))
    return "30 of 30 calls as alone"


def abort_at_exit(bench: Bench) -> str:
    ended = bench.make("abort_at_exit.sh", 3)
    ends = re.findall(r"(\d+) x exit (\d+)", ended.out)
    require(sum(int(n) for n, code in ends if code == "1") == 6, ended.out + ended.err)
    return "6 of 6 exit 1"


def sigint_twice(bench: Bench) -> str:
    ended = bench.make("sigint_twice.py", bench.program, EXAMPLE, 3)
    ends = re.findall(r"(\d) press.*?(\{.*\})", ended.out)
    counted = {presses: ast.literal_eval(found) for presses, found in ends}
    orderly = all(counts == {(130, False, False): 3} for counts in counted.values())
    require(len(counted) == 2 and orderly, ended.out)
    return "6 of 6 exit 130, no abort, no traceback"


def yaml_values(bench: Bench) -> str:
    lines = bench.make("yaml_values.sh").out.splitlines()
    right = [line for line in lines if re.match(r"exit 1 .*: karyoscope: ", line)]
    require(len(lines) == len(right) == 7, "\n".join(lines))
    return "7 of 7 one line, exit 1"


def hostile_tiff(bench: Bench) -> str:
    said = []
    for kind in ("loop", "jpeg_tile", "short_tag"):
        path = bench.folder / f"{kind}.tif"
        bench.make("hostile_tiff.py", kind, path)
        given = ["segment", path, "--mpp", 0.5, "--out", bench.folder / "out"]
        ended = bench.call(bench.program, *given, limit=MOST_BYTES)
        require(ended.code == 1 and ended.line and "Traceback" not in ended.err, ended.err)
        said.append(ended.line.partition(".tif")[2])
    return "; ".join(said)


def zip_bomb(bench: Bench) -> str:
    bench.make("zip_bomb.py", bench.folder / "bomb.zip")
    ended = bench.call(bench.program, "models", bench.folder / "bomb.zip", limit=MOST_BYTES)
    require(ended.code == 1 and len(ended.err.splitlines()) == 1, ended.err)
    return ended.line


ALL: dict[str, Callable[[Bench], str]] = {
    case.__name__: case
    for case in (
        *(black_padding, density_by_file_size, dataset_exif, fluorescence, mpp_ten_times_off),
        *(name_not_utf8, stdout_not_utf8, ome_two_scenes, orientation_tag, scn_tissue_from_qupath),
        *(svs_roi_smaller_than_macro, tiff16_14bit, tiff_selection_channel, readonly_home_numba),
        *(concurrent_same_folder, threads_one_model, abort_at_exit, sigint_twice, yaml_values),
        *(hostile_tiff, zip_bomb),
    )
}
