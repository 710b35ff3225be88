"""What receives nuclei block by block: the writers of a slide, or a step before them."""

from __future__ import annotations

from typing import Protocol

from karyoscope.core.nuclei import Nuclei


class Sink(Protocol):
    """Takes blocks of nuclei, and is finished when there are no more."""

    def write(self, nuclei: Nuclei) -> None:
        """Add a block."""

    def finish(self) -> None:
        """Complete what was written."""
