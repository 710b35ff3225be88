"""Loggers of the curves and sample tiles of a training run: CSV, and others on request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import CSVLogger, Logger

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import installed

#: CSV is always written; the others beside it.
Log = Literal["csv", "tensorboard", "wandb", "mlflow"]
#: What has to be installed for each: the module, and the package that has it.
_NEEDS = {
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow-skinny"),
}
_PROJECT = "karyoscope"


def build_loggers(out: Path, first_step: int, log_to: Log) -> list[Logger]:
    """Build the Lightning loggers of a training run.

    The servers of Weights & Biases and MLflow are set by their own variables (``WANDB_MODE``,
    ``WANDB_PROJECT``, ``MLFLOW_TRACKING_URI``); without the last, MLflow writes to
    ``<out>/mlruns``. Their local files are in ``out``, and the run has the name of that folder.

    Parameters
    ----------
    out : path
        Folder of the run.
    first_step : int
        Step at which training begins or is resumed. Each start has its own log, since Lightning
        would otherwise delete the log of the run that is resumed.
    log_to : {"csv", "tensorboard", "wandb", "mlflow"}
        Format of the log; CSV is always written.

    Raises
    ------
    KaryoscopeError
        If the package is not installed.
    """
    name = f"from-{first_step:07d}"
    loggers: list[Logger] = [CSVLogger(out, "log", name, flush_logs_every_n_steps=1)]
    if log_to == "csv":
        return loggers
    module, package = _NEEDS[log_to]
    if not installed(module):
        raise KaryoscopeError(f"{module} not installed: run `pip install {package}`")
    # Imported late: few have them.
    if log_to == "tensorboard":
        from lightning.pytorch.loggers import TensorBoardLogger

        loggers.append(TensorBoardLogger(out, "tensorboard", name))
    elif log_to == "wandb":
        from lightning.pytorch.loggers import WandbLogger

        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        loggers.append(WandbLogger(out.resolve().name, str(out), project=project))
    else:
        from lightning.pytorch.loggers import MLFlowLogger

        address = os.environ.get("MLFLOW_TRACKING_URI")
        folder = None if address else str(out / "mlruns")
        run = out.resolve().name
        loggers.append(MLFlowLogger(_PROJECT, run, tracking_uri=address, save_dir=folder))
    return loggers


def show_picture(loggers: list[Logger], picture: Path, step: int) -> None:
    """Send the sample tiles of a validation to the loggers that show pictures.

    Parameters
    ----------
    loggers : list of Logger
    picture : path
        PNG; nothing is sent where it does not exist.
    step : int
        Step of the validation.
    """
    if not picture.is_file():
        return
    for logger in loggers:
        # By name of the class: none of the packages has to be there.
        there: Any = logger
        kind = type(logger).__name__
        if kind == "TensorBoardLogger":
            # Imported late: a bare GPU machine may lack it.
            import cv2

            read = cv2.imread(str(picture))
            assert read is not None, "the picture was written a moment ago"
            pixels = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
            there.experiment.add_image("val/tiles", pixels, step, dataformats="HWC")
        elif kind == "WandbLogger":
            there.log_image(key="val/tiles", images=[str(picture)], step=step)
        elif kind == "MLFlowLogger":
            there.experiment.log_artifact(there.run_id, str(picture), "tiles")
