"""Going on where a run ended: which settings a result has, whether it is there, what is left.

A run is the same as another where it would give the same nuclei: same slide, model, options and
version. Where its results are complete there is nothing to do; where it was stopped, its journal
holds the blocks that are done, and only the others are read and run.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from karyoscope.core.files import partial_name
from karyoscope.core.nuclei import Nuclei
from karyoscope.export import WRITERS
from karyoscope.inference import Model
from karyoscope.pipeline.area import Area
from karyoscope.pipeline.blocks import Layout
from karyoscope.pipeline.journal import Facts, Journal
from karyoscope.pipeline.seen import stain_of
from karyoscope.pipeline.stream import Progress, RunBlocks, run_blocks
from karyoscope.slides import Slide
from karyoscope.slides.base import slide_name

if TYPE_CHECKING:
    from karyoscope.pipeline.segment import SegmentOptions

_SAMPLE_BYTES = 1 << 16


def settings_of(
    path: Path, model: Model, mpp: float | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the nuclei of a slide depend on, as plain data.

    Parameters
    ----------
    path : Path
        Of the slide. Its name, size, time and a sample of its bytes count, not its folder.
    model : Model
    mpp : float, optional
        Micrometres per pixel that the user gave.
    options : mapping
        By name; of a value that is the path of a file, the content counts.
    """
    card, own = model.bundle.card, stain_of(model.bundle)
    settings = {
        "slide": _identity(path),
        "mpp": mpp,
        "model": {"name": card.name, "version": card.version, "sha256": model.bundle.digest()}
        # Nothing for a model without: its earlier runs are taken up.
        | ({"stain": own.identity} if own else {}),
        "postprocessing": card.postprocessing.model_dump(),
        "engine": model.engine.device,
        "tta": model.tta,
        "software": version("karyoscope"),
        **{name: _plain(value) for name, value in options.items()},
    }
    return json.loads(json.dumps(settings))


def _identity(path: Path) -> dict[str, Any]:
    """What tells a slide from another, or from itself after a change."""
    status = path.stat()
    # Files that belong to it: those of a folder, or of the folder beside an MRXS file.
    folder = path if path.is_dir() else path.with_suffix("")
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()) if folder.is_dir() and folder.name else []:
        part = file.stat()
        digest.update(f"{file.name} {part.st_size} {part.st_mtime_ns}\n".encode())
    if path.is_file():
        with path.open("rb") as opened:
            for at in (0, status.st_size // 2, max(0, status.st_size - _SAMPLE_BYTES)):
                opened.seek(at)
                digest.update(opened.read(_SAMPLE_BYTES))
    size = status.st_size if path.is_file() else 0
    name = path.name or path.resolve().name
    return {
        "name": name,
        "size": size,
        "mtime_ns": status.st_mtime_ns,
        "sample_sha256": digest.hexdigest(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (str, Path)):
        path = Path(value)
        if path.is_file():
            return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        return str(value)
    return value


def _finished_summary(
    path: Path, out: Path, formats: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Summary of a slide whose results are all there and have these settings, or None."""
    stem = slide_name(path)
    if not WRITERS.keys() >= set(formats):
        return None
    targets = {name: out / (stem + WRITERS[name].suffix) for name in [*formats, "summary"]}
    if not all(p.exists() for n, target in targets.items() for p in WRITERS[n].paths(target)):
        return None
    summary = _read_summary(targets["summary"])
    return summary if summary.get("run") == settings else None


def _was_being_renamed(path: Path, out: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a run with these settings ended while its results were given their names.

    The summary, complete under its partial name, says so: it is written last and renamed last.
    """
    target = out / (slide_name(path) + WRITERS["summary"].suffix)
    return _read_summary(partial_name(target)).get("run") == settings


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def journal_folder(path: Path, out: Path) -> Path:
    """Where the finished blocks of a slide are kept while the others are run."""
    return Path(out) / f".{slide_name(path)}.journal"


def done_before(
    path: Path, out: Path, model: Model, mpp: float | None, options: SegmentOptions
) -> dict[str, Any] | None:
    """Summary of a slide on which an earlier run leaves nothing to do, or None.

    Parameters
    ----------
    path, out, model, mpp, options
        See :func:`karyoscope.pipeline.segment_file`.
    """
    if options.overwrite:
        return None
    settings = settings_of(path, model, mpp, options.deciding())
    summary = _finished_summary(path, out, options.formats, settings)
    if summary is None or (options.retry_failed and has_gaps(summary)):
        return None
    return summary


def may_replace(
    path: Path, out: Path, settings: Mapping[str, Any], options: SegmentOptions
) -> bool:
    """Whether results that exist may be replaced: asked for, or begun by a run like this one."""
    if options.overwrite or Journal.is_begun(journal_folder(path, out), settings):
        return True
    if options.retry_failed:
        # The slide may have been repaired meanwhile.
        done = _read_summary(Path(out) / (slide_name(path) + WRITERS["summary"].suffix))
        found = {**done.get("run", {}), "slide": settings["slide"]}
        return has_gaps(done) and found == settings
    return _was_being_renamed(path, out, settings)


def has_gaps(summary: Mapping[str, Any]) -> bool:
    """Whether there are places of a slide that could not be read or analysed."""
    return bool(summary.get("unread_regions") or summary.get("failed_regions"))


def open_journal(
    path: Path,
    out: Path,
    settings: Mapping[str, Any],
    slide: Slide,
    model: Model,
    options: SegmentOptions,
) -> Journal:
    """Journal of a slide, ready to go on with."""
    folder = journal_folder(path, out)
    journal = Journal(folder, settings, model.taxonomy, slide.mpp)
    if journal.discarded:
        warnings.warn(
            f"{path}: an unfinished run had another {journal.discarded!r}; starting afresh",
            stacklevel=3,
        )
    if options.retry_failed:
        journal.reopen()
    elif journal.finished:
        # These results are to be replaced as a whole.
        journal.remove()
        journal = Journal(folder, settings, model.taxonomy, slide.mpp)
    return journal


def go_on(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    wanted: Sequence[int],
    journal: Journal | None,
    progress: Progress,
    run: RunBlocks = run_blocks,
) -> Generator[tuple[Nuclei, Facts]]:
    """Blocks of a slide as ``run`` gives them, those of the journal from there.

    The others are put into it, save those on which the engine failed.
    """
    done = journal.done().intersection(wanted) if journal else set()
    left = set(wanted) - done
    progress.blocks, progress.blocks_kept = len(wanted), len(done)
    with closing(run(slide, model, layout, area, left, progress=progress)) as fresh:
        for index in wanted:
            if journal and index in done:
                yield journal.get(index)
                continue
            _, nuclei, facts = next(fresh)
            if journal and facts.failed is None:
                with progress.time("journal"):
                    journal.put(index, nuclei, facts)
            yield nuclei, facts


def wanted_blocks(layout: Layout, area: Area) -> list[int]:
    """Places, among all blocks of a layout, of those that hold some of the area."""
    return [i for i, block in enumerate(layout.blocks()) if area.measure(block.own) > 0]
