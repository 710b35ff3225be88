"""Slides, inference, post-processing and export tied together."""

from karyoscope.pipeline.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.segment import FORMATS, SegmentOptions, segment, segment_file
from karyoscope.pipeline.stream import Progress, stream_nuclei

__all__ = [
    "FORMATS",
    "Block",
    "Box",
    "Layout",
    "Progress",
    "SegmentOptions",
    "Window",
    "segment",
    "segment_file",
    "stream_nuclei",
]
