"""The log of a run as one table and one picture."""

from __future__ import annotations

import csv
import io
import logging
from collections import defaultdict
from pathlib import Path

from karyoscope.core.files import write_text, writing
from karyoscope.core.optional import installed

_log = logging.getLogger(__name__)

#: step -> name -> value
Log = dict[int, dict[str, float]]


def read_log(run: Path) -> Log:
    """Join the logs of a run, which has one for each time it was started.

    Where a run was stopped and continued from an earlier checkpoint, the later log counts.
    """
    joined: Log = {}
    for path in sorted(run.glob("log/from-*/metrics.csv")):
        first = int(path.parent.name.removeprefix("from-"))
        joined = {step: row for step, row in joined.items() if step < first}
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values = {k: float(v) for k, v in row.items() if v and "/" in k}
                joined.setdefault(int(row["step"]), {}).update(values)
    return dict(sorted(joined.items()))


def summarise_log(run: Path) -> None:
    """Join the logs of all starts, and draw them where there is something to draw with."""
    joined = read_log(run)
    write_log(joined, run / "log.csv")
    if installed("matplotlib"):
        plot_log(joined, run / "curves.png")
    else:
        _log.info("no picture of the log: matplotlib is not installed")


def write_log(log: Log, path: Path) -> None:
    """Write a joined log as CSV, a row a step."""
    names = sorted({name for row in log.values() for name in row})
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["step", *names])
    for step, row in log.items():
        writer.writerow([step, *(f"{row[n]:.5g}" if n in row else "" for n in names)])
    write_text(path, file.getvalue())


def plot_log(log: Log, path: Path) -> None:
    """Draw losses and validation scores over the steps."""
    from matplotlib.figure import Figure

    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for step, row in log.items():
        for name, value in row.items():
            series[name].append((step, value))
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for name in sorted(series):
        group, _, label = name.partition("/")
        steps, values = zip(*series[name], strict=True)
        if group == "train":
            losses.plot(*_smooth(steps, values), label=label)
        else:
            scores.plot(steps, values, marker=".", label=label)
    for axes, title in ((losses, "training loss, running mean"), (scores, "validation")):
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    with writing(path) as partial:
        figure.savefig(partial, dpi=110, format="png")


def _smooth(
    steps: tuple[int, ...], values: tuple[float, ...], width: int = 15
) -> tuple[list[int], list[float]]:
    """Running mean over ``width`` entries."""
    width = min(width, len(values))
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    means = [(sums[i + width] - sums[i]) / width for i in range(len(values) - width + 1)]
    return list(steps[width - 1 :]), means
