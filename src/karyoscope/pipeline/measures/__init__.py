"""Measurements of nuclei on their way to the files: features, regions, faults, spatial scores."""

from karyoscope.pipeline.measures.measuring import FEATURES, add_features

__all__ = ["FEATURES", "add_features"]
