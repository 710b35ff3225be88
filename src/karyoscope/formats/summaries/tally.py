"""Nuclei counted by class, block by block: what summaries and reports say in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.formats.context import ExportContext
from karyoscope.formats.run_report import RunReport


class Tally:
    """Number and summed area of the nuclei of each class.

    Parameters
    ----------
    context : ExportContext
        Slide, scale, classes, model.
    """

    def __init__(self, context: ExportContext) -> None:
        self._context = context
        self._counts = np.zeros(256, np.int64)
        self._areas = np.zeros(256)

    def add(self, nuclei: Nuclei) -> None:
        """Count a block of nuclei."""
        self._counts += np.bincount(nuclei.class_id, minlength=256)
        self._areas += np.bincount(nuclei.class_id, nuclei.area_um2, minlength=256)

    def summary(self, run: RunReport) -> dict[str, Any]:
        """Return the content of ``<stem>.summary.json``.

        Parameters
        ----------
        run : RunReport
            What the run reports besides its nuclei.

        Returns
        -------
        dict
            Plain data. A ratio that has no meaning is None.
        """
        analysed = self._context.area_mm2 if run.analysed_mm2 is None else run.analysed_mm2
        tissue = run.tissue_mm2
        total = int(self._counts.sum())
        classes = list(self._context.taxonomy.classes)
        if self._counts[UNCLASSIFIED.id]:
            classes.append(UNCLASSIFIED)
        rows = []
        for c in classes:
            count = int(self._counts[c.id])
            rows.append(
                {
                    "id": c.id,
                    "name": c.name,
                    "color": list(c.color),
                    "count": count,
                    "share": _ratio(count, total),
                    "density_per_mm2": _ratio(count, tissue),
                    "mean_area_um2": _ratio(float(self._areas[c.id]), count),
                }
            )
        return {
            **self._context.provenance(),
            "white_point": self._context.white_point,
            "analysed_mm2": round(analysed, 9),
            "tissue_mm2": None if tissue is None else round(tissue, 9),
            "nuclei": total,
            "density_per_mm2": _ratio(total, tissue),
            "mean_area_um2": _ratio(float(self._areas.sum()), total),
            "classes": rows,
            # Left out where nothing was drawn.
            **({"regions": [dict(row) for row in run.regions]} if run.regions else {}),
            # Left out where it was not asked for.
            **({"spatial": dict(run.spatial)} if run.spatial else {}),
            **({"quality": [dict(row) for row in run.quality]} if run.quality else {}),
            "seconds": {stage: round(value, 3) for stage, value in run.seconds.items()},
            "unread_regions": list(run.unread_regions),
            "failed_regions": list(run.failed_regions),
            "warnings": list(run.warnings),
            "notes": list(self._context.notes),
            "run": dict(run.settings),
            "files": {name: dict(of) for name, of in run.files.items()},
        }


def _ratio(part: float, whole: float | None) -> float | None:
    """Quotient, or None where it has no meaning; rounded only where it is shown."""
    return part / whole if whole is not None and whole > 0 else None
