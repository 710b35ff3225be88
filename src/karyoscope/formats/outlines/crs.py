"""The member ``crs`` of GeoJSON in pixels: without it, coordinates are degrees (RFC 7946)."""

#: Well-known text (ISO 19162), which GDAL reads where a file names it.
_TEXT = (
    'ENGCRS["pixels of level 0",EDATUM["corner of the first pixel"],CS[Cartesian,2],'
    'AXIS["x",east],AXIS["y",south],LENGTHUNIT["pixel",1]]'
)

PIXELS = {"type": "name", "properties": {"name": _TEXT}}
