"""Write synthetic image/label pairs as a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.convert import convert
from karyoscope.training.recipe.schema import DataSource
from karyoscope.training.synthesis.data import TileSource, load_part, load_sources
from karyoscope.training.synthesis.generator import Generator, load_generator
from karyoscope.training.synthesis.recipe import load_synthesis_recipe
from karyoscope.training.synthesis.tiles import Motion, SyntheticTiles


@dataclass(frozen=True)
class WrittenPairs:
    """A synthetic dataset that was written.

    Attributes
    ----------
    out : Path
        Its folder.
    images, nuclei : int
    lost : int
        Nuclei that found no place in crowded masks and were left out.
    licence : str
        Licence of the generator, which the images are under too.
    skipped : list of str
        One line for each real image that no mask was taken from.
    """

    out: Path
    images: int
    nuclei: int
    lost: int
    licence: str
    skipped: list[str]


def write_pairs(
    run: str | Path,
    out: str | Path,
    count: int = 1000,
    *,
    data: DataSource | None = None,
    split: tuple[Path, str] | None = None,
    size: int = 256,
    seed: int = 0,
    balanced: float = 0.0,
    style: Literal["own", "other"] = "own",
    motion: Motion | None = None,
    layout: str = "folder",
    overwrite: bool = False,
    watch: Callable[[], None] = lambda: None,
) -> WrittenPairs:
    """Move the nuclei of real masks, generate images from them, and write the pairs as a dataset.

    Parameters
    ----------
    run : path
        Folder that :func:`train_generator` wrote.
    out : path
        Folder of the dataset.
    count : int
        Image/label pairs.
    data : DataSource, optional
        Images that masks are taken from; by default those of the run.
    split : (path, str), optional
        Split file and part of ``data``.
    size : int
        Edge of a tile, in pixels.
    seed : int
        The same seed gives the same tiles.
    balanced : float
        Share of the masks that are chosen because they hold rare classes, 0 to 1.
    style : {"own", "other"}
        Colours of the real tile under the mask, or of another real tile.
    motion : Motion
        How far nuclei are moved; by default up to 3 px and 3 degrees.
    layout : str
        One of :data:`karyoscope.datasets.convert.LAYOUTS`.
    overwrite : bool
        Replace a dataset that was written before.
    watch : callable
        Called after each pair.

    Returns
    -------
    WrittenPairs

    Raises
    ------
    KaryoscopeError
        If ``out`` is in the way, the folder holds no generator, or no image holds a tile of this
        size.
    """
    run, out = Path(run), Path(out)
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise KaryoscopeError(f"{out} exists; give another --out or --overwrite")
    generator = load_generator(run)
    source = _masks(run, generator, data, split, size)
    tiles = SyntheticTiles(
        generator, source, count, size, seed, balanced, style, motion or Motion()
    )
    written = convert(tiles, layout, out, overwrite=overwrite, watch=lambda sample: watch())
    licence = str(generator.card["licence"])
    return WrittenPairs(out, written.images, written.nuclei, tiles.lost, licence, source.skipped)


def _masks(
    run: Path,
    generator: Generator,
    data: DataSource | None,
    split: tuple[Path, str] | None,
    size: int,
) -> TileSource:
    """Return the annotated images that masks are taken from."""
    if data is not None:
        return load_part(data, split, generator.taxonomy, float(generator.card["mpp"]), size)
    if not (run / "recipe.yaml").is_file():
        raise KaryoscopeError(f"{run} holds no recipe.yaml that names images: give --data")
    return load_sources(load_synthesis_recipe(run / "recipe.yaml", [f"training.tile={size}"]))
