"""Reading the images and label images of datasets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import tifffile

from karyoscope.core.claims import claimed_size
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.images import decode_image, refuse_large_image
from karyoscope.core.pixels import (
    alpha_remark,
    depth_remark,
    orientation_remark,
    to_rgb,
    white_point,
)
from karyoscope.core.remarks import warn
from karyoscope.core.tiff_guard import check_directories
from karyoscope.datasets.files import one_line

_TIFF_SUFFIXES = (".svs", ".tif", ".tiff")
_LARGEST_IMAGE_BYTES = 1_000_000_000
_HEAD_BYTES = 1 << 16


def read_rgb(path: Path) -> np.ndarray:
    """Read an image file as (h, w, 3) uint8 RGB, by the rules that slides are read by.

    Pixels are those that are stored: an orientation tag is not applied, since the labels may be on
    either side of it, and is warned of. 16-bit samples are scaled by their white point, alpha
    that is declared is laid over white.

    Raises
    ------
    KaryoscopeError
        If it is damaged, or no colour image of 8 or 16 bits.
    """
    if path.suffix.lower() in _TIFF_SUFFIXES:
        rgb, remarks = _tiff_rgb(path)
    else:
        try:
            image = decode_image(path)
        except (KaryoscopeError, OSError) as error:
            raise KaryoscopeError(f"{path}: not a readable colour image ({error})") from error
        rgb, remarks = image.rgb, image.remarks
    for remark in remarks:
        warn(f"{path}: {remark}", stacklevel=2)
    return rgb


def _tiff_rgb(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """First page of a TIFF as RGB, and what to tell of it."""
    refused = f"{path}: not a readable colour image"
    try:
        check_directories(path)
        with tifffile.TiffFile(path) as file:
            page = file.pages[0].aspage()
            _refuse_false_claims(file, page)
            image = page.asarray()
            extra, orientation = page.extrasamples[-1:], page.tags.valueof(274)
            images = _images(file)
    except Exception as error:  # tifffile raises many kinds for a damaged file
        raise KaryoscopeError(f"{refused} ({one_line(error)})") from error
    if image.ndim == 3 and image.shape[0] in (3, 4) and image.shape[2] > 4:
        image = np.moveaxis(image, 0, 2)
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype not in (np.uint8, np.uint16):
        raise KaryoscopeError(f"{refused} (shape {image.shape}, samples {image.dtype})")
    white = white_point([image[..., :3]]) if image.dtype == np.uint16 else 255
    alpha = image.shape[2] == 4 and any(kind in (1, 2) for kind in extra)
    rgb = to_rgb(image, white=white, alpha=alpha, premultiplied=1 in extra)
    half = np.iinfo(image.dtype).max // 2
    remarks = (
        depth_remark(white) if image.dtype == np.uint16 else "",
        alpha_remark(float((image[..., 3] <= half).mean())) if alpha else "",
        orientation_remark(orientation),
        f"it holds {images} images; the first is read" if images > 1 else "",
    )
    return rgb, tuple(filter(None, remarks))


def _images(file: tifffile.TiffFile) -> int:
    """Number of images in a file; the levels of a pyramid are one."""
    return sum(len(series.pages) for series in file.series)


def _refuse_false_claims(file: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Refuse a page whose encoded tiles claim to be larger than it says."""
    if page.size * np.dtype(page.dtype).itemsize > _LARGEST_IMAGE_BYTES:
        raise ValueError(f"{page.imagewidth} x {page.imagelength} pixels are too many")
    if page.compression not in tifffile.TIFF.IMAGE_COMPRESSIONS:
        return
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.filehandle.seek(offset)
        claimed = claimed_size(file.filehandle.read(min(count, _HEAD_BYTES)))
        width, height = (page.tilewidth, page.tilelength) if page.is_tiled else page.shape[1::-1]
        if claimed and (claimed[0] > width or claimed[1] > height):
            raise ValueError(f"a tile claims {claimed[0]} x {claimed[1]} pixels")


def _read_tiff(path: Path) -> np.ndarray | None:
    """First page of a TIFF; OpenCV knows fewer compressions and answers some with black."""
    try:
        check_directories(path)
        with tifffile.TiffFile(path) as file:
            page, images = file.pages[0].aspage(), _images(file)
            _refuse_false_claims(file, page)
            image, orientation = page.asarray(), page.tags.valueof(274)
    except Exception:  # tifffile raises many kinds for a damaged file
        return None
    if images > 1:
        raise KaryoscopeError(f"{path}: it holds {images} images, where one is needed")
    remark = orientation_remark(orientation)
    if remark:
        warn(f"{path}: {remark}", stacklevel=3)
    planes_first = image.ndim == 3 and image.shape[0] in (3, 4) and image.shape[2] > 4
    return np.moveaxis(image, 0, 2) if planes_first else image


def read_plain(path: Path) -> np.ndarray:
    """Read an image file as stored: one or more channels, any bit depth."""
    if path.suffix.lower() in _TIFF_SUFFIXES:
        image = _read_tiff(path)
    else:
        refuse_large_image(path)
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise KaryoscopeError(f"{path}: not a readable image")
    return image
