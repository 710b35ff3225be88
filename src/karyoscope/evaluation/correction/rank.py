"""Ranking of tiles by how useful their correction is for training."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text, writing
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Model, load_model
from karyoscope.pipeline import segment
from karyoscope.slides import open_slide

#: Two nuclei whose centroids are no farther apart are the same, in µm.
_SAME_UM = 3.0
#: Tiles of fewer nuclei count less: as if so many certain ones were there too.
_CERTAIN = 5.0
#: What a slide's further tiles are worth after each that was taken of it.
_AGAIN = 0.7


@dataclass(frozen=True)
class RankedTile:
    """A ranked tile.

    Attributes
    ----------
    slide : str
        Name of the file.
    x, y, width, height : int
        Place and size of the tile in pixels of level 0.
    score : float
        ``(doubt + disagreement) n / (n + 5)`` of its ``n`` nuclei.
    nuclei : int
        How many the model found there.
    doubt : float
        Mean over nuclei of 1 less the margin between the two most probable classes.
    disagreement : float
        Share of the nuclei of two results that the other lacks or gives another class.
    """

    slide: str
    x: int
    y: int
    width: int
    height: int
    score: float
    nuclei: int
    doubt: float
    disagreement: float


@dataclass(frozen=True)
class Ranking:
    """Files of a ranking of tiles, and slides that could not be read.

    Attributes
    ----------
    files : list of Path
        The CSV table, then the regions of each slide as GeoJSON.
    problems : list of str
        Slides that could not be read.
    """

    files: list[Path]
    problems: list[str]


def rank_slides(
    slides: Sequence[str | Path],
    out: Path,
    model: str | Path = "lizard",
    other: str | Path | None = None,
    *,
    count: int = 20,
    tile_um: float = 128.0,
    mpp: float | None = None,
    threads: int = 0,
    begin: Callable[[int], None] = lambda slides: None,
    watch: Callable[[], None] = lambda: None,
) -> Ranking:
    """Rank the tiles of slides by how much a correction should help, and write the list to files.

    This is what ``karyoscope data rank`` does.

    Parameters
    ----------
    slides, count, tile_um, mpp : sequence of path, int, float, float
        Slides, number of tiles, their edge and the scale, as of :func:`rank_tiles`.
    begin, watch : callable
        Called as :func:`rank_tiles` calls them.
    out : path
        CSV file to write; the regions of each slide are written beside it.
    model : str or path
        Name or bundle of the model.
    other : str or path, optional
        Name or bundle of the model to compare with; by default the same model with four views.
    threads : int
        Threads of the CPU; 0 for all.

    Returns
    -------
    Ranking

    Raises
    ------
    KaryoscopeError
        If a model cannot be used, or there is no tile at all.
    """
    first = load_model(model, threads=threads)
    second = load_model(model if other is None else other, threads=threads, tta=1 if other else 4)
    tiles, problems = rank_tiles(
        slides,
        first,
        second,
        count=count,
        tile_um=tile_um,
        mpp=mpp,
        begin=begin,
        watch=watch,
    )
    return Ranking(write_ranking(tiles, out), problems)


def rank_tiles(
    slides: Sequence[str | Path],
    model: Model,
    other: Model,
    *,
    count: int = 20,
    tile_um: float = 128.0,
    mpp: float | None = None,
    begin: Callable[[int], None] = lambda slides: None,
    watch: Callable[[], None] = lambda: None,
) -> tuple[list[RankedTile], list[str]]:
    """Rank the tiles of slides by how much their correction should improve a model.

    Tiles are ranked by how little the model is sure of its classes (the margin of active
    learning; Scheffer et al., IDA 2001) and by how much two results disagree (query by committee;
    Seung et al., COLT 1992). They are taken one after the other; each tile that was taken of a
    slide makes its others worth 0.7 of what they were, so that the list spreads over slides.

    Parameters
    ----------
    slides : sequence of path
        Slides to choose tiles from.
    model : Model
        Model whose predictions are compared.
    other : Model
        Another model, or the same with another number of views.
    count : int
        Tiles to list.
    tile_um : float
        Edge of a tile, in µm.
    mpp : float, optional
        Micrometres per pixel of slides that do not state it.
    begin : callable
        Called once with the number of slides.
    watch : callable
        Called after each slide.

    Returns
    -------
    tiles : list of RankedTile
        The most valuable first.
    problems : list of str
        Slides that could not be read.

    Raises
    ------
    KaryoscopeError
        If there is no tile at all.
    """
    tiles: list[RankedTile] = []
    problems: list[str] = []
    begin(len(slides))
    for slide in slides:
        try:
            tiles += _of_slide(Path(slide), model, other, tile_um, mpp)
        except KaryoscopeError as error:
            problems.append(str(error))
        watch()
    if not tiles:
        raise KaryoscopeError(f"no tile with nuclei: {'; '.join(problems) or 'none was found'}")
    return spread(tiles, count), problems


def spread(tiles: Sequence[RankedTile], count: int) -> list[RankedTile]:
    """Choose tiles by their score, spread over the slides.

    The score of a tile is reduced for each tile that was already chosen from its slide.
    """
    rest = sorted(tiles, key=lambda t: (-t.score, t.slide, t.y, t.x))
    taken: Counter[str] = Counter()
    chosen: list[RankedTile] = []
    while rest and len(chosen) < count:
        best = max(rest, key=lambda t: t.score * _AGAIN ** taken[t.slide])
        rest.remove(best)
        taken[best.slide] += 1
        chosen.append(best)
    return chosen


def write_ranking(tiles: Sequence[RankedTile], out: str | Path) -> list[Path]:
    """Write a ranking as CSV, and for each slide its tiles as regions that QuPath opens.

    Parameters
    ----------
    tiles : sequence of RankedTile
        Tiles, in the order in which to correct them.
    out : path
        The CSV file; ``<slide>.review.geojson`` lies beside it, with a rectangle of class
        ``Region*`` for every tile.

    Returns
    -------
    list of path
        The files.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with writing(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, [f.name for f in fields(RankedTile)])
        rows.writeheader()
        rows.writerows(asdict(tile) for tile in tiles)
    made = [out]
    for slide in sorted({tile.slide for tile in tiles}):
        features = [_region(t) for t in tiles if t.slide == slide]
        made.append(out.parent / f"{Path(slide).stem}.review.geojson")
        text = json.dumps({"type": "FeatureCollection", "features": features})
        write_text(made[-1], text + "\n")
    return made


