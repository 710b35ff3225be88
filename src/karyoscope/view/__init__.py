"""Results in a browser: slides, nuclei, regions, comparisons and corrections, from one server.

``catalogue`` finds what is to be shown, ``workspace`` opens it, ``answers`` makes what the page
asks for, ``app`` and ``access`` say how and to whom, ``serve`` runs it. The page itself is built
from ``viewer/`` at the root of the repository into ``static/``.
"""

from karyoscope.view.access import Access
from karyoscope.view.answers import Answers
from karyoscope.view.app import make_app
from karyoscope.view.catalogue import Catalogue, open_paths
from karyoscope.view.notebook import NotebookView
from karyoscope.view.queue import read_queue
from karyoscope.view.serve import ViewServer, open_browser
from karyoscope.view.share import write_shared
from karyoscope.view.workspace import Workspace

__all__ = [
    "Access",
    "Answers",
    "Catalogue",
    "NotebookView",
    "ViewServer",
    "Workspace",
    "make_app",
    "open_browser",
    "open_paths",
    "read_queue",
    "write_shared",
]
