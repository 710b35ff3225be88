"""Results named by path: one call serves them to a browser, or writes them as a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.answers import Answers
from karyoscope.view.catalogue import open_paths
from karyoscope.view.queue import read_queue
from karyoscope.view.serve import LOCAL, ViewServer
from karyoscope.view.share import write_shared
from karyoscope.view.workspace import Workspace


def serve_results(
    paths: Sequence[str | Path],
    slides: Sequence[str | Path] = (),
    *,
    mpp: float | None = None,
    edit: bool = False,
    model: str | Path | None = None,
    queue: str | Path | None = None,
    host: str = LOCAL,
    port: int = 0,
    origins: Sequence[str] = (),
    new_link: Callable[[str], None] | None = None,
) -> ViewServer:
    """Prepare a server that shows slides and results.

    This is what ``karyoscope view`` does. The server listens when this returns;
    :meth:`~karyoscope.view.ViewServer.run` answers until it is interrupted, and
    :meth:`~karyoscope.view.ViewServer.start` in a thread of its own.

    Parameters
    ----------
    paths : sequence of path
        Folders of results, GeoParquet files and slides.
    slides : sequence of path
        Slides that the results belong to, or folders of them.
    mpp : float, optional
        Micrometres per pixel, where the files do not state it.
    edit : bool
        Whether corrections and regions may be written beside the results.
    model : str or path, optional
        Model that outlines the nucleus that is clicked, for which ``edit`` is needed.
    queue : path, optional
        CSV file of regions to review; see :func:`~karyoscope.view.read_queue`.
    host : str
        Address to listen at; any other than 127.0.0.1 allows access from other machines.
    port : int
        Port to listen at; 0 for one that is free.
    origins : sequence of str
        Sites whose pages may read from the server.
    new_link : callable, optional
        Called with each further link that works once; the first is the server's ``link``.

    Returns
    -------
    ViewServer

    Raises
    ------
    KaryoscopeError
        If a path cannot be opened, ``model`` is given without ``edit``, or the port is taken.
    """
    if model is not None and not edit:
        raise KaryoscopeError("a model outlines new nuclei, which needs edit")
    catalogue = open_paths(paths, slides, mpp)
    segment = None
    if model is not None:
        # Imported late: inspecting results needs no engine.
        from karyoscope.view.spot import SpotSegmenter

        segment = SpotSegmenter.load(model)
    places = () if queue is None else read_queue(queue, catalogue)
    answers = Answers(Workspace(catalogue), edit, segment, places)
    return ViewServer(answers, host, port, origins, new_link=new_link)


def share_results(
    paths: Sequence[str | Path],
    folder: str | Path,
    slides: Sequence[str | Path] = (),
    *,
    mpp: float | None = None,
    overwrite: bool = False,
    begin: Callable[[int], None] = lambda files: None,
    watch: Callable[[str], None] = lambda name: None,
) -> int:
    """Write slides and results as a folder that any web server can show.

    This is what ``karyoscope view --export`` does.

    Parameters
    ----------
    paths, slides, mpp : sequence of path, sequence of path and float
        See :func:`serve_results`.
    folder : path
        Appears when it is complete.
    overwrite : bool
        Replace a folder that was written here before.
    begin : callable
        Called once with the number of files.
    watch : callable
        Called with the name of each file, after it was written.

    Returns
    -------
    int
        Number of files written.

    Raises
    ------
    KaryoscopeError
        If a path cannot be opened, or the folder cannot be written; see
        :func:`~karyoscope.view.write_shared`.
    """
    workspace = Workspace(open_paths(paths, slides, mpp))
    try:
        return write_shared(workspace, folder, overwrite=overwrite, begin=begin, watch=watch)
    finally:
        workspace.close()
