"""An annotated image of a dataset as a slide and its annotation as nuclei."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record, Sample
from karyoscope.formats import ExportContext
from karyoscope.postprocessing import nuclei_from_labels
from karyoscope.slides import Slide
from karyoscope.slides.array import ArraySlide
from karyoscope.view.table import InMemory


class AnnotatedImage:
    """One image of a dataset, read when it is requested.

    Parameters
    ----------
    dataset : Dataset
    record : Record
    """

    def __init__(self, dataset: Dataset, record: Record) -> None:
        self._dataset, self._record = dataset, record

    def slide(self) -> Slide:
        """The pixels.

        Raises
        ------
        KaryoscopeError
            If the image cannot be read or states no scale.
        """
        sample = self._sample()
        return ArraySlide(sample.image, sample.mpp, name=self._record.name)

    def nuclei(self) -> InMemory:
        """The annotation as a table of nuclei; see :meth:`slide` for errors."""
        sample = self._sample()
        height, width = sample.inst_map.shape
        ids = np.unique(sample.inst_map)
        ids = ids[ids > 0]
        labels = np.where(sample.inst_map > 0, np.searchsorted(ids, sample.inst_map) + 1, 0)
        found = nuclei_from_labels(labels, None, sample.taxonomy, sample.mpp)
        nuclei = replace(found, id=ids.astype(np.uint32), class_id=sample.classes[ids])
        context = ExportContext(
            self._record.name, (width, height), sample.mpp, sample.taxonomy, "annotation"
        )
        return InMemory(nuclei, context)

    def _sample(self) -> Sample:
        sample = self._dataset.load(self._record)
        if not math.isfinite(sample.mpp):
            raise KaryoscopeError(f"{self._record.name} states no pixel size; give --mpp")
        return sample
