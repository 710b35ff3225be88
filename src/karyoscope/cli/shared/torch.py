"""How a process that trains is set up: threads, and the messages of a run."""

from __future__ import annotations

import logging

from karyoscope.cli.shared.log import not_printed_yet


def prepare_torch(workers: int, log: bool = True, device: str = "cpu") -> None:
    """Limit the threads of torch, where a number is given, and show messages of training.

    Parameters
    ----------
    workers : int
        Threads of the CPU; 0 for all.
    log : bool
        Whether messages of training go to stderr.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.

    Raises
    ------
    KaryoscopeError
        If it is not there; reported here, before data are read.
    """
    import torch

    if device == "cuda":
        from karyoscope.training.trainer import check_device

        check_device(device)

    if log:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        for handler in logging.getLogger().handlers:
            handler.addFilter(not_printed_yet)
    if workers:
        torch.set_num_threads(workers)
