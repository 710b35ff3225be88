"""Quality control: where a slide is out of focus, inked, folded, or otherwise no good tissue.

Each kind of fault (:data:`karyoscope.core.faults.KINDS`) is decided for cells of 32 µm, from sums
over pixels of 2 µm that are read in tiles, so that the pixels of a slide are never held in memory.
"""

from karyoscope.slides.quality.quality import Quality

__all__ = ["Quality"]
