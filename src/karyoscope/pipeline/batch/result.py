"""What came of a batch of slides, and who is called while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.runs.results import is_incomplete

Status = Literal["done", "unchanged", "failed"]


@dataclass(frozen=True)
class SlideResult:
    """Result of one slide.

    Attributes
    ----------
    path : Path
    status : {"done", "unchanged", "failed"}
        ``unchanged`` where an earlier run with the same settings left nothing to do.
    summary : dict or None
        The content of ``<stem>.summary.json``; None where the slide failed.
    error : str
        One line that says why it failed.
    seconds : float
        Duration of the run.
    blocks_kept : int
        Blocks that were taken over from an earlier run.
    resumable : bool
        Whether a slide that failed has finished blocks that the same call continues from.
    trace : str
        Traceback where the failure is a defect of karyoscope.
    name : str
        Stem of the files that were written; empty where none were.
    """

    path: Path
    status: Status
    summary: dict[str, Any] | None = None
    error: str = ""
    seconds: float = 0.0
    blocks_kept: int = 0
    resumable: bool = False
    trace: str = ""
    name: str = ""

    @property
    def incomplete(self) -> bool:
        """Whether some regions could not be read or analysed."""
        return self.summary is not None and is_incomplete(self.summary)

    @property
    def failed(self) -> bool:
        """Whether there is no result, or one that is incomplete."""
        return self.status == "failed" or self.incomplete


@dataclass
class BatchResult:
    """Result of a batch.

    Attributes
    ----------
    slides : list of SlideResult
        One entry for each slide, in the order in which they were run.
    problems : list of str
        One line for each input that names no slide.
    cohort : list of Path
        Files of the cohort that were written.
    problems_after : list of str
        One line where these could not be written.
    """

    slides: list[SlideResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    cohort: list[Path] = field(default_factory=list)
    problems_after: list[str] = field(default_factory=list)

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """Summaries of the slides that have results."""
        return [slide.summary for slide in self.slides if slide.summary is not None]

    @property
    def inputs(self) -> int:
        """Number of slides, and of inputs that name none."""
        return len(self.slides) + len(self.problems)

    @property
    def failed(self) -> int:
        """Number of inputs that failed or whose results are incomplete."""
        return len(self.problems) + sum(slide.failed for slide in self.slides)


class BatchListener:
    """Is called while a batch runs; these methods do nothing, a subclass overrides some.

    All but :meth:`progress` and :meth:`warning` are called from the thread of the batch. What is
    said of slides that are run at once is said of one after the other.
    """

    def problem(self, line: str) -> None:
        """Receive an error of an input, or of the files of the cohort."""

    def planned(self, paths: Sequence[Path]) -> None:
        """Receive the slides that will be run, in order, before the first begins."""

    def begin(self, path: Path) -> None:
        """Receive the slide that begins; a call of :meth:`finished` for it follows."""

    def progress(self, path: Path, progress: Progress) -> None:
        """Receive the progress of a slide, after each block."""

    def warning(self, path: Path, line: str) -> None:
        """Receive a warning about a slide; each is given once."""

    def finished(self, slide: SlideResult) -> None:
        """Receive the result of a slide."""
