"""The table of an ablation: its columns, and what of it a terminal of 80 columns holds."""

import io
import json

import pytest

pytest.importorskip("lightning")
pytest.importorskip("timm")

from rich.console import Console

from karyoscope.cli import ablate as command
from karyoscope.training.ablation.grid import Grid, Row, load_grid, shipped_grids
from karyoscope.training.ablation.runs import Ablation, Job, ablate
from karyoscope.training.ablation.settings import AblationSettings
from karyoscope.training.ablation.table import differences, markdown, narrow_tables, table_of


def result_of(pq: float, **classes: float | None) -> dict:
    return {
        "scores": {"pq": pq, "mpq_plus": None, "r2": -0.5}
        | {"classes": {name: {"pq": value} for name, value in classes.items()}},
        "cost": {"images_per_s": 2.0, "parameters": 1_500_000, "gflop_per_mpx": 93.4, "steps": 10},
    }


def test_means_over_seeds_and_dashes_in_the_table():
    row = Row(name="a", corresponds_to="Table 1")
    outcome = Ablation(Grid(name="g", about="What | is compared.", rows=[row]))
    outcome.results = [
        (Job(row, 0), result_of(0.5, plasma=0.25, other=None)),
        (Job(row, 1), result_of(0.7, plasma=None, other=None)),
    ]
    headings, rows = table_of(outcome)
    found = dict(zip(headings, rows[0], strict=True))
    assert found["PQ"] == "0.600 ± 0.141"
    assert found["mPQ+"] == "-"
    assert (found["plasma"], found["other"]) == ("0.250", "-")
    assert (found["M parameters"], found["GFLOP/Mpx"]) == ("1.50", "93")
    outcome.problems = ["b: no such | thing"]
    text = markdown(outcome)
    assert "| a | 0.600 ± 0.141 |" in text
    assert "* b: no such | thing" in text


def test_a_terminal_of_80_columns_holds_scores_deviations_and_what_was_published():
    row = Row(name="hovernet-over-a-resnet", published={"PQ": 0.547, "mPQ+": 0.29558, "x": 0.1})
    outcome = Ablation(Grid(name="g", rows=[row]))
    outcome.results = [(Job(row, 0), result_of(0.5, a=0.1)), (Job(row, 1), result_of(0.7, a=0.1))]
    (table,) = narrow_tables(outcome)
    assert table.headings == ["row", "PQ", "mPQ+", "R²", "images/s"]
    assert table.rows == [
        ["hovernet-over-a-resnet", "0.600", "-", "-0.50", "2.0"],
        ["  ±", "0.141", "", "0.00", ""],
        ["  published", "0.547", "0.29558", "", ""],
    ]
    lines = printed(outcome)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(" hovernet-over-a-resnet  0.600") for line in lines)
    assert "PQ 0.547, mPQ+ 0.29558" in markdown(outcome)


def test_classes_of_every_set_have_a_column():
    row = Row(name="a")
    outcome = Ablation(Grid(name="g", rows=[row]))
    result = result_of(0.5, plasma=0.25)
    result["scores"]["on"] = "one"
    other = {"on": "two", "protocol": "hovernet", "f_d": 0.5, "classes": {"spindle": {"f_c": 0.4}}}
    outcome.results = [(Job(row, 0), result | {"also": [other]})]
    outcome.grid = Grid(name="g", rows=[row], score=({"truth": "one"}, {"truth": "two"}))
    headings, (first, second) = table_of(outcome)
    assert dict(zip(headings, first, strict=True))["plasma"] == "0.250"
    assert dict(zip(headings, first, strict=True))["spindle"] == "-"
    assert dict(zip(headings, second, strict=True))["spindle"] == "0.400"


def scored(**scores) -> dict:
    """A result of one training: ours over all nuclei, and what it cost."""
    return {"scores": {"on": "a", "classes": {}} | scores, "cost": result_of(0.5)["cost"]}


def printed(outcome: Ablation) -> list[str]:
    console = Console(width=80, file=io.StringIO())
    for table in narrow_tables(outcome):
        title = f"protocol {table.protocol}"
        console.print(command.table_of_cells(table.headings, table.rows, title))
    return console.file.getvalue().splitlines()


#: What every protocol of a shipped grid reports, with the longest scores that occur.
REPORTED = {
    "conic": {"pq": 0.5, "pq_plus": 0.5, "mpq_plus": 0.5, "r2": -10.25, "dice": 0.5, "aji": 0.5},
    "hovernet": dict.fromkeys(["dice", "aji", "dq", "sq", "pq", "f_d", "acc"], 0.5),
    "qu": dict.fromkeys(["f1", "object_dice", "acc"], 0.5) | {"object_hausdorff": 123.45},
}


@pytest.mark.parametrize("r2", [-10.25, 0.5])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", shipped_grids())
def test_every_shipped_grid_fits_a_terminal_of_80_columns(name, seeds, r2):
    outcome = Ablation(load_grid(name))
    for row in outcome.grid.rows:
        sets = row.score or outcome.grid.score
        on = [(s.name or s.truth.name, s.protocol) for s in sets] or [("validation", "conic")]
        scores = [{"on": o, "protocol": p, "classes": {}} | REPORTED[p] | {"r2": r2} for o, p in on]
        result = {"scores": scores[0], "also": scores[1:], "cost": scored()["cost"]}
        outcome.results += [(Job(row, seed), result) for seed in range(seeds)]
    lines = printed(outcome)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    # A name is folded between its words at most.
    wanted = {word for row in outcome.grid.rows for word in row.name.split()}
    assert wanted <= {word for line in lines for word in line.split()}


