"""Slides, inference, post-processing and export tied together."""

from karyoscope.pipeline.area import Area, Outlines, Roi, area_of
from karyoscope.pipeline.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.journal import Facts, Journal
from karyoscope.pipeline.measuring import FEATURES, add_features
from karyoscope.pipeline.plan import Step, plan_blocks
from karyoscope.pipeline.prepare import prepare_model, warm_up
from karyoscope.pipeline.preview import PREVIEW_SUFFIX
from karyoscope.pipeline.resume import done_before, has_gaps, journal_folder
from karyoscope.pipeline.seen import image_as_seen, stains_before
from karyoscope.pipeline.segment import (
    FORMATS,
    SegmentOptions,
    layout_for,
    segment,
    segment_file,
)
from karyoscope.pipeline.stain import Stain, load_stain
from karyoscope.pipeline.stream import Progress, RunBlocks, run_blocks, stream_nuclei

__all__ = [
    "FEATURES",
    "FORMATS",
    "PREVIEW_SUFFIX",
    "Area",
    "Block",
    "Box",
    "Facts",
    "Journal",
    "Layout",
    "Outlines",
    "Progress",
    "Roi",
    "RunBlocks",
    "SegmentOptions",
    "Stain",
    "Step",
    "Window",
    "add_features",
    "area_of",
    "done_before",
    "has_gaps",
    "image_as_seen",
    "journal_folder",
    "layout_for",
    "load_stain",
    "plan_blocks",
    "prepare_model",
    "run_blocks",
    "segment",
    "segment_file",
    "stains_before",
    "stream_nuclei",
    "warm_up",
]
