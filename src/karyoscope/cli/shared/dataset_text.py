"""Summaries of datasets and splits as text for the terminal."""

from __future__ import annotations

from karyoscope.datasets.inspect import Inspection
from karyoscope.datasets.split import Split


def inspection_text(found: Inspection) -> str:
    """Counts, sizes and problems of a dataset."""
    sources = {image.source for image in found.images}
    cohorts = sorted({image.cohort for image in found.images} - {""})
    splits = sorted({image.split for image in found.images} - {""})
    scale = ", ".join(f"{mpp:g} µm/px" for mpp in found.scales)
    lines = [
        f"layout    {found.layout}",
        f"scale     {scale or 'unknown, give --mpp'}",
        f"images    {len(found.images)} from {len(sources)} sources",
        f"cohorts   {', '.join(cohorts) or '-'}",
        f"splits    {', '.join(splits) or '-'}",
        f"nuclei    {sum(found.counts.values())}",
    ]
    for name, count in found.counts.items():
        area = f"  median {found.median_px[name]:.0f} px" if name in found.median_px else ""
        area += f" = {found.median_um2[name]:.1f} µm²" if name in found.median_um2 else ""
        lines.append(f"  {name:<22}{count:>9}{area}")
    if found.tiny:
        lines.append(f"  smaller than 10 px    {found.tiny:>9}")
    lines.append("per image")
    width = max([len(image.name) for image in found.images], default=0)
    for image in found.images:
        counts = ", ".join(f"{name} {count}" for name, count in image.counts.items())
        lines.append(f"  {image.name:<{width}}  {image.width} x {image.height}  {counts or 'none'}")
    for title, entries in (
        ("leaks: one source in several splits", found.leaks),
        ("images with the same pixels", found.duplicates),
        ("problems", found.problems),
    ):
        lines += [title] + [f"  {entry}" for entry in entries] if entries else []
    return "\n".join(lines)


def split_text(split: Split) -> str:
    """Counts of each part of a split."""
    lines = []
    for part, counts in split.counts.items():
        lines.append(f"{part}: {counts['images']} images from {counts['sources']} sources")
        for title in ("classes", "cohorts"):
            values = ", ".join(f"{k} {v}" for k, v in counts[title].items() if k)
            lines += [f"  {title}  {values}"] if values else []
    return "\n".join(lines)
