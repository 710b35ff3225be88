"""The page in a cell of a notebook."""

from __future__ import annotations

import atexit
from pathlib import Path

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.text import for_html
from karyoscope.formats import ExportContext
from karyoscope.slides import Slide, open_slide
from karyoscope.view.answers import Answers
from karyoscope.view.catalogue import in_memory
from karyoscope.view.serve import ViewServer
from karyoscope.view.workspace import Workspace


class NotebookView:
    """A server in this process, and the frame that shows its page.

    It stops with the process, or with :meth:`close`.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei to show.
    slide : path, ndarray, Slide, or None
        Pixels to show the nuclei on.
    height : int
        Height of the frame in pixels.
    """

    def __init__(
        self,
        nuclei: Nuclei,
        slide: str | Path | np.ndarray | Slide | None = None,
        height: int = 600,
    ) -> None:
        opened = slide
        if opened is not None and not isinstance(opened, Slide):
            opened = open_slide(opened, nuclei.mpp if isinstance(opened, np.ndarray) else None)
        if opened is not None:
            name, size = opened.name, opened.size
        else:
            reach = nuclei.vertices.max(0, initial=1).astype(int) + 1
            name, size = "nuclei", (int(reach[0]), int(reach[1]))
        context = ExportContext(name, size, nuclei.mpp, nuclei.taxonomy)
        workspace = Workspace(in_memory(nuclei, opened, context))
        self._server = ViewServer(Answers(workspace), framed=True)
        self._server.start()
        self._height = height
        atexit.register(self.close)

    @property
    def address(self) -> str:
        """Address of the page, with the session in a part that is not sent to any server."""
        return f"{self._server.address}/#session={self._server.access.session}"

    def _repr_html_(self) -> str:
        source = for_html(self.address)
        return (
            f'<iframe src="{source}" title="karyoscope view" width="100%"'
            f' height="{self._height}" style="border:0;border-radius:8px"></iframe>'
        )

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()
        atexit.unregister(self.close)
