"""The model bundle: a folder, or a zip file of it, that holds a model and all it needs.

========================  =====================================================================
``model.yaml``            what the model is: see :class:`ModelCard`
``model.onnx``            the network, from 8-bit RGB pixels to named maps
``weights.safetensors``   its weights, to train on or to run with torch
``README.md``             the model card, for people
========================  =====================================================================

In a zip file these are at the top or in one folder. No pickle is ever loaded, and no file outside
the bundle is ever read. Several bundles in one are an :mod:`~karyoscope.inference.ensemble`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import file_of
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.inference.container import CARD, FORMAT, Container

ONNX, WEIGHTS, README = "model.onnx", "weights.safetensors", "README.md"

__all__ = [
    "CARD",
    "FORMAT",
    "ONNX",
    "README",
    "WEIGHTS",
    "Bundle",
    "FoundAgain",
    "ModelCard",
    "Steadiness",
]


class NetworkSpec(BaseModel):
    """Name and options from which the network is built in torch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    options: dict[str, Any] = {}


class InputSpec(BaseModel):
    """What the ONNX graph expects: (n, h, w, 3) uint8 RGB; it normalises inside.

    ``mean`` and ``std`` (of values in 0..1) are for engines that run the weights themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    multiple_of: int = Field(32, gt=0)
    """Height and width must be multiples of this; images are mirrored up to it."""
    context: int = Field(32, ge=0)
    """Pixels at each edge of a window whose output is not used where there is more image."""
    stain: str | None = None
    """Normaliser that changes the pixels before: the model was trained on what it gives."""


class PostprocessingSpec(BaseModel):
    """Name of the post-processing, and its tuned parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    params: dict[str, Any] = {}


class FoundAgain(BaseModel):
    """Nuclei of images and of their changed copies, for the changes of one kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nuclei: int = Field(ge=0)
    """Nuclei of the images that were compared, once for each change."""
    found_again: float | None = Field(ge=0, le=1)
    """F1 at IoU > 0.5 between the two; None without nuclei."""
    class_kept: float | None = Field(None, ge=0, le=1)
    """Share of the matched nuclei that keep their class; None without classes."""


class Steadiness(BaseModel):
    """How stable the nuclei of a model are; see :mod:`karyoscope.evaluation.stability`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = ""
    images: tuple[str, ...] = ()
    """Names of the images."""
    command: str = ""
    date: str = ""
    changes: dict[str, FoundAgain]
    """By kind of change, such as ``turns``."""


class ModelCard(BaseModel):
    """The content of ``model.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    name: str
    version: str
    description: str = ""
    licence: str
    taxonomy: dict[str, Any]
    mpp: float = Field(gt=0, le=2)
    input: InputSpec
    maps: dict[str, Literal[1, 2, 4, 8]] = Field(min_length=1)
    """Output maps by standard name, and their stride."""
    network: NetworkSpec
    postprocessing: PostprocessingSpec
    counting: PostprocessingSpec | None = None
    """Likewise, tuned to count nuclei; those of ``postprocessing`` count where it is missing."""
    classes_learned_on: str = ""
    """The tissue whose classes the model learned, such as ``colon``; empty where nothing says."""
    outlines_learned_on: str = ""
    """The tissues whose outlines it learned, where they are more."""
    training: dict[str, Any] = {}
    """Data, split, recipe, steps."""
    scores: dict[str, Any] = {}
    """Measured accuracy by title, each with protocol, data and command; see
    :func:`karyoscope.evaluation.card_scores.entry_of`."""
    steadiness: Steadiness | None = None
    """Nuclei that are found again in changed images, where that was measured."""
    files: dict[str, str] = {}
    """SHA-256 of the other files of the bundle."""
    plugins: dict[str, str] = {}
    """SHA-256 of the plugin files that the model was made with, by name. None of them is in the
    bundle, which holds no code."""
    packages: dict[str, str] = {}
    """Version of each installed package whose entry points the model was made with, by name."""


class Bundle:
    """An opened model bundle.

    Parameters
    ----------
    path : path
        Folder or zip file.
    folder : str
        Folder in it that holds the bundle, for a member of an ensemble.

    Attributes
    ----------
    card : ModelCard
    taxonomy : Taxonomy
        The classes that the model tells apart.

    Raises
    ------
    KaryoscopeError
        If it is not there, is damaged, is of another format version, or holds a path that leaves
        its folder.
    """

    def __init__(self, path: str | Path, folder: str = "") -> None:
        self.path = Path(path)
        container = self._container = Container(self.path, folder)
        data = container.read_card()
        if data.get("kind") == "ensemble":
            raise KaryoscopeError(
                f"model bundle {container.name} is an ensemble, which cannot be used as one model"
            )
        if data.get("kind") == "restain":
            raise KaryoscopeError(
                f"model bundle {container.name} re-stains images and finds no nuclei: it is for"
                " --stain"
            )
        self.card = container.check(data, ModelCard)
        for name in self.card.files:
            if name not in (ONNX, WEIGHTS, README):
                raise KaryoscopeError(
                    f"model bundle {container.name} lists {name!r}, which is not a file of a bundle"
                )
        try:
            self.taxonomy = Taxonomy.from_dict(self.card.taxonomy)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"model bundle {container.name}: {CARD}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """What ``karyoscope models --json`` prints of a model, as plain data.

        Returns
        -------
        dict
            The card (see :class:`ModelCard`), and ``members``: names of the models that are
            averaged.
        """
        return self.card.model_dump(mode="json") | {"members": []}

    def read(self, name: str) -> bytes:
        """Bytes of one file of the bundle, checked against its SHA-256 where that is known."""
        return self._container.read(name, self.card.files.get(name, ""))

    def require_plugin(self, name: str) -> None:
        """Check that the code of a part is available, where it is that of a plugin file.

        Parameters
        ----------
        name : str
            Name of the post-processing or network that the bundle asks for.

        Raises
        ------
        KaryoscopeError
            If the user has not named the file, or named one that differs from the file that the
            model was made with.
        """
        try:
            used = file_of(name)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"model bundle {self.path}: {error}") from error
        if used is None:
            return
        file = used.path.name
        if self.card.plugins.get(file) != used.sha256:
            raise KaryoscopeError(
                f"model bundle {self.path}: {used.path} is not the {file} that it was made with,"
                f" whose SHA-256 begins with {self.card.plugins.get(file, 'nothing')[:12]}: name"
                " the one in the folder of its training run"
            )

    def read_graph(self) -> bytes:
        """Bytes of ``model.onnx``, which holds all its weights itself.

        Raises
        ------
        KaryoscopeError
            If it is damaged, or would be read together with other files.
        """
        return self._container.read_graph(ONNX, self.card.files.get(ONNX, ""))

    def digest(self) -> str:
        """SHA-256 of all that its maps and nuclei depend on."""
        digest = hashlib.sha256(self.read(CARD))
        if ONNX not in self.card.files:
            digest.update(self.read(ONNX))
        return digest.hexdigest()