def test_each_protocol_has_a_table_of_its_own_scores():
    sets = ({"truth": "a"}, {"truth": "b", "protocol": "hovernet"})
    outcome = Ablation(Grid(name="g", rows=[Row(name="x")], score=sets))
    other = {"on": "b", "protocol": "hovernet", "classes": {}, "pq": 0.25, "dice": 0.5}
    result = scored(pq=0.5, mpq_plus=0.4, r2=0.1, dice=0.7) | {"also": [other]}
    outcome.results = [(Job(outcome.grid.rows[0], 0), result)]
    conic, hovernet = narrow_tables(outcome)
    assert conic == ("conic", ["row", "PQ", "mPQ+", "R²", "images/s"],
                     [["x on a", "0.500", "0.400", "0.10", "2.0"]])  # fmt: skip
    assert hovernet == ("hovernet", ["row", "DICE", "PQ", "images/s"],
                        [["x on b", "0.500", "0.250", "2.0"]])  # fmt: skip


def test_deviations_that_were_published_stand_beside_their_means():
    row = Row(name="a", published={"PQ": [0.5, 0.0625], "mPQ+": 0.25})
    outcome = Ablation(Grid(name="g", rows=[row]))
    outcome.results = [(Job(row, 0), result_of(0.75))]
    (table,) = narrow_tables(outcome)
    assert table.rows[1:] == [
        ["  published", "0.500", "0.250", "", ""],
        ["  published ±", "0.0625", "", "", ""],
    ]
    assert "PQ 0.500 ± 0.0625, mPQ+ 0.250" in markdown(outcome)


def test_shapes_and_accuracy_of_each_class_have_columns_by_the_protocol_qu():
    row = Row(name="a", published={"tumour": 0.5, "tumour Hausdorff": 8.52})
    outcome = Ablation(Grid(name="g", rows=[row]))
    own = {"f1": 0.25, "acc": 0.75, "object_dice": 0.5, "object_hausdorff": 12.345}
    outcome.results = [(Job(row, 0), scored(protocol="qu", f1=0.5, classes={"tumour": own}))]
    headings, (cells,) = table_of(outcome)
    found = dict(zip(headings, cells, strict=True))
    assert found["tumour"] == "0.250"
    assert found["tumour object Dice"] == "0.500"
    assert found["tumour Hausdorff"] in ("12.34", "12.35")
    assert found["tumour accuracy"] == "0.750"
    assert found["published"] == "tumour 0.500, tumour Hausdorff 8.52"
    # Those of a class are not among the scores over all nuclei, which a terminal holds.
    assert narrow_tables(outcome)[0].headings == ["row", "F1", "images/s"]


def test_a_score_that_earlier_versions_did_not_keep_has_a_column_where_it_is_known():
    row = Row(name="a")
    outcome = Ablation(Grid(name="g", rows=[row]))
    outcome.results = [(Job(row, 0), scored(pq=0.5))]
    assert "PQ+" not in table_of(outcome)[0]
    outcome.results = [(Job(row, 0), scored(pq=0.5, pq_plus=0.45))]
    headings, (cells,) = table_of(outcome)
    assert dict(zip(headings, cells, strict=True))["PQ+"] == "0.450"


def test_differences_from_the_published_table_are_one_paragraph_in_both_tables():
    outcome = Ablation(Grid(name="g", rows=[Row(name="a")], differences="Half\n  the [data].\n"))
    outcome.results = [(Job(outcome.grid.rows[0], 0), result_of(0.5))]
    said = "Differences from the published table: Half the [data]."
    assert differences(outcome) == said
    assert said in markdown(outcome).splitlines()
    outcome.grid = Grid(name="g", rows=[Row(name="a")])
    assert differences(outcome) == ""


def test_results_of_earlier_versions_are_kept_where_only_texts_and_figures_have_changed(tmp_path):
    asked = {
        "recipe": "lizard", "changes": [], "budget": {"steps": 2},
        "row": {"name": "a", "corresponds_to": "Table 1", "published": {"PQ": 0.4}},
        "score": [{"truth": "there", "published": {"PQ": 0.3}}, {"truth": "nowhere"}],
    }  # fmt: skip
    there = {"on": "there", "protocol": "conic", "pq": 0.5, "classes": {}, "images": 3}
    nowhere = {"on": "nowhere (not at nowhere)", "protocol": "conic", "classes": {}, "images": 0}
    result = {"asked": asked, "seed": 0, "cohort": "", "scores": there, "also": [nowhere]}
    (tmp_path / "a-seed0").mkdir()
    stored = json.dumps(result | {"cost": scored()["cost"]})
    (tmp_path / "a-seed0" / "result.json").write_text(stored)

    def resumed(first="there", layout=None):
        row = Row(name="a", corresponds_to="Table I", published={"PQ": [0.4, 0.1], "PQ+": 0.3})
        sets = ({"truth": first}, {"truth": "nowhere", "layout": layout})
        grid = Grid(name="g", budget={"steps": 2}, rows=[row], score=sets)
        return ablate(grid, AblationSettings("lizard", tmp_path), resume=True)

    for outcome in (resumed(), resumed(layout="cpm15")):
        assert outcome.problems == []
        assert outcome.results[0][1]["scores"]["pq"] == 0.5
        assert len(table_of(outcome)[1]) == 2
    (problem,) = resumed(first="elsewhere").problems
    assert "results of other changes" in problem
