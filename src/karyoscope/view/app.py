"""The server's addresses. What is requested is named by keys; no address holds a path of a file."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.access import Access, AccessMiddleware
from karyoscope.view.answers import Answers
from karyoscope.view.workspace import Workspace

#: Files of the page: name in the package, and type.
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/view.css": ("view.css", "text/css; charset=utf-8"),
    "/licences.txt": ("licences.txt", "text/plain; charset=utf-8"),
}
_MOST_BYTES = 8 << 20
_THREADS = 4
# Another server at the same port has another session, and gets none of what was kept.
_KEEP = {"cache-control": "private, max-age=3600", "vary": "cookie, authorization, origin"}


def make_app(workspace: Workspace, access: Access, answers: Answers | None = None) -> Starlette:
    """Make the server.

    Parameters
    ----------
    workspace : Workspace
        What may be asked for.
    access : Access
        Who may ask.
    answers : Answers, optional
        What is answered; by default nothing may be written.

    Returns
    -------
    Starlette
        An ASGI application.
    """
    answers = answers or Answers(workspace)
    routes = [Route(path, _page(*found)) for path, found in PAGE.items()]
    routes.append(Route("/open", access.enter))
    routes += [Route(f"/data/{path}", _get(make)) for path, make in answers.readable().items()]
    for (method, path), make in answers.writable().items():
        routes.append(Route(f"/data/{path}", _send(make), methods=[method]))
    app = Starlette(
        routes=routes,
        lifespan=_few_threads,
        middleware=[Middleware(AccessMiddleware, access=access)],
        exception_handlers={KaryoscopeError: _user_error, HTTPException: _http_error},
    )
    # An address with a slash at its end is unknown, and not redirected to the one without.
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def _few_threads(app: Starlette) -> AsyncIterator[None]:
    # More would decode no faster, and each holds memory of its own.
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def page_file(name: str) -> bytes:
    """A file of the page, from the package.

    Raises
    ------
    KaryoscopeError
        If the package was installed without it.
    """
    try:
        return (resources.files("karyoscope.view") / "static" / name).read_bytes()
    except OSError as error:
        raise KaryoscopeError(
            f"this installation lacks {name} of the page; run `npm run build` in viewer/"
        ) from error


def _page(name: str, kind: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return Response(
            page_file(name), headers={"content-type": kind, "cache-control": "no-cache"}
        )

    return answer


def _get(make: Callable[..., Any]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        found = make(**request.path_params, **_wanted(make, request))
        if isinstance(found, tuple):
            data, kind = found
            return Response(data, headers={"content-type": kind, **_KEEP})
        return _as_json(found)

    return answer


def _wanted(make: Callable[..., Any], request: Request) -> dict[str, str]:
    """Parts of the query that an answer takes."""
    names = getattr(make, "query", ())
    return {name: request.query_params[name] for name in names if name in request.query_params}


def _send(make: Callable[..., Any]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise HTTPException(413, "this is too much at once")
        try:
            sent = json.loads(body)
        except ValueError as error:
            raise KaryoscopeError("what was sent is not JSON") from error
        if not isinstance(sent, dict):
            raise KaryoscopeError("what was sent is no JSON object")
        return _as_json(await run_in_threadpool(make, sent=sent, **request.path_params))

    return answer


def json_bytes(data: Any) -> bytes:
    """Plain data as JSON; numbers that JSON has no word for become null, "no value"."""
    return json.dumps(_finite(data), allow_nan=False, separators=(",", ":")).encode()


def _as_json(data: Any) -> Response:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(json_bytes(data), headers=headers)


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list) else data


def _user_error(request: Request, error: Exception) -> Response:
    status = 404 if request.method == "GET" else 409
    return JSONResponse({"error": str(error)}, status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
