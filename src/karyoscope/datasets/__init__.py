"""Published layouts of annotated images, each read as a sequence of :class:`Sample`.

Each is one class in a file of its own, registered in :data:`DATASETS`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import blamed, named
from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.conic import Conic
from karyoscope.datasets.consep import Consep
from karyoscope.datasets.cpm import Cpm15, Cpm17
from karyoscope.datasets.crchisto import CrcHisto
from karyoscope.datasets.describe import read_description
from karyoscope.datasets.folder import Folder
from karyoscope.datasets.geojson import GeoJson
from karyoscope.datasets.kumar import Kumar
from karyoscope.datasets.lizard import Lizard
from karyoscope.datasets.merge import common_taxonomy, merge_classes
from karyoscope.datasets.monusac import MoNuSac
from karyoscope.datasets.nucls import NuCls
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.pannuke import PanNuke
from karyoscope.datasets.qu import Qu
from karyoscope.datasets.tnbc import Tnbc

# In the order in which a folder is tried when no name is given: the plain folder comes last.
DATASETS: Registry[type[DatasetOnDisk]] = Registry(
    "dataset layout",
    {
        "conic": Conic,
        "pannuke": PanNuke,
        "lizard": Lizard,
        "crchisto": CrcHisto,
        "monusac": MoNuSac,
        "tnbc": Tnbc,
        "qu": Qu,
        "consep": Consep,
        "kumar": Kumar,
        "cpm15": Cpm15,
        "cpm17": Cpm17,
        "nucls": NuCls,
        "geojson": GeoJson,
        "folder": Folder,
    },
    group="karyoscope.datasets",
    kind=DatasetOnDisk,
)

__all__ = [
    "DATASETS",
    "Dataset",
    "Lizard",
    "Record",
    "Sample",
    "common_taxonomy",
    "merge_classes",
    "open_dataset",
]


def open_dataset(
    path: str | Path,
    layout: str | None = None,
    *,
    taxonomy: Taxonomy | None = None,
    mpp: float | None = None,
    **options: Any,
) -> Dataset:
    """Open a folder of annotated images.

    Parameters
    ----------
    path : path
        The folder.
    layout : str, optional
        Layout, one of ``DATASETS`` or ``my_file.py:Name``; without it the layout is recognised.
    taxonomy : Taxonomy, optional
        Names of the class ids, where they are not the published classes.
    mpp : float, optional
        Micrometres per pixel, where it is not the published one.
    **options
        Further arguments of the layout, such as ``info`` of Lizard.

    Raises
    ------
    KaryoscopeError
        If there is no such folder or layout, none is recognised, or no labelled image is there.
    """
    root = Path(path)
    if not root.is_dir():
        raise KaryoscopeError(f"{root}: no such folder")
    # What the folder says of itself is no reason to run a file; what the caller says is.
    layout = named(layout) if layout else read_description(root).layout or recognise(root)
    with blamed():
        dataset: Dataset = DATASETS.build(layout, root, taxonomy=taxonomy, mpp=mpp, **options)
    return dataset


def recognise(root: Path) -> str:
    """Name of the layout that a folder looks like.

    Raises
    ------
    KaryoscopeError
        If it looks like none.
    """
    for name, dataset in itertools.chain(DATASETS.items(), DATASETS.installed()):
        if dataset.recognises(root):
            return name
    raise KaryoscopeError(
        f"{root}: no dataset layout recognised; give one of {', '.join(DATASETS.names())} by name"
    )
