"""The page about one slide: its figures are collected here, and drawn by ``karyoscope.report``."""
