"""Files of a bundle, in a folder or in a zip file of it; nothing outside it is ever read."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import parse_yaml

FORMAT = 1
CARD = "model.yaml"

Card = TypeVar("Card", bound=BaseModel)


class Container:
    """Where a bundle lies.

    Parameters
    ----------
    path : path
        Folder or zip file.
    folder : str
        Folder in it that holds the bundle, for a member of an ensemble.

    Raises
    ------
    KaryoscopeError
        If it is not there, is no zip file, or the zip file holds a path that leaves it.
    """

    def __init__(self, path: Path, folder: str = "") -> None:
        self.path = path
        if not path.exists():
            raise KaryoscopeError(f"model bundle {path} does not exist")
        self._prefix = _check_zip(path) if path.is_file() else ""
        self._prefix += f"{folder}/" if folder else ""
        self.name = f"{path}/{folder}" if folder else str(path)
        """For messages."""

    def read(self, name: str, digest: str = "") -> bytes:
        """Bytes of one file, checked against its SHA-256 where that is given."""
        try:
            data = self._bytes(self._prefix + name)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            # zipfile raises RuntimeError where a file is encrypted or packed in an unknown way.
            raise KaryoscopeError(f"model bundle {self.name} has no readable {name}") from error
        if digest and hashlib.sha256(data).hexdigest() != digest:
            raise KaryoscopeError(f"model bundle {self.name} is damaged: {name} was changed")
        return data

    def read_card(self) -> dict[str, Any]:
        """Content of ``model.yaml``, of which only the format is checked."""
        data = parse_yaml(self.read(CARD), f"model bundle {self.name}: {CARD}")
        if not isinstance(data, dict) or "format" not in data:
            raise KaryoscopeError(f"model bundle {self.name}: {CARD} describes no model")
        if data["format"] != FORMAT:
            raise KaryoscopeError(
                f"model bundle {self.name} has format {data['format']!r};"
                f" this version of karyoscope reads {FORMAT}"
            )
        return data

    def check(self, data: dict[str, Any], schema: type[Card]) -> Card:
        """Turn the content of ``model.yaml`` into a card; what is wrong is named."""
        try:
            return schema.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise KaryoscopeError(
                f"model bundle {self.name}: {CARD}: {place}: {first['msg']}"
            ) from error

    def _bytes(self, name: str) -> bytes:
        if self.path.is_file():
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(name)
        file = self.path / name
        if not file.resolve().is_relative_to(self.path.resolve()):
            raise KaryoscopeError(f"model bundle {self.path} holds a link that leaves it: {name!r}")
        return file.read_bytes()


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
    if CARD in names:
        return ""
    cards = [name for name in names if re.fullmatch(rf"[^/]+/{re.escape(CARD)}", name)]
    return cards[0].removesuffix(CARD) if len(cards) == 1 else ""
