"""Published annotation formats in, :class:`Sample` out. One file a dataset, one line here."""

from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.lizard import Lizard

DATASETS: dict[str, type[Dataset]] = {
    "lizard": Lizard,
}

__all__ = ["DATASETS", "Dataset", "Lizard", "Record", "Sample"]
