"""Who may ask the server: the browser that was opened with the link, and nobody else.

The link holds a token that works once and is exchanged for a session, which the browser keeps as
a cookie that scripts and other sites do not see. Besides, the server answers only to its own name
(which stops rebinding of host names), refuses requests that another site started, and forbids
the page to load or send anything elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors {ancestors}"
)
_USED = (
    "This link was used before, or is not of this server. Links work once: copy the newest one"
    " from the terminal in which `karyoscope view` runs."
)


class Access:
    """Tokens, sessions, and what every answer says to the browser.

    Parameters
    ----------
    hosts : sequence of str
        Names of this server, without port.
    origins : sequence of str
        Other sites whose pages may read from this server; none unless requested.
    framed : bool
        Whether notebooks may show the page in a frame.
    new_link : callable, optional
        Called with a new token, each time that the last one was used.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        origins: Sequence[str] = (),
        framed: bool = False,
        new_link: Callable[[str], None] | None = None,
    ) -> None:
        self.hosts = {host.lower() for host in hosts}
        self.origins = set(origins)
        self.session = secrets.token_urlsafe(32)
        self.cookie = f"karyoscope-{secrets.token_hex(4)}"
        self._new_link = new_link
        self._token = secrets.token_urlsafe(24)
        ancestors = "'self' http://localhost:* http://127.0.0.1:*" if framed else "'none'"
        self.policy = POLICY.format(ancestors=ancestors)

    @property
    def token(self) -> str:
        """The token that has not been used."""
        return self._token

    def enter(self, request: Request) -> Response:
        """Exchange a token for a session."""
        given = request.query_params.get("token", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return PlainTextResponse(_USED, 403)
        self._token = secrets.token_urlsafe(24)
        if self._new_link is not None:
            self._new_link(self._token)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, self.session, httponly=True, samesite="strict", path="/")
        return answer

    def refusal(self, scope: Scope) -> Response | None:
        """Why a request is refused; None where it is not."""
        headers = Headers(scope=scope)
        if _host(headers.get("host", "")) not in self.hosts:
            return _refuse(421, "this server does not answer to that name")
        origin = headers.get("origin")
        own = {f"http://{headers['host']}", f"https://{headers['host']}"}
        foreign = origin is not None and origin not in own | self.origins
        # Another port of this machine is the same site to a browser, which sends it the cookie.
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign or (elsewhere and origin not in self.origins):
            # Following the link from a mail, and a notebook's frame, lead here from another site;
            # the page itself holds nothing of anybody's, and what it asks for then is its own.
            leads_here = scope["path"] in ("/", "/open") and scope["method"] == "GET"
            if not (leads_here and origin is None):
                return _refuse(403, "another site asked for this")
        if scope["path"].startswith("/data/") and not self._knows(Request(scope)):
            return _refuse(
                401, "no session; open the link that `karyoscope view` prints in the terminal"
            )
        return None

    def _knows(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = (request.cookies.get(self.cookie, ""), bearer)
        return any(hmac.compare_digest(g.encode(), self.session.encode()) for g in given)

    def headers_for(self, scope: Scope) -> dict[str, str]:
        """What every answer says."""
        fixed = {
            "content-security-policy": self.policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "cross-origin" if self.origins else "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }
        origin = Headers(scope=scope).get("origin")
        if origin in self.origins:
            fixed |= {
                "access-control-allow-origin": str(origin),
                "access-control-allow-headers": "authorization",
                "vary": "origin",
            }
        return fixed


class AccessMiddleware:
    """Ask :class:`Access` before anything else, and put its headers on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = self.access.headers_for(scope)
                given = {name.lower() for name, _ in message.get("headers", [])}
                message.setdefault("headers", []).extend(
                    (name.encode(), value.encode())
                    for name, value in extra.items()
                    if name.encode() not in given
                )
            await send(message)

        refusal = self.access.refusal(scope)
        if refusal is None and scope["method"] == "OPTIONS":
            refusal = Response(status_code=204)
        await (refusal or self.app)(scope, receive, send_guarded)


def _host(header: str) -> str:
    """Name in a host header, without port."""
    if header.startswith("["):
        return header[: header.find("]") + 1].lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()


def _refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status)
