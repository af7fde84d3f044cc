"""Run the service until a signal stops it, and answer every caller before it ends."""

import asyncio
import ipaddress
import os
import socket
from contextlib import suppress

import uvicorn

from seedtest_assets.errors import SettingsError
from seedtest_assets.service import logs
from seedtest_assets.service.app import ServiceOptions, create_app
from seedtest_assets.service.logs import logger
from seedtest_assets.service.workers import Workers

LOOPBACK = "127.0.0.1"
# After the grace, for the refusals to reach their callers.
REFUSAL_SECONDS = 5


def serve(options: ServiceOptions, host: str | None = None, port: int = 8000, grace_seconds: float = 120.0) -> None:
    """Listen on host and port until INT or TERM.

    host: by default every address with a token, and 127.0.0.1 without one.
    port: 0 takes a free one; the log says which.
    grace_seconds: how long running calibrations may go on after the signal; those that wait are refused at once with
        503, those that still run after it as well.

    Raises SettingsError when the address cannot be listened on.
    """
    logs.configure()
    address = listening_address(host, options.token)
    listening = _listen(address, port)
    app = create_app(options)
    config = uvicorn.Config(
        app,
        http=app.state.connections.make,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=round(grace_seconds + REFUSAL_SECONDS),
    )
    server = _Server(config, [app.state.calibrating, app.state.scoring], grace_seconds)
    facts = {"host": address, "port": listening.getsockname()[1], "workers": options.workers, "queue": options.queue}
    logger.info("listening", extra={"facts": facts})
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def listening_address(host: str | None, token: str | None) -> str:
    """Choose the address: without a token only this machine, with a warning in the log."""
    if token:
        return host or "0.0.0.0"
    if host is None or is_loopback(host):
        return host or LOOPBACK
    logger.warning(
        "no token is set, so this listens on %s instead of %s: anyone who reaches the port could read abilities and "
        "occupy the processors. Set R_IRT_INTERNAL_TOKEN to listen to other machines",
        LOOPBACK,
        host,
    )
    return LOOPBACK


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(f"cannot listen on {address} port {port}: {reason}. Choose another one") from None


class _Server(uvicorn.Server):
    """A uvicorn server that empties the queues when it stops."""

    def __init__(self, config: uvicorn.Config, queues: list[Workers], grace_seconds: float) -> None:
        super().__init__(config)
        self.queues = queues
        self.grace_seconds = grace_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logger.info("stopping", extra={"facts": {"running": sum(queue.running for queue in self.queues)}})
        for queue in self.queues:
            queue.refuse_waiting()
            asyncio.get_running_loop().call_later(self.grace_seconds, queue.refuse_running)
        await super().shutdown(sockets)
        logger.info("stopped")
