"""Models of timm, with one line where their weights cannot be had."""

from __future__ import annotations

import http.client
import logging
import queue
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load

#: Longest time that the hub of weights is waited for.
_SECONDS = 3.0
#: Files of the hub that timm reads weights from, where a model does not name another.
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def create(what: str, name: str, options: dict[str, Any]) -> Any:
    """Build a model of timm, with weights where they are wanted.

    Parameters
    ----------
    what : str
        Role of the model, for messages, such as "encoder".
    name : str
        timm's name of the model.
    options : dict
        Options of :func:`timm.create_model`.

    Raises
    ------
    KaryoscopeError
        If it cannot be built, or its weights cannot be downloaded or do not fit.
    """
    timm = load("train", "timm", what)

    fetched = options.get("pretrained") is True and "pretrained_cfg_overlay" not in options
    try:
        with _quick_to_give_up() if fetched else nullcontext(), _without_remarks():
            return timm.create_model(name, **options)
    except Exception as error:  # timm, the hub and its transport raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if fetched and not isinstance(error, (RuntimeError, AttributeError, TypeError)):
            raise KaryoscopeError(
                f"{what}: its ImageNet weights cannot be fetched; give the path of a .safetensors"
                f" file as pretrained, or false ({type(error).__name__}: {reason})"
            ) from error
        raise KaryoscopeError(f"{what} cannot be built: {reason}") from error


class HubWeights:
    """Which weights of timm's models can be had here, before a model is built.

    The hub is asked once at most, and not at all where all weights are in its local cache.
    """

    def __init__(self) -> None:
        self._reached: bool | None = None

    def has(self, name: str) -> bool:
        """Whether the weights of a model are in the cache, or the hub answers.

        True for a model or tag that timm does not know, or whose weights are not on the hub: that
        is found out where the model is built.

        Parameters
        ----------
        name : str
            timm's name of the model.
        """
        models: Any = load("train", "timm.models", "the weights of a model")
        hub: Any = load("train", "huggingface_hub", "the hub of weights")
        try:
            known = models.get_pretrained_cfg(name)
        except RuntimeError:  # of a tag that the model does not have
            return True
        place = getattr(known, "hf_hub_id", None)
        if not place:
            return True
        repository, _, revision = place.partition("@")
        files = [known.hf_hub_filename] if known.hf_hub_filename else _HUB_FILES
        for file in files:
            found = hub.try_to_load_from_cache(repository, file, revision=revision or None)
            if isinstance(found, str):
                return True
        if self._reached is None:
            constants: Any = load("train", "huggingface_hub.constants", "the hub of weights")
            self._reached = not constants.HF_HUB_OFFLINE and can_reach(constants.ENDPOINT)
        return self._reached


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep timm from printing what it reads, and which weights a part of a network does not use.

    Whether all that the part needs were in the file is checked where the part is built. That
    weights are being downloaded is still said.
    """
    loggers = [logging.getLogger(f"timm.models.{name}") for name in ("_builder", "_helpers")]

    def is_wanted(record: logging.LogRecord) -> bool:
        unused = record.getMessage().startswith("Unexpected keys")
        return record.levelno >= logging.WARNING and not unused

    for log in loggers:
        log.addFilter(is_wanted)
    try:
        yield
    finally:
        for log in loggers:
            log.removeFilter(is_wanted)


@contextmanager
def _quick_to_give_up() -> Iterator[None]:
    """Take weights from the local cache at once where the hub cannot be reached.

    By itself the hub's client tries again for more than a minute.
    """
    constants: Any = load("train", "huggingface_hub.constants", "the hub of weights")

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not can_reach(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def can_reach(address: str) -> bool:
    """Whether a server answers, whatever it says, within a few seconds.

    Looking a name up and trying its addresses one by one have no common limit of time, so that
    both are done in a thread that is left behind when the time is over.
    """
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_answers(address)), daemon=True).start()
    try:
        return answers.get(timeout=_SECONDS)
    except queue.Empty:
        return False


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # The hub's client may know other certificates.
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True
