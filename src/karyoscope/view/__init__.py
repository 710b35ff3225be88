"""Results in a browser: slides, nuclei, regions, comparisons and corrections, from one server.

:func:`serve_results` and :func:`share_results` do what ``karyoscope view`` does. Of the modules,
``catalogue`` finds slides and results, ``workspace`` opens them, ``answers`` computes the answer to
each request, ``app`` is the web application, ``access`` decides who may use it, and ``serve`` runs
it. The page is built from ``viewer/`` at the root of the repository into ``static/``.
"""

from karyoscope.view.access import Access
from karyoscope.view.answers import Answers
from karyoscope.view.app import make_app
from karyoscope.view.catalogue import Catalogue, open_paths
from karyoscope.view.from_paths import serve_results, share_results
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
    "serve_results",
    "share_results",
    "write_shared",
]
