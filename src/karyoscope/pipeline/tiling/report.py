"""Report of a block: the analysed area, and failures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from karyoscope.pipeline.tiling.blocks import Box


@dataclass(frozen=True)
class BlockReport:
    """Report of a segmented block, besides its nuclei.

    Attributes
    ----------
    analysed_px : float
        Pixels of level 0 that were analysed.
    tissue_px : float
        Analysed pixels that are tissue; NaN where the tissue is not known.
    oversized : int
        Nuclei that reach beyond what the block read: their outline is cut there.
    unread : mapping of Box to str
        Places, in pixels of level 0, that could not be read, and why; the block saw them white.
    failed : (Box, str) or None
        The block itself, in pixels of level 0, where the engine failed, and why; such a block has
        no nuclei.
    read_any : bool
        Whether anything of the slide could be read so far.
    """

    analysed_px: float
    tissue_px: float = math.nan
    oversized: int = 0
    unread: Mapping[Box, str] = field(default_factory=dict)
    failed: tuple[Box, str] | None = None
    read_any: bool = True

    @property
    def complete(self) -> bool:
        """Whether all of the block could be read and analysed."""
        return not self.unread and self.failed is None

    def to_json(self) -> str:
        """Return the report as text, from which :meth:`from_json` makes it again."""
        unread = [[*asdict(box).values(), why] for box, why in self.unread.items()]
        failed = self.failed and [*asdict(self.failed[0]).values(), self.failed[1]]
        row = [self.analysed_px, self.tissue_px, self.oversized, unread, failed, self.read_any]
        return json.dumps(row)

    @classmethod
    def from_json(cls, text: str | bytes) -> BlockReport:
        """Read a report from the text of :meth:`to_json`."""
        analysed_px, tissue_px, oversized, unread, failed, read_any = json.loads(text)
        places = {Box(*row[:4]): row[4] for row in unread}
        lost = (Box(*failed[:4]), failed[4]) if failed else None
        return cls(analysed_px, tissue_px, oversized, places, lost, read_any)
