"""One bad summary is a failed row, whatever is in it; the others are listed."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import ExportContext, open_writers
from karyoscope.formats.cohort import cohort_rows, cohort_table
from karyoscope.report import write_cohort

BAD = [
    *("", "{", "[]", "3", "null", '"x"', "[" * 100_000, "\xff", "9" * 5000),
    *({"nuclei": "many"}, {"nuclei": None}, {"analysed_mm2": [1]}, {"density_per_mm2": {}}),
    *({"classes": None}, {"classes": [3]}, {"classes": [{"name": 3}]}, {"slide": 7}),
    *({"nuclei": n} for n in (-5, 40.5, True, 10**400, "40", 4)),  # 5 are in its classes
    *({"mpp": ""}, {"mpp": []}, {"mpp_source": 3}),
    *({"tissue_mm2": -1}, {"mean_area_um2": 1e300}, {"density_per_mm2": float("inf")}),
    *({"model": []}, {"warnings": 3}, {"warnings": [3]}, {"nuclei": float("nan")}),
]


@pytest.fixture
def results(tmp_path):
    taxonomy = Taxonomy.load("lizard")
    context = ExportContext("a.svs", (900, 900), 0.5, taxonomy, model="m", model_version="1")
    for stem in ("good", "bad"):
        with open_writers(tmp_path, stem, ("csv",), context) as writers:
            writers.write(make_nuclei(5))
    return tmp_path


@pytest.mark.parametrize("change", BAD, ids=lambda change: str(change)[:20])
def test_a_bad_summary_is_a_failed_row(results, change):
    path = results / "bad.summary.json"
    sound = json.loads(path.read_text("utf-8"))
    text = change if isinstance(change, str) else json.dumps(sound | change)
    path.write_text(text, encoding="latin-1")
    write_cohort(results)
    rows = cohort_rows(results)
    cohort_table(rows)
    assert {row["result"]: row["status"] for row in rows} == {"good": "ok", "bad": "failed"}


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_ANYTHING = st.recursive(_PLAIN, lambda inner: st.lists(inner, max_size=2), max_leaves=4)


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_of_a_summary_ends_the_cohort(results, data):
    sound = json.loads((results / "good.summary.json").read_text("utf-8"))
    name = data.draw(st.sampled_from(sorted(sound)))
    changed = json.dumps(sound | {name: data.draw(_ANYTHING)})
    (results / "bad.summary.json").write_text(changed)
    write_cohort(results)
    rows = {row["result"]: row for row in cohort_rows(results)}
    cohort_table(list(rows.values()))
    assert rows["good"]["status"] == "ok"
    nuclei = rows["bad"]["nuclei"]
    assert nuclei is None or (isinstance(nuclei, int) and nuclei >= 5)


def test_the_summary_knows_the_files(results):
    files = json.loads((results / "good.summary.json").read_text("utf-8"))["files"]
    assert list(files) == ["good.csv"]
    assert files["good.csv"]["bytes"] == (results / "good.csv").stat().st_size
    assert np.char.str_len(files["good.csv"]["sha256"]) == 64
