"""karyoscope: every nucleus in an H&E image, found, outlined and classified.

The public names below, and the packages such as ``karyoscope.plotting``, are imported on first use,
so that ``import karyoscope`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "KaryoscopeError": "karyoscope.core.errors",
    "Nuclei": "karyoscope.core.nuclei",
    "Taxonomy": "karyoscope.core.taxonomy",
    "evaluate": "karyoscope.evaluation",
    "load_model": "karyoscope.inference",
    "open_slide": "karyoscope.slides",
    "read": "karyoscope.formats.reading",
    "score_pairs": "karyoscope.metrics",
    "segment": "karyoscope.pipeline",
    "use_plugin": "karyoscope.core.plugins",
}

#: Packages that are attributes of ``karyoscope`` without an import of their own.
_PACKAGES = (
    "datasets",
    "evaluation",
    "features",
    "formats",
    "inference",
    "losses",
    "metrics",
    "networks",
    "pipeline",
    "plotting",
    "postprocessing",
    "report",
    "slides",
    "stains",
    "targets",
    "training",
    "view",
)

__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from karyoscope.core.errors import KaryoscopeError
    from karyoscope.core.nuclei import Nuclei
    from karyoscope.core.plugins import use_plugin
    from karyoscope.core.taxonomy import Taxonomy
    from karyoscope.evaluation import evaluate
    from karyoscope.formats.reading import read
    from karyoscope.inference import load_model
    from karyoscope.metrics import score_pairs
    from karyoscope.pipeline import segment
    from karyoscope.slides import open_slide


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        try:
            return import_module(f"karyoscope.{name}")
        except ModuleNotFoundError as error:
            # Not as an ImportError, so that `hasattr` and `help` work where an extra is missing.
            raise AttributeError(
                f"karyoscope.{name} needs {error.name}: run `pip install 'karyoscope[train]'`"
            ) from error
    if name not in _PUBLIC:
        raise AttributeError(f"module 'karyoscope' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
