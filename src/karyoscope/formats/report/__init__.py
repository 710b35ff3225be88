"""The page about one slide: its figures are collected here, and drawn by ``karyoscope.report``."""

from karyoscope.formats.report.writer import ReportWriter

__all__ = ["ReportWriter"]
