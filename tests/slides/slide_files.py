"""Small slides of every format, written with one picture; used by the tests of slides."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile

APERIO = "Aperio Image Library v11.2.1\r\n{width}x{height} (256x256) J2K|AppMag = 40|MPP = 0.2500"

SCN = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection name="c" sizeX="1000000" sizeY="800000"><image name="i">
<pixels sizeX="{width}" sizeY="{height}">{dimensions}</pixels>
<view sizeX="{nm_x}" sizeY="{nm_y}" offsetX="100000" offsetY="50000"/>
<scanSettings><objectiveSettings><objective>40</objective></objectiveSettings>
<illuminationSettings><illuminationSource>brightfield</illuminationSource>
<numericalAperture>0.65</numericalAperture></illuminationSettings></scanSettings>
</image></collection></scn>"""


def halved(rgb: np.ndarray, times: int = 1) -> np.ndarray:
    """Next level of a pyramid, its odd last row and column dropped."""
    height, width = rgb.shape[0] >> times, rgb.shape[1] >> times
    cropped = rgb[: height << times, : width << times]
    return cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA)


def tiles(rgb: np.ndarray, edge: int) -> Iterator[np.ndarray]:
    """Tiles of ``edge`` pixels, row by row, filled up with white."""
    for y in range(0, rgb.shape[0], edge):
        for x in range(0, rgb.shape[1], edge):
            part = rgb[y : y + edge, x : x + edge]
            tile = np.full((edge, edge, 3), 255, np.uint8)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile


def at_mpp(mpp: float) -> dict[str, Any]:
    """Arguments of tifffile that record a pixel size in the resolution tags."""
    return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}


def write_tiff_pyramid(path: Path, rgb: np.ndarray, mpp: float = 0.25, **options: Any) -> Path:
    """Levels as pages of their own, as vips and ASAP write them."""
    options = {"tile": (128, 128), "metadata": None, "photometric": "rgb"} | options
    with tifffile.TiffWriter(path) as file:
        for level in range(3):
            file.write(
                halved(rgb, level) if level else rgb,
                subfiletype=int(level > 0),
                **at_mpp(mpp * 2**level),
                **options,
            )
    return path


def write_ome_tiff(path: Path, rgb: np.ndarray, planes: bool = False) -> Path:
    """OME-TIFF with levels as SubIFDs; colours interleaved or as three planes."""
    metadata = {
        "axes": "CYX" if planes else "YXS",
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 250.0,
        "PhysicalSizeYUnit": "nm",
    }
    options: dict[str, Any] = {
        "tile": (128, 128),
        "compression": "zlib",
        "photometric": "minisblack" if planes else "rgb",
    }
    with tifffile.TiffWriter(path, ome=True) as file:
        for level in range(2):
            pixels = halved(rgb, level) if level else rgb
            file.write(
                np.moveaxis(pixels, 2, 0) if planes else pixels,
                **({"subfiletype": 1} if level else {"subifds": 1, "metadata": metadata}),
                **options,
            )
    return path


def write_aperio_jpeg2000(path: Path, rgb: np.ndarray, compression: int) -> Path:
    """Aperio SVS with lossless JPEG 2000 tiles: 33005 holds RGB, 33003 YCbCr."""
    stored = rgb
    if compression == 33003:
        stored = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    encoded = [
        imagecodecs.jpeg2k_encode(tile, codecformat="j2k", mct=False, reversible=True, level=0)
        for tile in tiles(stored, 256)
    ]
    tifffile.imwrite(
        path,
        iter(encoded),
        shape=rgb.shape,
        dtype=np.uint8,
        tile=(256, 256),
        compression=compression,
        photometric="rgb",
        description=APERIO.format(width=rgb.shape[1], height=rgb.shape[0]),
        metadata=None,
    )
    return path


