"""Segmentation of many slides: which they are, in what order they run, and what came of each."""

from karyoscope.pipeline.batch.plan import Plan, PlannedSlide, plan_slides
from karyoscope.pipeline.batch.result import BatchListener, BatchResult, SlideResult
from karyoscope.pipeline.batch.segment import segment_slides

__all__ = [
    "BatchListener",
    "BatchResult",
    "Plan",
    "PlannedSlide",
    "SlideResult",
    "plan_slides",
    "segment_slides",
]
