"""The server as a program: a port, a link, a browser, and an end that is clean."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.access import Access
from karyoscope.view.answers import Answers
from karyoscope.view.app import make_app, page_file
from karyoscope.view.memory import give_memory_back

LOCAL = "127.0.0.1"
_GRACE_SECONDS = 2


class ViewServer:
    """One server, in this thread or in one of its own.

    Parameters
    ----------
    answers : Answers
        Answers to the requests of the page.
    host : str
        Address to listen at; every address but that of this machine lets others in.
    port : int
        0 for one that is free.
    origins : sequence of str
        Sites whose pages may read from this server.
    framed : bool
        Whether notebooks may show the page in a frame.
    new_link : callable, optional
        Called with a link that works once, each time that the last one was used.

    Attributes
    ----------
    access : Access
    address : str
        Where it listens: ``http://127.0.0.1:51234``.

    Raises
    ------
    KaryoscopeError
        If the port is taken or the page is not installed.
    """

    def __init__(
        self,
        answers: Answers,
        host: str = LOCAL,
        port: int = 0,
        origins: Sequence[str] = (),
        framed: bool = False,
        new_link: Callable[[str], None] | None = None,
    ) -> None:
        page_file("view.js")
        give_memory_back()
        self._socket = _listen(host, port)
        port = self._socket.getsockname()[1]
        named = f"[{host}]" if ":" in host else host
        self.address = f"http://{named if host not in ('0.0.0.0', '::') else LOCAL}:{port}"
        names = {LOCAL, "localhost", named}
        if host in ("0.0.0.0", "::"):
            names |= {socket.gethostname().lower(), *_own_addresses()}
        self._when_used = new_link
        self.access = Access(sorted(names), origins, framed, self._new_link)
        self._workspace = answers.workspace
        config = uvicorn.Config(
            make_app(answers.workspace, self.access, answers),
            log_level="error",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def link(self) -> str:
        """A link that works once."""
        return f"{self.address}/open?token={self.access.token}"

    def _new_link(self, token: str) -> None:
        if self._when_used is not None:
            self._when_used(f"{self.address}/open?token={token}")

    def run(self) -> None:
        """Serve until interrupted, then let running answers end."""
        try:
            self._server.run(sockets=[self._socket])
        except KeyboardInterrupt:
            pass  # The way to stop it, and uvicorn has done so.
        finally:
            self._workspace.close()
            self._socket.close()

    def start(self) -> None:
        """Serve in a thread of its own until :meth:`stop`."""
        self._thread = threading.Thread(target=self.run, name="karyoscope-view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and wait for it."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_GRACE_SECONDS + 3)

    def __enter__(self) -> ViewServer:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def open_browser(link: str) -> bool:
    """Open a link in the user's browser, if there is one."""
    try:
        return webbrowser.open(link)
    except webbrowser.Error:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        # Before the link is known, so that whoever follows it at once is not turned away.
        opened.listen(128)
    except OSError as error:
        opened.close()
        reason = error.strerror or error
        raise KaryoscopeError(
            f"cannot listen at {host} port {port}: {reason}; take another with --port"
        ) from error
    return opened


def _own_addresses() -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()
