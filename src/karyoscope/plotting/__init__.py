"""Figures of nuclei in matplotlib: outlines on pixels, densities, histograms, counts of classes.

Every function draws into the given axes, or into a new figure, and returns the axes.
"""

from karyoscope.plotting.charts import class_bars, histogram
from karyoscope.plotting.densities import density_map
from karyoscope.plotting.outlines import overlay

__all__ = ["class_bars", "density_map", "histogram", "overlay"]
