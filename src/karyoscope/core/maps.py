"""The standard maps: what a network may predict of each pixel, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MapKind:
    """What one standard map holds.

    Attributes
    ----------
    meaning : str
        What a value means, with its unit or range.
    channels : int or None
        Values of each pixel along a last axis; 0 where there is no such axis, None where there is
        one for background and one for each class.
    vector : bool
        Whether the values of a pixel are a vector (x, y): rotating the image rotates it too.
    """

    meaning: str
    channels: int | None = 0
    vector: bool = False

    def shape(self, n_classes: int) -> tuple[int, ...]:
        """Shape of the values of one pixel, for a number of classes without background."""
        if self.channels is None:
            return (n_classes + 1,)
        return (self.channels,) if self.channels else ()


MAPS: dict[str, MapKind] = {
    "np": MapKind("probability that the pixel is in a nucleus, 0 to 1"),
    "inside": MapKind("probability that the pixel is in a nucleus and not at its edge, 0 to 1"),
    "boundary": MapKind("probability that the pixel is at the edge of a nucleus, 0 to 1"),
    "contour": MapKind("probability that the pixel is on a contour, 0 to 1"),
    "distance": MapKind(
        "distance to the edge of the nucleus, in pixels: 0 on background, 1 at the edge"
    ),
    "hv": MapKind("horizontal, vertical distance to the centroid, -1 to 1", 2, vector=True),
    "centre": MapKind("offset to the centroid, in pixels", 2, vector=True),
    "tp": MapKind("probability of background and of each class, 0 to 1", None),
}


def is_vector(name: str) -> bool:
    """Whether a map holds vectors; one that is not standard does not."""
    return name in MAPS and MAPS[name].vector


def pixel_shape(name: str, n_classes: int) -> tuple[int, ...]:
    """Shape of a map's values of one pixel, for a number of classes without background.

    Examples
    --------
    >>> pixel_shape("hv", 6), pixel_shape("np", 6), pixel_shape("tp", 6)
    ((2,), (), (7,))
    """
    return MAPS[name].shape(n_classes) if name in MAPS else ()


def map_length(pixels: int, stride: int) -> int:
    """Values of a map along an axis of the image.

    A map with stride s has one value for each s x s pixels, counted from the top left pixel of the
    slide; the last one may reach beyond the image.

    Parameters
    ----------
    pixels : int
    stride : int

    Returns
    -------
    int
    """
    return -(-pixels // stride)
