"""The tiles or strips of one pyramid level of a TIFF file, decoded to 8-bit RGB."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides._pixels import to_rgb
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import UnsupportedLayout

MINISWHITE, MINISBLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_JPEG = {6, 7, 34892, 33007}
_APERIO_JPEG2000_YCBCR = 33003
_LARGEST_TILE = 300_000_000


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
        self._premultiplied = 1 in page.extrasamples
        if page.photometric == PALETTE:
            self._palette = (np.asarray(page.colormap).T >> 8).astype(np.uint8)

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
        elif self.tile_width * self.tile_height > _LARGEST_TILE:
            refusal = (
                f"{self.width} x {self.height} pixels in one piece, too large to decode at once;"
                " save it with tiles"
            )
        elif page.photometric == YCBCR and not (
            page.compression in _JPEG or page.compression == _APERIO_JPEG2000_YCBCR
        ):
            refusal = "YCbCr colours without JPEG compression; convert it to RGB"
        if refusal:
            raise UnsupportedLayout(f"{self.tif.filehandle.path}: {refusal}")

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
        try:
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
        return to_rgb(tile, self._premultiplied)
