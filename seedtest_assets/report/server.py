"""Serve the reports of a local lake to this machine: read-only, so that links in the UI open."""

import errno
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from seedtest_assets.errors import SettingsError

LOOPBACK = "127.0.0.1"
# Pages may show and run what they hold themselves, and neither load nor send anything.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_FOLDER_OF_A_DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_LIST = jinja2.Template(
    """<!doctype html><html lang="en"><meta charset="utf-8"><title>Calibration reports</title>
<h1>Calibration reports</h1>{% if pages %}<ul>{% for path, name in pages %}<li><a href="{{ path }}">{{ name }}</a></li>{% endfor %}</ul>
{% else %}<p>No report yet: seedtest run makes one</p>{% endif %}</html>""",
    autoescape=True,
)


def reports_app(folder: Path) -> Starlette:
    """Make the web application that serves the pages below folder, with a list of them on its first page."""

    def list_pages(request: Request) -> Response:
        return HTMLResponse(_LIST.render(pages=_pages(folder)))

    return Starlette(
        routes=[Route("/", list_pages), Mount("/", StaticFiles(directory=folder))],
        # Only by names of this machine: a page elsewhere whose name is made to lead here gets nothing.
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_with_headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", LOOPBACK]),
        ],
    )


@contextmanager
def serving_reports(folder: Path, port: int) -> Iterator[str]:
    """Serve the pages below folder on the loopback address meanwhile; gives the address. port: 0 takes a free one.

    Raises SettingsError when the port is taken.
    """
    listening = listen(port, "--reports-port")
    server = _server(folder)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="reports", daemon=True)
    thread.start()
    try:
        yield _address(listening)
    finally:
        server.should_exit = True
        thread.join()


def serve_reports(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve the pages below folder on the loopback address until INT or TERM; call ready with the address.

    Raises SettingsError when the port is taken.
    """
    listening = listen(port, "--port")
    ready(_address(listening))
    _server(folder).run(sockets=[listening])


def _server(folder: Path) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(reports_app(folder), log_config=None, access_log=False, server_header=False))


def _address(listening: socket.socket) -> str:
    return f"http://localhost:{listening.getsockname()[1]}"


def listen(port: int, option: str, host: str = LOOPBACK) -> socket.socket:
    """Take a port of an address. option: what chooses another port.

    Raises SettingsError when the port is taken, or the address is not one of this machine.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        # Below 0 are the codes of names that lead to no address.
        if error.errno == errno.EADDRNOTAVAIL or (error.errno or 0) < 0:
            raise SettingsError(
                f"cannot listen on {host}, which is no IPv4 address of this machine. Choose another, such as {LOOPBACK}"
            ) from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(f"cannot listen on {host} port {port}: {reason}. Choose another with {option}") from None


async def _with_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


def _pages(folder: Path) -> list[tuple[str, str]]:
    """List path and name of the pages, the newest day first."""
    found = []
    for page in sorted(folder.glob("date=*/*.html"), reverse=True):
        day = _FOLDER_OF_A_DAY.fullmatch(page.parent.name)
        if day:
            found.append((page.relative_to(folder).as_posix(), f"{day[1]}: {page.stem}"))
    return found
