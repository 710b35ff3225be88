"""Nuclei by tile: nothing is lost, nothing is there twice, outlines are where they were."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_nuclei import MPP, made_nuclei

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import ExportContext, read_parquet
from karyoscope.formats.rounding import rounded
from karyoscope.view.arrow_tiles import encode_tile
from karyoscope.view.density import BINS, count_bins, levels_of
from karyoscope.view.edited import EditedTable
from karyoscope.view.table import STEPS_PER_PIXEL, InMemory, NucleiTable


def table_of(nuclei, size=(2220, 2967)):
    context = ExportContext("made.svs", size, MPP, nuclei.taxonomy)
    return NucleiTable(InMemory(nuclei, context))


def tiles_of(table):
    return [(x, y) for y in range(table.down) for x in range(table.across)]


@given(st.integers(0, 400), st.integers(0, 99), st.integers(300, 9000), st.integers(300, 9000))
@settings(max_examples=30, deadline=None)
def test_every_nucleus_is_in_one_tile_and_in_one_bin_of_every_level(count, seed, width, height):
    nuclei = made_nuclei(count, seed, (width, height))
    table = table_of(nuclei, (width, height))
    rows = np.concatenate([table.rows_of(*tile) for tile in tiles_of(table)])
    assert np.array_equal(np.sort(rows), np.arange(count))
    assert sorted(table.id.tolist()) == sorted(nuclei.id.tolist())
    edited = EditedTable(table)
    wanted = np.bincount(
        np.searchsorted(table.context.taxonomy.ids, nuclei.class_id + 0.5),
        minlength=len(nuclei.taxonomy) + 1,
    )
    for level in range(levels_of(table.across, table.down)):
        span = 2**level
        found = sum(
            count_bins(edited, level, x, y).sum((1, 2)).astype(int)
            for y in range(-(-table.down // span))
            for x in range(-(-table.across // span))
        )
        assert np.array_equal(found, wanted)


def test_a_bin_counts_what_lies_in_it(nuclei):
    table = table_of(nuclei)
    counts = count_bins(EditedTable(table), 1, 0, 0)
    edge = table.tile * 2 / BINS
    for row, column in [(10, 10), (31, 40), (50, 22)]:
        x0, y0 = column * edge, row * edge
        inside = nuclei.crop(x0, y0, edge, edge)
        assert counts[:, row, column].sum() == len(inside)


def test_a_file_and_memory_give_the_same_tiles(results, nuclei):
    kept = table_of(rounded(nuclei))
    read = NucleiTable(results / "CMU-1-Small-Region.parquet")
    for tile in tiles_of(kept):
        assert encode_tile(read, *tile) == encode_tile(kept, *tile)


def test_a_tile_holds_classes_and_outlines_of_the_file(results):
    truth = read_parquet(results / "CMU-1-Small-Region.parquet")
    table = NucleiTable(results / "CMU-1-Small-Region.parquet")
    row_of = {int(i): k for k, i in enumerate(truth.id)}
    for x, y in tiles_of(table):
        batch = pa.ipc.open_stream(encode_tile(table, x, y)).read_all().to_pydict()
        centre = (np.array([x, y]) + 0.5) * table.tile
        for nucleus, class_id, steps in zip(
            batch["id"], batch["class"], batch["outline"], strict=True
        ):
            row = row_of.pop(nucleus)
            assert class_id == truth.class_id[row]
            ring = np.array(steps).reshape(-1, 2) / STEPS_PER_PIXEL + centre
            # Outlines lie on half pixels, which the steps hold exactly.
            assert np.array_equal(ring, truth.outline(row))
    assert not row_of


def test_columns_by_row_and_nuclei_by_id(results):
    truth = read_parquet(results / "CMU-1-Small-Region.parquet")
    table = NucleiTable(results / "CMU-1-Small-Region.parquet")
    areas = table.values("area_um2")
    for row in range(0, len(truth), 37):
        found = table.row_of(int(truth.id[row]))
        assert areas[found] == truth.area_um2[row]
    with pytest.raises(KaryoscopeError, match="no nucleus 99999"):
        table.row_of(99999)
    with pytest.raises(KaryoscopeError, match="no column 'colour'"):
        table.values("colour")


def test_few_outlines_are_kept(results, monkeypatch):
    from karyoscope.view import table as module

    monkeypatch.setattr(module, "OUTLINE_BYTES", 1)
    table = NucleiTable(results / "CMU-1-Small-Region.parquet")
    whole = table.outlines(np.arange(len(table)))[0]
    table.preload()
    assert len(table._groups) == 1
    again = np.concatenate([table.outlines(np.array([row]))[0] for row in range(len(table))])
    assert np.array_equal(whole, again)


def test_no_nuclei_at_all():
    table = table_of(Nuclei.empty(Taxonomy.load("lizard"), MPP))
    assert pa.ipc.open_stream(encode_tile(table, 0, 0)).read_all().num_rows == 0
    assert count_bins(EditedTable(table), 0, 0, 0).sum() == 0