def write_ndpi(path: Path, rgb: np.ndarray) -> Path:
    """Hamamatsu NDPI: one JPEG strip a level, the magnification in a private tag."""
    with tifffile.TiffWriter(path) as file:
        for level, lens in ((0, 40.0), (1, 20.0)):
            pixels = halved(rgb, level) if level else rgb
            file.write(
                pixels,
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 98},
                rowsperstrip=pixels.shape[0],
                metadata=None,
                extratags=[
                    (271, 2, 0, "Hamamatsu", True),
                    (65420, 4, 1, 1, True),
                    (65421, 11, 1, lens, True),
                    (65424, 9, 1, 0, True),
                ],
                **at_mpp(0.25 * 2**level),
            )
    return path


def write_scn(path: Path, rgb: np.ndarray) -> Path:
    """Leica SCN: the scanned part lies at (400, 200) of a larger slide."""
    levels = [rgb, halved(rgb)]
    dimensions = "".join(
        f'<dimension sizeX="{p.shape[1]}" sizeY="{p.shape[0]}" r="{n}" ifd="{n}"/>'
        for n, p in enumerate(levels)
    )
    height, width = rgb.shape[:2]
    description = SCN.format(
        width=width,
        height=height,
        nm_x=width * 250,
        nm_y=height * 250,
        dimensions=dimensions,
    )
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level, pixels in enumerate(levels):
            file.write(
                pixels,
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 98},
                tile=(128, 128),
                subfiletype=int(level > 0),
                description=None if level else description,
                metadata=None,
                **at_mpp(0.25 * 2**level),
            )
    return path


def write_bif(path: Path, rgb: np.ndarray, tile: int = 128) -> Path:
    """Ventana BIF: label first, then levels whose tiles are joined without overlap."""
    across, down = -(-rgb.shape[1] // tile), -(-rgb.shape[0] // tile)
    joint = (
        '<TileJointInfo FlagJoined="1" Confidence="98" Direction="{way}" Tile1="{a}" Tile2="{b}"'
        ' OverlapX="0" OverlapY="0"/>'
    )

    def number(row: int, column: int) -> int:
        # From the bottom row up, forth and back.
        rank = down - 1 - row
        return rank * across + (column if rank % 2 == 0 else across - 1 - column) + 1

    joints = [
        joint.format(way="RIGHT", a=number(row, column), b=number(row, column + 1))
        for row in range(down)
        for column in range(across - 1)
    ] + [
        joint.format(way="UP", a=number(row + 1, column), b=number(row, column))
        for row in range(down - 1)
        for column in range(across)
    ]
    scan = '<iScan Magnification="40" ScanRes="0.25" Z-layers="1" Z-spacing="1"/>'
    info = (
        f'<EncodeInfo Ver="2"><SlideStitchInfo><ImageInfo AOIScanned="1" AOIIndex="0"'
        f' Width="{tile}" Height="{tile}" NumRows="{down}" NumCols="{across}"'
        f' Pos-X="0" Pos-Y="0">{"".join(joints)}</ImageInfo></SlideStitchInfo>'
        '<AoiOrigin><AOI0 OriginX="0" OriginY="0"/></AoiOrigin></EncodeInfo>'
    )

    def xml(text: str) -> list[tuple[int, int, int, bytes, bool]]:
        return [(700, 1, len(text), text.encode(), True)]

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        label = np.full((40, 90, 3), 200, np.uint8)
        file.write(label, description="Label Image", metadata=None, extratags=xml(scan))
        for level in range(2):
            file.write(
                halved(rgb, level) if level else rgb,
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 98},
                tile=(tile, tile),
                description=f"level={level} mag={40 >> level} quality=98",
                metadata=None,
                extratags=[] if level else xml(info),
            )
    return path


