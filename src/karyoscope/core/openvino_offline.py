"""OpenVINO without its telemetry.

Importing the package ``openvino`` starts a process that reports the import to a web service, where
the package ``openvino_telemetry`` is installed, as it is with every OpenVINO from PyPI. Slides are
analysed where nothing may leave the machine, so OpenVINO is imported here as if that package were
missing. Other modules take it from here: ``from karyoscope.core.openvino_offline import ov``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _telemetry_missing() -> Iterator[None]:
    """Let the import of the telemetry package fail; one that the program has made is kept."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


with _telemetry_missing():
    import openvino as ov
    import openvino.properties as props
    import openvino.properties.hint as hints

__all__ = ["hints", "ov", "props"]
