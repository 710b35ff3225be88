"""What a post-processing is: maps in, labels out, and the parameters it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import blamed
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.limits import keep_within_limits
from karyoscope.postprocessing.parameters import Parameters


@dataclass(frozen=True)
class PostProcessing:
    """Method that turns maps into labels of nuclei.

    Attributes
    ----------
    name : str
        Name in the registry and in model bundles.
    maps : tuple of str
        Names of the maps it needs. Class probabilities ``tp`` are used where present.
    parameters : type of Parameters
        Its parameters, with defaults.
    segment : callable
        ``segment(maps, params, taxonomy, mpp)`` returns int32 labels of shape (h, w), each
        4-connected and without holes, before the limits that all post-processings share.
    """

    name: str
    maps: tuple[str, ...]
    parameters: type[Parameters]
    segment: Callable[[Mapping[str, np.ndarray], Any, Taxonomy, float], np.ndarray]

    def validate(self, params: Parameters | Mapping[str, Any] | None) -> Parameters:
        """Turn plain data, as in a model bundle, into checked parameters.

        Raises
        ------
        KaryoscopeError
            If a parameter is unknown or out of range.
        """
        if isinstance(params, self.parameters):
            return params
        try:
            return self.parameters.model_validate({} if params is None else params)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "parameters"
            raise KaryoscopeError(
                f"post-processing {self.name!r}: {where}: {first['msg']}"
            ) from error

    def __call__(
        self,
        maps: Mapping[str, np.ndarray],
        params: Parameters | Mapping[str, Any] | None,
        taxonomy: Taxonomy,
        mpp: float,
    ) -> np.ndarray:
        """Segment nuclei.

        Parameters
        ----------
        maps : mapping of str to ndarray
            Maps by standard name; all but ``tp`` have the same height and width.
        params : Parameters, mapping or None
            None means the defaults.
        taxonomy : Taxonomy
            Classes of the probabilities, and of parameters that differ between classes.
        mpp : float
            µm per pixel of the maps.

        Returns
        -------
        ndarray of int32, shape (h, w)
            Labels 1 to n in raster order of the first pixels, each 4-connected, without holes.

        Raises
        ------
        KaryoscopeError
            If a map is missing or has another shape, or a parameter is wrong.
        """
        params = self.validate(params)
        missing = [name for name in self.maps if name not in maps]
        if missing:
            raise KaryoscopeError(
                f"post-processing {self.name!r} needs the map {missing[0]!r};"
                f" there are {', '.join(maps) or 'none'}"
            )
        shapes = {maps[name].shape[:2] for name in self.maps if name != "tp"}
        if len(shapes) > 1:
            raise KaryoscopeError(
                f"post-processing {self.name!r}: the maps differ in shape: {sorted(shapes)}"
            )
        with blamed():
            labels = self.segment(maps, params, taxonomy, mpp)
        keep_within_limits(labels, maps.get("tp"), params, taxonomy, mpp)
        return labels