def _region(tile: RankedTile) -> dict[str, object]:
    right, bottom = tile.x + tile.width, tile.y + tile.height
    ring = [(tile.x, tile.y), (right, tile.y), (right, bottom), (tile.x, bottom), (tile.x, tile.y)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "annotation",
            "name": f"score {tile.score:.3f}",
            "classification": {"name": "Region*", "color": [180, 180, 180]},
        },
    }


def _of_slide(
    path: Path, model: Model, other: Model, tile_um: float, mpp: float | None
) -> list[RankedTile]:
    with open_slide(path, mpp) as slide:
        (width, height), scale = slide.size, slide.mpp
    edge = max(1, round(tile_um / scale))
    first, second = (segment(path, mpp, runner) for runner in (model, other))
    doubt = 1 - _margins(first)
    lacking = [_lacking(first, second, scale), _lacking(second, first, scale)]
    columns = -(-width // edge)
    at = [_tile_of(nuclei, edge, columns) for nuclei in (first, second)]
    n = columns * -(-height // edge)
    counts = [np.bincount(tile, minlength=n) for tile in at]
    summed = np.bincount(at[0], doubt, minlength=n)
    missing = np.bincount(np.concatenate(at), np.concatenate(lacking), minlength=n)
    found = []
    for tile in np.flatnonzero(counts[0] + counts[1]).tolist():
        own, both = int(counts[0][tile]), int(counts[0][tile] + counts[1][tile])
        unsure = float(summed[tile] / own) if own else 0.0
        apart = float(missing[tile] / both)
        score = (unsure + apart) * (both / 2) / (both / 2 + _CERTAIN)
        x, y = tile % columns * edge, tile // columns * edge
        size = min(edge, width - x), min(edge, height - y)
        found.append(
            RankedTile(
                path.name, x, y, *size, round(score, 4), own, round(unsure, 4), round(apart, 4)
            )
        )
    return found


def _tile_of(nuclei: Nuclei, edge: int, columns: int) -> np.ndarray:
    column = np.clip((nuclei.x // edge).astype(np.int64), 0, columns - 1)
    return np.maximum(nuclei.y // edge, 0).astype(np.int64) * columns + column


def _margins(nuclei: Nuclei) -> np.ndarray:
    """Margin between the two most probable classes of each nucleus; 1 where there is one class."""
    if nuclei.probabilities.shape[1] < 2:
        return np.ones(len(nuclei))
    ordered = np.sort(nuclei.probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def _lacking(nuclei: Nuclei, others: Nuclei, scale: float) -> np.ndarray:
    """Whether the other result lacks a nucleus, or gives it a class of another name: 0 or 1."""
    if not len(nuclei) or not len(others):
        return np.ones(len(nuclei))
    tree = cKDTree(np.column_stack([others.x, others.y]))
    distance, nearest = tree.query(np.column_stack([nuclei.x, nuclei.y]))
    same = nuclei.taxonomy.names == others.taxonomy.names
    differs = (nuclei.class_id != others.class_id[nearest]) if same else np.zeros(len(nuclei), bool)
    return ((distance * scale > _SAME_UM) | differs).astype(float)
