"""Runs that can be stopped and resumed: their identity, their journal, their results."""

from karyoscope.pipeline.runs.failures import Failures, regions
from karyoscope.pipeline.runs.identity import run_settings
from karyoscope.pipeline.runs.journal import Journal
from karyoscope.pipeline.runs.results import is_incomplete
from karyoscope.pipeline.runs.run import Run

__all__ = ["Failures", "Journal", "Run", "is_incomplete", "regions", "run_settings"]
