"""Files of a bundle, in a folder or in a zip file of it; nothing outside it is ever read."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_bytes
from karyoscope.core.yaml import parse_yaml
from karyoscope.inference.onnx_check import has_external_data

FORMAT = 1
CARD = "model.yaml"

_LARGEST = 1 << 32
_LARGEST_CARD = 1 << 20
#: Weights hardly shrink when they are packed; a file that grows more than this is a trap.
_MOST_UNPACKED, _SMALL = 64, 1 << 26

Card = TypeVar("Card", bound=BaseModel)


class Container:
    """Folder or ZIP file of a bundle.

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
        try:
            if not path.exists():
                raise KaryoscopeError(f"model bundle {path} does not exist")
        except OSError as error:
            raise KaryoscopeError(
                f"model bundle {path} cannot be read: {error.strerror}"
            ) from error
        if not (path.is_file() or path.is_dir()):
            raise KaryoscopeError(f"{path} is neither a folder nor a zip file of a model")
        self._prefix = _check_zip(path) if path.is_file() else ""
        self._prefix += f"{folder}/" if folder else ""
        self.name = f"{path}/{folder}" if folder else str(path)
        """For messages."""

    def read(self, name: str, digest: str = "") -> bytes:
        """Bytes of one file, checked against its SHA-256 where that is given."""
        try:
            data = self._bytes(self._prefix + name)
        except KaryoscopeError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            raise KaryoscopeError(f"model bundle {self.name} has no readable {name}") from error
        except Exception as error:  # zipfile raises many kinds where an archive is damaged
            raise KaryoscopeError(f"model bundle {self.name} has no readable {name}") from error
        if digest and hashlib.sha256(data).hexdigest() != digest:
            raise KaryoscopeError(f"model bundle {self.name} is damaged: {name} was changed")
        return data

    def read_graph(self, name: str, digest: str = "") -> bytes:
        """Bytes of an ONNX graph, checked to refer to no other file."""
        graph = self.read(name, digest)
        try:
            external = has_external_data(graph)
        except ValueError as error:
            raise KaryoscopeError(
                f"model bundle {self.name}: {name} is no ONNX graph: {error}"
            ) from error
        if external:
            raise KaryoscopeError(
                f"model bundle {self.name}: {name} keeps weights in other files, which is not"
                " allowed; export it with its weights inside"
            )
        return graph

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
        """Validate the content of ``model.yaml`` and return the model card."""
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
                return self._unpack(archive, name)
        file = self.path / name
        if not file.resolve().is_relative_to(self.path.resolve()):
            raise KaryoscopeError(f"model bundle {self.path} holds a link that leaves it: {name!r}")
        return read_bytes(file, _largest(name))

    def _unpack(self, archive: zipfile.ZipFile, name: str) -> bytes:
        member = archive.getinfo(name)
        size, packed = member.file_size, member.compress_size
        # No more than the size that is stated here is ever unpacked.
        if size > _largest(name) or (size > _SMALL and size > _MOST_UNPACKED * packed):
            raise KaryoscopeError(
                f"model bundle {self.path}: {name} would be unpacked from {packed:,} to {size:,}"
                " bytes, which is no model; it is not opened"
            )
        return archive.read(member)


def _largest(name: str) -> int:
    return _LARGEST_CARD if name.endswith(CARD) else _LARGEST


def _check_zip(path: Path) -> str:
    """Refuse paths that leave the archive; return the folder in it that holds the bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
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
