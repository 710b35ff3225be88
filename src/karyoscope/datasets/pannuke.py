"""PanNuke: five classes over 19 tissues at 40x (Gamper et al., 2019 and 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import map_npy
from karyoscope.datasets.labels import label_map
from karyoscope.datasets.on_disk import DatasetOnDisk

_FOLD = re.compile(r"fold[ _]?(\d)", re.IGNORECASE)


class PanNuke(DatasetOnDisk):
    """Folds of ``images.npy``, ``masks.npy`` (n x 256 x 256 x 6) and ``types.npy``.

    As published (``Fold 1/images/fold1/images.npy``, ``Fold 1/masks/fold1/masks.npy``) or with
    the three files in one folder per fold. The first five channels of a mask hold ids of one
    class each, the sixth the background; where channels overlap the later one counts, as in the
    conversions that published figures use. The arrays are mapped into memory, not read.

    Cohorts are tissues, splits the folds ``"1"`` to ``"3"``. The slides are not published: each
    patch is a source of its own.
    """

    name = "pannuke"
    published_taxonomy = "pannuke"
    published_mpp = 0.25

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is an array of masks."""
        return any(root.rglob("masks.npy"))

    def find(self) -> Iterator[Record]:
        """Open the arrays of every fold."""
        self._places: dict[str, tuple[np.ndarray, np.ndarray, Path, int]] = {}
        for masks_path in sorted(self.root.rglob("masks.npy")):
            try:
                yield from self._fold(masks_path)
            except KaryoscopeError as error:
                self.problems.append(str(error))

    def _fold(self, masks_path: Path) -> Iterator[Record]:
        folder = masks_path.parent
        parts = ["images" if p == "masks" else p for p in folder.relative_to(self.root).parts]
        beside = self.root.joinpath(*parts)
        images_path = next(
            (p / "images.npy" for p in (folder, beside) if (p / "images.npy").is_file()), None
        )
        if images_path is None:
            raise KaryoscopeError(f"{masks_path}: no images.npy that belongs to it")
        images, masks = map_npy(images_path), map_npy(masks_path)
        if masks.ndim != 4 or masks.shape[3] != 6 or masks.shape[:3] != images.shape[:3]:
            raise KaryoscopeError(
                f"{masks_path}: shape {masks.shape} does not go with images {images.shape}"
            )
        types_path = images_path.with_name("types.npy")
        tissues = map_npy(types_path) if types_path.is_file() else np.full(len(masks), "")
        if len(tissues) != len(masks):
            raise KaryoscopeError(f"{types_path}: {len(tissues)} tissues, {len(masks)} masks")
        number = _FOLD.search(str(masks_path.relative_to(self.root.parent)))
        fold = number.group(1) if number else ""
        for index in range(len(masks)):
            name = f"fold{fold}_{index:04d}"
            self._places[name] = (images, masks, masks_path, index)
            yield Record(name, name, str(tissues[index]), fold)

    def load(self, record: Record) -> Sample:
        """Read one patch; see :meth:`Dataset.load`."""
        images, masks, path, index = self._places[record.name]
        image = np.clip(images[index], 0, 255).astype(np.uint8)
        inst_map = np.zeros(image.shape[:2], np.int32)
        classes = [0]
        for channel in range(5):
            ids, layer = np.unique(label_map(masks[index, ..., channel], path), return_inverse=True)
            layer = layer.reshape(inst_map.shape) + int(ids[0] != 0)  # 0 where background
            inst_map[layer > 0] = layer[layer > 0] + len(classes) - 1
            classes += [channel + 1] * int(np.count_nonzero(ids))
        return self.sample(record, path, image, inst_map, np.array(classes, np.uint8))
