"""Runs the application on a loopback address until a signal ends it."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from secretsync_octopus_deploy.sandbox.connections import CuttableProtocol

GRACE_SECONDS = 1
KEEP_ALIVE_SECONDS = 75
_PORTS = range(65536)


def parse_listen(listen: str) -> tuple[str, int]:
    """Return the address and port of `HOST:PORT`, for example `127.0.0.1:0` or `[::1]:8080`.

    Raises:
        ValueError: It is not of that form, or the address is not loopback.
    """
    host, separator, port = listen.rpartition(":")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) not in _PORTS:
        raise ValueError(f"'{listen}' is not of the form HOST:PORT")
    address = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise ValueError(f"'{host}' is not an IP address or localhost") from None
    if not is_loopback:
        raise ValueError(
            f"'{host}' is not a loopback address; the sandbox shows stored secrets to whoever "
            "has its key, and must not be reachable from elsewhere"
        )
    return address, int(port)


def bind(address: str, port: int) -> socket.socket:
    """Return a socket bound to the address; port 0 takes any free one.

    Raises:
        OSError: The address cannot be bound, for example because the port is in use.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sets TCP_NODELAY on sockets that name their protocol: without it answers take 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the base URL of what listens on `bound`."""
    address, port = bound.getsockname()[:2]
    host = f"[{address}]" if bound.family == socket.AF_INET6 else address
    return f"http://{host}:{port}"


def serve(app: ASGIApp, bound: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then give requests under way `GRACE_SECONDS`.

    Args:
        app: The application.
        bound: The socket to listen on; closed at the end.
        on_ready: Called once, when requests are accepted.
    """
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        # Nothing at all: uvicorn's own error log would print exceptions, and these may quote
        # bodies. The application reports its failures itself.
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    asyncio.run(_Server(config, on_ready).serve(sockets=[bound]))


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and ends with success on a signal."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT.

        uvicorn's own way raises the signal again at the end, which would make an orderly end
        look like a kill.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        """Ask the server to stop."""
        self.should_exit = True
