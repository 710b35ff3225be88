"""Raw outputs by name: what a network may predict, and in how many channels."""

from __future__ import annotations

from collections.abc import Iterable

from karyoscope.core.errors import KaryoscopeError

_CHANNELS = {
    "three_label": 3,  # logits of background, inside, boundary
    "centre": 2,  # dx, dy to the centroid
    "np": 2,  # logits of background, nucleus
    "hv": 2,  # horizontal, vertical distance, -1 to 1
    "distance": 1,  # px to the edge of the nucleus
}
_BESIDE_CLASSES = {
    "types": 1,  # logits: background, then the classes
    "inner_contour": 2,  # logits: background, the inner part of each class, contour
}


def output_channels(names: Iterable[str], n_classes: int) -> dict[str, int]:
    """Channels of each named output, for a number of nucleus classes without background."""
    table = _CHANNELS | {name: n_classes + more for name, more in _BESIDE_CLASSES.items()}
    unknown = [name for name in names if name not in table]
    if unknown:
        raise KaryoscopeError(
            f"no output {unknown[0]!r}; a network can predict {', '.join(sorted(table))}"
        )
    return {name: table[name] for name in names}
