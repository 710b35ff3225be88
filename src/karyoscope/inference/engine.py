"""What runs a network: one interface, one file for each runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

import numpy as np

from karyoscope.core.errors import KaryoscopeError

Maps = dict[str, np.ndarray]

#: Windows that a GPU is given at once: enough to fill the largest, in a few GB of its memory.
GPU_BATCH = 4


class Engine(ABC):
    """A loaded network.

    Attributes
    ----------
    device : str
        Where it runs, in words for people.
    dropout : bool
        Whether :meth:`run_at_random` drops units out.
    batch : int
        Images of one size that a call of :meth:`run` takes at most, where many are to be run. One
        is right for a CPU, which is busy with one window; a GPU needs several.
    calls_at_once : int
        Calls of :meth:`run`, from several threads, that are worth making at the same time. With
        two, one copies its images and maps while the other computes.
    """

    device: str
    dropout: bool = False
    batch: int = 1
    calls_at_once: int = 1

    @abstractmethod
    def run(self, images: np.ndarray) -> Maps:
        """Run a batch.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, 3)
            RGB; h and w are multiples of what the bundle asks for.

        Returns
        -------
        dict of str to ndarray of float32
            Maps by standard name, shape (n, h / stride, w / stride[, channels]).

        Raises
        ------
        KaryoscopeError
            If the runtime fails, for want of memory for example.
        """

    def expect(self, shapes: Collection[tuple[int, int]]) -> None:
        """Prepare for many images of the given sizes; images of other sizes can still be run.

        Results do not depend on it, but memory and time can.

        Parameters
        ----------
        shapes : collection of (int, int)
            Height and width; multiples of what the bundle asks for.

        Raises
        ------
        KaryoscopeError
            If the runtime fails.
        """
        return None

    def run_at_random(self, images: np.ndarray, number: int) -> Maps:
        """Run a batch with dropout on, where the runtime can; else as :meth:`run` does.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, 3)
            See :meth:`run`.
        number : int
            Decides which units are dropped, whatever the size of the images.
        """
        return self.run(images)


def failed(runtime: str, images: np.ndarray, error: Exception) -> KaryoscopeError:
    """Return the error for a run that a runtime gave up, in one line."""
    height, width = images.shape[1:3]
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
    return KaryoscopeError(f"{runtime} failed on {width} x {height} pixels: {reason}")
