"""The local server behind the page of `radbook click`.

It listens on this computer's own address only. Every path begins with a random token; without it, for another
host's name (DNS rebinding), or for another site's page, everything is refused. The token that the browser is
started with can be read in the list of processes: it opens the page once, and then another one holds.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import ValidationError

from helpers.commands.click import Session
from helpers.errors import StudyError
from helpers.features.cases import reason_of
from helpers.imaging.clicked import Clicked
from helpers.pages.click_page import PageFile

HOST = "127.0.0.1"
_MOST_BYTES = 20_000  # of what a page hands in
_JSON = "application/json"
_HEADERS = {
    "Cache-Control": "no-store",  # a browser's cache lies outside private/
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
    "data: blob:; connect-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}


class _Refused(Exception):
    """A request that is not answered, and with which status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Elsewhere(Exception):
    """What is asked for is found at the page's own address."""


class ClickServer(ThreadingHTTPServer):
    """Serves the page's files and a session.

    Parameters
    ----------
    session : Session
    files : dict of str to PageFile
        By name; "" is the page itself.
    port : int
        0 takes a free one.

    Raises
    ------
    StudyError
        When the port is taken.
    """

    daemon_threads = True

    def __init__(self, session: Session, files: dict[str, PageFile], port: int = 0) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError:
            raise StudyError(
                f"Port {port} of this computer is not free. Name another one with --port, or none."
            ) from None
        self.session, self.files = session, files
        self.token, self._once = secrets.token_urlsafe(32), secrets.token_urlsafe(32)

    @property
    def address(self) -> str:
        """Of the page; whoever has it can see the patients' images while the server runs."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def first_address(self) -> str:
        """Leads to the page, but only once."""
        return f"http://{HOST}:{self.server_port}/{self._once}/"

    def opens(self, token: str) -> bool:
        """Whether this is the token of `first_address`, which is good for nothing from now on."""
        there = secrets.compare_digest(token.encode(), self._once.encode())
        self._once = secrets.token_urlsafe(32) if there else self._once
        return there


class _Handler(BaseHTTPRequestHandler):
    server: ClickServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "radbook", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_: object) -> None:
        """Nothing: a log would hold the token."""

    def _answer(self, method: Callable[[list[str]], tuple[str, bytes]]) -> None:
        try:
            kind, content = method(self._place())
            self._send(HTTPStatus.OK, kind, content)
        except _Elsewhere:
            self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", {"Location": self.server.address})
        except _Refused as refused:
            self.close_connection = True
            self._send(refused.status, _JSON, _json({"error": str(refused)}))
        except StudyError as error:
            self._send(HTTPStatus.CONFLICT, _JSON, _json({"error": str(error)}))
        except ConnectionError:  # the browser has gone
            self.close_connection = True
        except Exception as error:  # one bad case never stops the others
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _JSON, _json({"error": reason_of(error)}))

    def _place(self) -> list[str]:
        """What is asked for, once it is known that the page itself asks."""
        own = {f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"}
        asks = self.headers.get("Origin")
        if self.headers.get("Host") not in own or (asks and asks.removeprefix("http://") not in own):
            raise _Refused(HTTPStatus.FORBIDDEN)
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _Refused(HTTPStatus.FORBIDDEN)
        _, _, asked = self.path.partition("/")
        token, *place = asked.split("/")
        if self.server.opens(token):
            raise _Elsewhere
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or not place:
            raise _Refused(HTTPStatus.FORBIDDEN)
        return place

    def _get(self, place: list[str]) -> tuple[str, bytes]:
        session = self.server.session
        match place:
            case ["patients"]:
                return _JSON, _json({"patients": session.patients()})
            case ["patients", number]:
                return _JSON, _json(session.scan(self._number(number)))
            case ["patients", number, "ct.nii"]:
                return "application/octet-stream", session.volume(self._number(number))
            case ["patients", number, "region.nii"]:
                return "application/octet-stream", session.region(self._number(number))
            case ["patients", number, "ribs.webp"]:
                return "image/webp", session.ribs(self._number(number))
            case [name] if name in self.server.files:
                return self.server.files[name]
        raise _Refused(HTTPStatus.NOT_FOUND)

    def _post(self, place: list[str]) -> tuple[str, bytes]:
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Content-Type") != _JSON or not length.isdecimal() or int(length) > _MOST_BYTES:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        content = self.rfile.read(int(length))
        match place:
            case ["patients", number]:
                try:
                    clicked = Clicked.model_validate_json(content)
                except ValidationError:
                    raise _Refused(HTTPStatus.BAD_REQUEST) from None
                return _JSON, _json(self.server.session.keep(self._number(number), clicked))
            case ["finish"]:
                threading.Thread(target=self.server.shutdown).start()
                return _JSON, _json({"summary": self.server.session.summary()})
        raise _Refused(HTTPStatus.NOT_FOUND)

    def _number(self, text: str) -> int:
        if not text.isdecimal() or int(text) >= len(self.server.session.asked):
            raise _Refused(HTTPStatus.NOT_FOUND)
        return int(text)

    def _send(
        self, status: HTTPStatus, kind: str, content: bytes, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (_HEADERS | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _json(content: dict) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
