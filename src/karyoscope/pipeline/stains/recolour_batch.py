"""Many slides and images written again with other colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline.slide_warnings import SlideWarnings
from karyoscope.pipeline.stains.recolour import recolour_file
from karyoscope.pipeline.stains.stain import Stain, load_stain
from karyoscope.slides import find_slides


@dataclass
class RecolourResult:
    """Result of writing slides with normalised stains.

    Attributes
    ----------
    written : list of Path
    problems : list of str
        One line for each input that failed or that names no slide.
    """

    written: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def recolour_slides(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    stain: str | Path | Stain,
    mpp: float | None = None,
    *,
    override_mpp: float | None = None,
    overwrite: bool = False,
    threads: int = 0,
    warn: Callable[[Path, str], None] = lambda path, line: None,
    watch: Callable[[Path | str], None] = lambda written: None,
) -> RecolourResult:
    """Write slides and images with normalised stains; if one fails, the others are processed.

    Parameters
    ----------
    paths : str, path or sequence of them
        Slides, images, folders or globs.
    out : path
        Folder of the results; see :func:`recolour_file`.
    stain : str, path or Stain
        See :func:`load_stain`.
    mpp : float, optional
        Micrometres per pixel of level 0, where a file does not state it.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the files state.
    overwrite : bool
        Replace results that exist.
    threads : int
        Threads of the CPU; 0 for all.
    warn : callable
        Called with a slide and each warning about it.
    watch : callable
        Called after each input, with the path that was written or one line on what is wrong.

    Returns
    -------
    RecolourResult

    Raises
    ------
    KaryoscopeError
        If the stain cannot be used.
    """
    loaded = stain if isinstance(stain, Stain) else load_stain(stain, mpp, threads)
    slides, problems = find_slides([paths] if isinstance(paths, (str, Path)) else paths)
    result = RecolourResult(problems=problems)
    for problem in problems:
        watch(problem)
    first: dict[str, Path] = {}
    with SlideWarnings(warn) as heard:
        for path in slides:
            try:
                taken = first.setdefault(path.stem, path)
                if taken != path:
                    raise KaryoscopeError(f"{path}: its result would have the name of {taken}'s")
                with heard.of(path):
                    written = recolour_file(
                        path, Path(out), loaded, mpp, overwrite, override_mpp=override_mpp
                    )
            except KaryoscopeError as error:
                result.problems.append(str(error))
                watch(str(error))
            else:
                result.written.append(written)
                watch(written)
    return result
