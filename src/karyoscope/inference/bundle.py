"""The model bundle: a folder, or a zip file of it, that holds a model and all it needs.

========================  =====================================================================
``model.yaml``            what the model is: see :class:`ModelCard`
``model.onnx``            the network, from 8-bit RGB pixels to named maps
``weights.safetensors``   its weights, to train on or to run with torch
``README.md``             the model card, for people
========================  =====================================================================

In a zip file these are at the top or in one folder. No pickle is ever loaded, and no file outside
the bundle is ever read.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy

FORMAT = 1
CARD, ONNX, WEIGHTS, README = "model.yaml", "model.onnx", "weights.safetensors", "README.md"
_SHIPPED = Path(str(resources.files("karyoscope") / "models"))


class NetworkSpec(BaseModel):
    """Enough to build the network again in torch."""

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


class PostprocessingSpec(BaseModel):
    """Which post-processing, and its tuned parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    params: dict[str, Any] = {}


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
    training: dict[str, Any] = {}
    """Data, split, recipe, steps."""
    scores: dict[str, Any] = {}
    """Measured accuracy, with the data and the command."""
    files: dict[str, str] = {}
    """SHA-256 of the other files of the bundle."""


class Bundle:
    """An opened model bundle.

    Parameters
    ----------
    path : path
        Folder or zip file.

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

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise KaryoscopeError(f"model bundle {path} does not exist")
        self._prefix = _check_zip(self.path) if self.path.is_file() else ""
        self._digests: dict[str, str] = {}
        self.card = self._read_card()
        for name in self.card.files:
            if name not in (ONNX, WEIGHTS, README):
                raise KaryoscopeError(
                    f"model bundle {path} lists {name!r}, which is not a file of a bundle"
                )
        self._digests = self.card.files
        self.taxonomy = self._read_taxonomy()

    def read(self, name: str) -> bytes:
        """Bytes of one file of the bundle, checked against its SHA-256 where that is known."""
        try:
            data = self._bytes(name)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            # zipfile raises RuntimeError where a file is encrypted or packed in an unknown way.
            raise KaryoscopeError(f"model bundle {self.path} has no readable {name}") from error
        expected = self._digests.get(name)
        if expected and hashlib.sha256(data).hexdigest() != expected:
            raise KaryoscopeError(f"model bundle {self.path} is damaged: {name} was changed")
        return data

    def _bytes(self, name: str) -> bytes:
        if self.path.is_file():
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self._prefix + name)
        file = self.path / name
        if not file.resolve().is_relative_to(self.path.resolve()):
            raise KaryoscopeError(f"model bundle {self.path} holds a link that leaves it: {name!r}")
        return file.read_bytes()

    def _read_taxonomy(self) -> Taxonomy:
        try:
            return Taxonomy.from_dict(self.card.taxonomy)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"model bundle {self.path}: {CARD}: {error}") from error

    def _read_card(self) -> ModelCard:
        text = self.read(CARD)
        try:
            data = yaml.safe_load(text)
            if not isinstance(data, dict) or "format" not in data:
                raise KaryoscopeError(f"model bundle {self.path}: {CARD} describes no model")
            if data["format"] != FORMAT:
                raise KaryoscopeError(
                    f"model bundle {self.path} has format {data['format']!r};"
                    f" this version of karyoscope reads {FORMAT}"
                )
            return ModelCard.model_validate(data)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise KaryoscopeError(f"model bundle {self.path}: {CARD} is not valid YAML") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise KaryoscopeError(
                f"model bundle {self.path}: {CARD}: {place}: {first['msg']}"
            ) from error


def _check_zip(path: Path) -> str:
    """Refuse paths that leave the archive; return the folder in it that holds the bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise KaryoscopeError(f"{path} is neither a folder nor a zip file of a model") from error
    except OSError as error:
        raise KaryoscopeError(f"model bundle {path} cannot be read: {error.strerror}") from error
    for name in names:
        if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
            raise KaryoscopeError(f"model bundle {path} holds a path that leaves it: {name!r}")
    cards = [name for name in names if re.fullmatch(rf"([^/]+/)?{re.escape(CARD)}", name)]
    return cards[0].removesuffix(CARD) if len(cards) == 1 else ""


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    if not _SHIPPED.is_dir():
        return []
    return sorted(p.name for p in _SHIPPED.iterdir() if (p / CARD).is_file())


def find_bundle(name_or_path: str | Path) -> Bundle:
    """Open a shipped model by name, or any bundle by path."""
    text = str(name_or_path)
    if text in shipped_models():
        return Bundle(_SHIPPED / text)
    if not Path(name_or_path).exists():
        raise KaryoscopeError(
            f"no model {text!r}: not a path, and not one of {', '.join(shipped_models()) or 'none'}"
        )
    return Bundle(name_or_path)
