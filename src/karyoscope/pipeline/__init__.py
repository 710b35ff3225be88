"""Slides, inference, post-processing and output formats together: one slide, or a batch of them.

``tiling`` divides a slide, ``stains`` changes its colours, ``stream`` runs its blocks, ``measures``
adds features, ``runs`` resumes what was stopped, ``to_files`` segments one slide, ``batch`` many.
"""

from karyoscope.pipeline.batch import (
    BatchListener,
    BatchResult,
    Plan,
    PlannedSlide,
    SlideResult,
    plan_slides,
    segment_slides,
)
from karyoscope.pipeline.executor import Executor, LocalExecutor
from karyoscope.pipeline.in_memory import segment, segment_open_slide
from karyoscope.pipeline.measures import FEATURES, add_features
from karyoscope.pipeline.options import FORMATS, InvalidOptions, SegmentOptions
from karyoscope.pipeline.prepare import prepare_model, warm_up
from karyoscope.pipeline.preview import PREVIEW_SUFFIX
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.runs import Journal, Run, is_incomplete
from karyoscope.pipeline.stains import Stain, input_stains, load_stain, model_input_image
from karyoscope.pipeline.stream import Threads, run_blocks, stream_nuclei, threads_for
from karyoscope.pipeline.tiling import (
    Area,
    Block,
    BlockReport,
    Box,
    Layout,
    Outlines,
    Roi,
    Step,
    Window,
    area_of,
    layout_for,
    needed_windows,
    plan_blocks,
)
from karyoscope.pipeline.to_files import segment_file

__all__ = [
    "FEATURES",
    "FORMATS",
    "PREVIEW_SUFFIX",
    "Area",
    "BatchListener",
    "BatchResult",
    "Block",
    "BlockReport",
    "Box",
    "Executor",
    "InvalidOptions",
    "Journal",
    "Layout",
    "LocalExecutor",
    "Outlines",
    "Plan",
    "PlannedSlide",
    "Progress",
    "Roi",
    "Run",
    "SegmentOptions",
    "SlideResult",
    "Stain",
    "Step",
    "Threads",
    "Window",
    "add_features",
    "area_of",
    "input_stains",
    "is_incomplete",
    "layout_for",
    "load_stain",
    "model_input_image",
    "needed_windows",
    "plan_blocks",
    "plan_slides",
    "prepare_model",
    "run_blocks",
    "segment",
    "segment_file",
    "segment_open_slide",
    "segment_slides",
    "stream_nuclei",
    "threads_for",
    "warm_up",
]
