"""How a slide is divided: the area that is analysed, windows for the network, blocks of nuclei."""

from karyoscope.pipeline.tiling.area import Area, Roi, area_of
from karyoscope.pipeline.tiling.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.tiling.mosaic import Mosaic
from karyoscope.pipeline.tiling.outlines import Outlines
from karyoscope.pipeline.tiling.plan import (
    Step,
    layout_for,
    needed_windows,
    plan_blocks,
    wanted_blocks,
)
from karyoscope.pipeline.tiling.report import BlockReport

__all__ = [
    "Area",
    "Block",
    "BlockReport",
    "Box",
    "Layout",
    "Mosaic",
    "Outlines",
    "Roi",
    "Step",
    "Window",
    "area_of",
    "layout_for",
    "needed_windows",
    "plan_blocks",
    "wanted_blocks",
]
