"""The bundle of a RestainNet: as a model's, but ``kind: restain`` and colours instead of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import ONNX, README, WEIGHTS, NetworkSpec
from karyoscope.inference.container import Container

#: Name of the graph's output.
RGB = "rgb"


class WindowSpec(BaseModel):
    """Input of the ONNX graph, (n, h, w, 3) uint8 RGB, and the context that it needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    multiple_of: int = Field(gt=0)
    """Height and width must be multiples of this."""
    context: int = Field(ge=0)
    """Pixels further away than this do not matter to a pixel of the result."""


class RestainCard(BaseModel):
    """The content of ``model.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    kind: Literal["restain"]
    name: str
    version: str
    description: str = ""
    licence: str
    mpp: float = Field(gt=0, le=2)
    input: WindowSpec
    density: float = Field(gt=0)
    """Mean optical density of the target's tissue in grey, natural logarithm."""
    network: NetworkSpec
    training: dict[str, Any] = {}
    files: dict[str, str] = {}
    """SHA-256 of the other files of the bundle."""


class RestainBundle:
    """An opened bundle of a RestainNet.

    Parameters
    ----------
    path : path
        Folder or zip file.

    Attributes
    ----------
    card : RestainCard

    Raises
    ------
    KaryoscopeError
        If it is not there, is damaged, or is the bundle of something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._container = Container(self.path)
        data = self._container.read_card()
        if data.get("kind") != "restain":
            raise KaryoscopeError(
                f"model bundle {path} does not re-stain images; `karyoscope restain train` makes"
                " bundles that do"
            )
        self.card = self._container.check(data, RestainCard)
        for name in self.card.files:
            if name not in (ONNX, WEIGHTS, README):
                raise KaryoscopeError(
                    f"model bundle {path} lists {name!r}, which is not a file of a bundle"
                )

    def read(self, name: str) -> bytes:
        """Bytes of one file of the bundle, checked against its SHA-256 where that is known."""
        return self._container.read(name, self.card.files.get(name, ""))

    def read_graph(self) -> bytes:
        """Bytes of ``model.onnx``, which holds all its weights itself.

        Raises
        ------
        KaryoscopeError
            If it is damaged, or would be read together with other files.
        """
        return self._container.read_graph(ONNX, self.card.files.get(ONNX, ""))
