"""Images generated from jittered masks, as a dataset that any layout can be written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record, Sample
from karyoscope.datasets.jitter import jitter_nuclei
from karyoscope.training.synthesis.data import TileSource
from karyoscope.training.synthesis.generator import Generator
from karyoscope.training.synthesis.layouts import TileWindows, style_of, to_signed

#: Pixels around a tile in which nuclei are moved too, so that those at its edge are whole.
MARGIN = 48


@dataclass(frozen=True)
class Motion:
    """How far nuclei are moved.

    Attributes
    ----------
    shift : float
        Pixels along each axis.
    turn : float
        Degrees.
    """

    shift: float = 3.0
    turn: float = 3.0


class SyntheticTiles(Dataset):
    """Image ``k`` depends on the seed and on ``k`` alone.

    A tile's mask is cut from a labelled image and its nuclei are moved; its source and cohort are
    those of that image, so that splits keep it on the side of its mask.

    Parameters
    ----------
    generator : Generator
        Generator that makes the pixels.
    source : TileSource
        Whose masks and colours are used.
    count : int
        Images.
    size : int
        Edge in pixels.
    seed : int
        Seed of the random numbers.
    balanced : float
        Share of the masks that are chosen because they hold rare classes.
    style : {"own", "other"}
        Colours of the real tile under the mask, or of another real tile.
    motion : Motion
        How far nuclei are moved and rotated.
    """

    name = "synthetic"

    def __init__(
        self,
        generator: Generator,
        source: TileSource,
        count: int,
        size: int,
        seed: int = 0,
        balanced: float = 0.0,
        style: Literal["own", "other"] = "own",
        motion: Motion = Motion(),
    ) -> None:
        multiple = generator.network.multiple_of
        if size % multiple:
            raise KaryoscopeError(
                f"this generator makes tiles whose size is a multiple of {multiple} px, not {size}"
            )
        self.taxonomy = generator.taxonomy
        self.mpp = float(generator.card["mpp"])
        self.problems = []
        self.lost = 0
        self._generator = generator
        self._source = source
        self._seed = seed
        self._motion = motion
        self._windows = TileWindows(source.bank, size, balanced)
        rng = torch.Generator().manual_seed(seed)
        self._drawn = self._windows.draw(count, rng)
        self._coloured = self._drawn if style == "own" else self._windows.draw(count, rng)
        self.records = []
        self._number: dict[str, int] = {}
        for k, image in enumerate(self._drawn[0].tolist()):
            of = source.records[image]
            name = f"synthetic-{k:06d}"
            self._number[name] = k
            self.records.append(Record(name, of.source, of.cohort))

    def load(self, record: Record) -> Sample:
        """Move the nuclei and generate; see :meth:`Dataset.load`."""
        k = self._number[record.name]
        rng = np.random.default_rng([self._seed, k])
        ids, classes = self._moved(k, rng)
        torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
        image = self._generator.paint(ids, classes[ids], self._style(k), torch_rng)
        return Sample(record, image, ids, classes, self.taxonomy, self.mpp)

    def _moved(self, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Label map of tile ``k``, ids from 1 without gaps, and the class of each id."""
        bank, size = self._source.bank, self._windows.size
        image, row, column = (int(t[k]) for t in self._drawn)
        start, height, width = (int(t[image]) for t in (bank.starts, bank.heights, bank.widths))
        top, left = max(0, row - MARGIN), max(0, column - MARGIN)
        window = (slice(top, row + size + MARGIN), slice(left, column + size + MARGIN))
        whole = slice(start, start + height * width)
        ids = bank.ids[whole].view(height, width)[window].numpy()
        class_map = bank.classes[whole].view(height, width)[window].numpy()
        by_id = np.zeros(max(0, int(ids.max())) + 1, np.uint8)
        by_id[ids[ids > 0]] = class_map[ids > 0]
        moved = jitter_nuclei(ids, rng, self._motion.shift, self._motion.turn)
        self.lost += len(moved.lost)
        tile = moved.inst_map[row - top :, column - left :][:size, :size]
        present = np.unique(tile)
        present = np.concatenate([[0], present[present > 0]])
        return np.searchsorted(present, tile).astype(np.int32), by_id[present]

    def _style(self, k: int) -> Tensor:
        image, _, _ = self._windows.read(*(t[k : k + 1] for t in self._coloured))
        return style_of(to_signed(image))[0]
