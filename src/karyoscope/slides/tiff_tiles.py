"""The tiles or strips of one pyramid level of a TIFF file, decoded to 8-bit RGB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import tifffile

from karyoscope.core.claims import claimed_size
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.pixels import FULL_16, alpha_remark, to_rgb, white_point
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import UnsupportedLayout

MINISWHITE, MINISBLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_JPEG = {6, 7, 34892, 33007}
_APERIO_JPEG2000_YCBCR = 33003
LARGEST_TILE_BYTES = 1_000_000_000
"""Bytes of a decoded tile or strip, at most."""
_PLACES = 7


@dataclass
class TiledLevel:
    """One level: a page, or one page per colour for files that store the colours apart.

    Tiles are numbered row by row; a strip is a tile as wide as the image.
    """

    tif: tifffile.TiffFile
    pages: list[tifffile.TiffPage]
    lock: threading.Lock

    def __post_init__(self) -> None:
        page = self.pages[0]
        if page.is_tiled:
            self.tile_width, self.tile_height = page.tilewidth, page.tilelength
        else:
            self.tile_width = page.imagewidth
            self.tile_height = min(page.rowsperstrip, page.imagelength)
        self.width, self.height = page.imagewidth, page.imagelength
        self.across = -(-self.width // self.tile_width)
        self.down = -(-self.height // self.tile_height)
        self._refuse_unreadable(page)
        self._alpha = any(kind in (1, 2) for kind in page.extrasamples[-1:])
        self._premultiplied = 1 in page.extrasamples[-1:]
        self.white = FULL_16
        if page.photometric == PALETTE:
            self._palette = (np.asarray(page.colormap).T >> 8).astype(np.uint8)
            if self._palette.shape != (1 << page.bitspersample, 3):
                raise KaryoscopeError(f"{self.tif.filehandle.path}: its palette is damaged")

    def _refuse_unreadable(self, page: tifffile.TiffPage) -> None:
        samples = page.samplesperpixel * len(self.pages)
        refusal = None
        if page.dtype not in (np.uint8, np.uint16) or page.bitspersample not in (8, 16):
            kind = page.dtype if page.dtype is not None else "unknown"
            refusal = f"samples of {page.bitspersample} bits ({kind}); only 8 and 16 bits are read"
        elif page.photometric not in (MINISWHITE, MINISBLACK, RGB, PALETTE, YCBCR):
            name = getattr(page.photometric, "name", page.photometric)
            refusal = f"colours stored as {name}; convert it to RGB"
        elif samples > 4 or (samples == 2 and not page.extrasamples):
            refusal = f"{samples} channels; an H&E image has 3"
        elif page.imagedepth > 1:
            refusal = f"{page.imagedepth} focal planes; export one"
        elif self._tile_bytes(page) > LARGEST_TILE_BYTES:
            refusal = (
                f"{self.width} x {self.height} pixels in one piece, too large to decode at once;"
                " save it with tiles"
            )
        elif page.photometric == YCBCR and not (
            page.compression in _JPEG or page.compression == _APERIO_JPEG2000_YCBCR
        ):
            refusal = "YCbCr colours without JPEG compression; convert it to RGB"
        needed = self.across * self.down
        if refusal is None and any(
            min(len(p.dataoffsets), len(p.databytecounts))
            < needed * (p.samplesperpixel if p.planarconfig == 2 else 1)
            for p in self.pages
        ):
            refusal = f"damaged: its tables list fewer tiles than the {needed} of a level"
        if refusal:
            raise UnsupportedLayout(f"{self.tif.filehandle.path}: {refusal}")

    def _tile_bytes(self, page: tifffile.TiffPage) -> int:
        return (
            self.tile_width
            * self.tile_height
            * page.samplesperpixel
            * np.dtype(page.dtype).itemsize
        )

    def places(self) -> list[int]:
        """Tiles spread over the level, up to seven along each axis, with the one in the middle."""
        rows, columns = (
            np.unique(np.linspace(0, n - 1, min(n, _PLACES)).round().astype(int))
            for n in (self.down, self.across)
        )
        middle = (self.down // 2) * self.across + self.across // 2
        return sorted({middle, *(int(r) * self.across + int(c) for r in rows for c in columns)})

    def white_point(self) -> int:
        """Sample value that means white: 255, or what :func:`core.pixels.white_point` finds."""
        if self.pages[0].bitspersample != 16:
            return 255
        if self.pages[0].photometric == MINISWHITE:
            return FULL_16
        colours = 3 if self.pages[0].photometric in (RGB, YCBCR) and len(self.pages) == 1 else None
        return white_point(tile[..., :colours] for tile in self._spread())

    def alpha(self) -> list[str]:
        """Remarks on a channel beside the colours: alpha that hides most, or none declared."""
        page = self.pages[0]
        colours = {RGB: 3, YCBCR: 3}.get(page.photometric, 1)
        if len(self.pages) > 1 or page.samplesperpixel <= colours:
            return []
        if not self._alpha:
            return ["its last channel is not declared to be alpha and is left out"]
        half = np.iinfo(page.dtype).max // 2
        hidden = [float((tile[..., -1] <= half).mean()) for tile in self._spread()]
        return [alpha_remark(float(np.mean(hidden)))] if hidden else []

    def _spread(self) -> Iterator[np.ndarray]:
        """Decode tiles from all over the level, without those that are damaged or left out."""
        for index in self.places():
            try:
                tile = self.samples(index)
            except KaryoscopeError:
                continue
            if tile is not None:
                yield tile

    def end(self) -> int:
        """Return the file position after the last byte of the level."""
        ends = [
            np.asarray(page.dataoffsets, np.int64) + np.asarray(page.databytecounts, np.int64)
            for page in self.pages
        ]
        return max(int(e.max(initial=0)) for e in ends)

    def samples(self, index: int) -> np.ndarray | None:
        """Decode a tile as stored: (h, w, c), or None where the file leaves it out.

        Raises
        ------
        KaryoscopeError
            If its bytes cannot be decoded.
        """
        planes: list[np.ndarray] = []
        for page in self.pages:
            separate = page.samplesperpixel if page.planarconfig == 2 else 1
            for plane in range(separate):
                data = self._decode_segment(page, plane * self.across * self.down + index)
                if data is None:
                    return None
                planes.append(data)
        return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)

    def _decode_segment(self, page: tifffile.TiffPage, segment: int) -> np.ndarray | None:
        offset, count = int(page.dataoffsets[segment]), int(page.databytecounts[segment])
        if count == 0:
            return None
        handle = self.tif.filehandle
        with self.lock:
            handle.seek(offset)
            data = handle.read(count)
        claimed = (
            claimed_size(data) if page.compression in tifffile.TIFF.IMAGE_COMPRESSIONS else None
        )
        try:
            if claimed and (claimed[0] > self.tile_width or claimed[1] > self.tile_height):
                raise ValueError(f"a tile claims {claimed[0]} x {claimed[1]} pixels")
            tile = page.decode(
                data, segment, jpegtables=page.jpegtables, jpegheader=page.jpegheader
            )[0]
        except Exception as error:  # each codec has its own kinds
            row, column = divmod(segment % (self.across * self.down), self.across)
            x, y = column * self.tile_width, row * self.tile_height
            raise KaryoscopeError(
                f"{handle.path}: damaged at x {x}, y {y} of a level"
                f" {self.width} x {self.height}: {reason(error)}"
            ) from error
        return None if tile is None else tile[0]

    def rgb(self, index: int) -> np.ndarray | None:
        """Decode a tile to RGB: (h, w, 3) uint8, or None where the file leaves it out."""
        tile = self.samples(index)
        if tile is None:
            return None
        page = self.pages[0]
        if page.compression == _APERIO_JPEG2000_YCBCR:
            return cv2.cvtColor(np.ascontiguousarray(tile[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
        if page.photometric == PALETTE:
            return self._palette[tile[..., 0]]
        if page.photometric == MINISWHITE:
            tile = np.iinfo(tile.dtype).max - tile
        return to_rgb(tile, white=self.white, alpha=self._alpha, premultiplied=self._premultiplied)