def write_mrxs(path: Path, rgb: np.ndarray, tile: int = 256) -> Path:
    """3DHISTECH MRXS with one zoom level: the scan lies at tile (2, 1) of 8 x 6 tiles."""
    columns, rows, left, top = 8, 6, 2, 1
    folder = path.with_suffix("")
    folder.mkdir()
    path.write_bytes(imagecodecs.jpeg8_encode(np.full((32, 32, 3), 200, np.uint8)))
    version, slide = "01.02", "S" * 32
    head = (version + slide).encode()
    data, records = bytearray(head), []
    across = -(-rgb.shape[1] // tile)
    for n, pixels in enumerate(tiles(rgb, tile)):
        encoded = imagecodecs.png_encode(pixels)
        place = (top + n // across) * columns + left + n % across
        records.append(struct.pack("<4i", place, len(data), len(encoded), 0))
        data += encoded
    (folder / "Data0000.dat").write_bytes(data)
    table = len(head) + 8
    numbers = [table, 0, table + 4, 0, table + 12, len(records), 0]
    index = head + struct.pack("<7i", *numbers) + b"".join(records)
    (folder / "Index.dat").write_bytes(index)
    (folder / "Slidedat.ini").write_text(
        f"[GENERAL]\nSLIDE_VERSION={version}\nSLIDE_ID={slide}\nIMAGENUMBER_X={columns}\n"
        f"IMAGENUMBER_Y={rows}\nOBJECTIVE_MAGNIFICATION=40\nCameraImageDivisionsPerSide=1\n"
        "[HIERARCHICAL]\nHIER_COUNT=1\nNONHIER_COUNT=0\nINDEXFILE=Index.dat\n"
        "HIER_0_NAME=Slide zoom level\nHIER_0_COUNT=1\nHIER_0_VAL_0=ZoomLevel_0\n"
        "HIER_0_VAL_0_SECTION=LAYER_0_LEVEL_0_SECTION\n"
        "[DATAFILE]\nFILE_COUNT=1\nFILE_0=Data0000.dat\n"
        "[LAYER_0_LEVEL_0_SECTION]\nOVERLAP_X=0.0\nOVERLAP_Y=0.0\n"
        "MICROMETER_PER_PIXEL_X=0.25\nMICROMETER_PER_PIXEL_Y=0.25\nIMAGE_FORMAT=PNG\n"
        f"IMAGE_FILL_COLOR_BGR=16777215\nDIGITIZER_WIDTH={tile}\nDIGITIZER_HEIGHT={tile}\n"
        "IMAGE_CONCAT_FACTOR=0\n"
    )
    return path


def write_ome_zarr(
    path: Path,
    rgb: np.ndarray,
    version: int = 2,
    planes: str = "cyx",
    mpp: tuple[float, float] = (0.25, 0.25),
) -> Path:
    """OME-NGFF 0.4 (Zarr 2) or 0.5 (Zarr 3), two levels."""
    import zarr

    group = zarr.open_group(str(path), mode="w", zarr_format=version)  # type: ignore[arg-type]
    datasets = []
    for level in range(2):
        pixels = np.moveaxis(halved(rgb, level) if level else rgb, 2, 0)
        lengths = dict(zip("cyx", pixels.shape, strict=True))
        pixels = pixels.reshape([lengths.get(axis, 1) for axis in planes])
        chunks = (1,) * (len(planes) - 2) + (64, 64)
        array = group.create_array(str(level), shape=pixels.shape, chunks=chunks, dtype="uint8")
        array[...] = pixels
        scale = [1.0] * (len(planes) - 2) + [mpp[1] * 2**level, mpp[0] * 2**level]
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    kinds = {"c": {"type": "channel"}, "t": {"type": "time"}, "z": {"type": "space"}}
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": axis} | kinds.get(axis, space) for axis in planes]
    multiscales = [{"axes": axes, "datasets": datasets, "version": "0.4"}]
    group.attrs.update(
        {"multiscales": multiscales}
        if version == 2
        else {"ome": {"version": "0.5", "multiscales": multiscales}}
    )
    return path
