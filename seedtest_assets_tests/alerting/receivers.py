"""Real receivers of alerts: a webhook over HTTP and a mail server over SMTP."""

import json
from collections.abc import Callable
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from aiosmtpd.controller import Controller

from seedtest_assets_tests.deployment import free_port


class Webhook:
    """What Apprise's json:// posts to; answers `status`, and keeps what it accepted with a 200.

    A redirect leads to a page that answers a GET with 200; `n_followed` counts these.

    before_answer: called with a message that was accepted, before the sender learns of it.
    """

    def __init__(self) -> None:
        self.status = 200
        self.n_refused = 0
        self.n_followed = 0
        self.messages: list[dict] = []
        self.before_answer: Callable[[], object] | None = None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if hook.status == 200:
                    hook.messages.append(body)
                else:
                    hook.n_refused += 1
                if hook.before_answer:
                    hook.before_answer()
                self.send_response(hook.status)
                if 300 <= hook.status < 400:
                    self.send_header("Location", "/login")
                self.end_headers()

            def do_GET(self) -> None:
                hook.n_followed += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_address[1]}/hook"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """An SMTP server; `messages` are the mails it accepted, parsed."""

    def __init__(self, port: int | None = None) -> None:
        self.messages: list = []
        self.port = port or free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, server, session, envelope) -> str:
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 accepted"

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=seedtest@school.example&to=on-call@school.example&mode=insecure"

    def close(self) -> None:
        self._controller.stop()
