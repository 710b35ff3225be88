"""Removal of what cannot be a nucleus: too small, too large or too ragged."""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.labelling import select
from karyoscope.postprocessing.parameters import Parameters, per_class, weights
from karyoscope.postprocessing.runs import find_runs
from karyoscope.postprocessing.shape import measure, solidity
from karyoscope.postprocessing.tabulate import class_rows, summed_probabilities


def keep_within_limits(
    labels: np.ndarray,
    tp: np.ndarray | None,
    params: Parameters,
    taxonomy: Taxonomy,
    mpp: float,
) -> None:
    """Keep the nuclei within the limits on area and solidity, and number them anew, in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Each label connected. On return, labels 1 to n in raster order of the first pixels.
    tp : ndarray of float32, shape (h', w', k + 1), or None
        Class probabilities, needed where a limit differs between classes.
    params : Parameters
        Parameters of any post-processing, of which the limits are used.
    taxonomy : Taxonomy
        Classes of the probabilities, and of limits that differ between classes.
    mpp : float
        µm per pixel of the labels.

    Raises
    ------
    KaryoscopeError
        If a limit differs between classes and there are no class probabilities, or if a class is
        unknown or left out.
    """
    runs = find_runs(labels)
    count = int(runs.value.max(initial=0))
    geometry = measure(runs, count)
    limits = {
        "min_area_um2": params.min_area_um2,
        "max_area_um2": np.inf if params.max_area_um2 is None else params.max_area_um2,
        "min_solidity": params.min_solidity,
    }
    of_class = {name: per_class(value, taxonomy, name) for name, value in limits.items()}
    row = np.zeros(count + 1, np.intp)
    by_class = [name for name, value in limits.items() if isinstance(value, dict)]
    if by_class:
        if tp is None:
            raise KaryoscopeError(
                f"{by_class[0]} differs between classes, which needs the map 'tp'"
            )
        sums = summed_probabilities(runs, count, tp, labels.shape, taxonomy)
        row[1:] = class_rows(sums * weights(params.class_weights, taxonomy))
    # Half a pixel of slack, since areas in µm² of whole pixels are not exact.
    pixels = geometry.area * mpp**2
    slack = 0.5 * mpp**2
    keep = pixels > of_class["min_area_um2"][row] - slack
    keep &= pixels < of_class["max_area_um2"][row] + slack
    if of_class["min_solidity"].any():
        keep &= solidity(runs, geometry) >= of_class["min_solidity"][row]
    keep[0] = False
    select(labels, keep, runs)
