"""The pooled HTTP client that adapters use, and the record of what it did."""

import functools
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from secretsync.domain.entities import HttpRequest
from secretsync.engine.pacing import MAX_WAIT, Pacer

# Large variable sets take a destination tens of seconds and more before it begins to answer. For
# a free connection of the pool there is no limit but the attempt's: that is not its fault.
TIMEOUT = httpx.Timeout(connect=10.0, read=300.0, write=120.0, pool=None)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=5)
MAX_BODY_BYTES = 128 * 1024 * 1024


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the one TLS context: to read all certificates again takes 30 ms each time."""
    return httpx.create_ssl_context()


class PacedClient(httpx.AsyncClient):
    """A client whose requests wait for their turn; a turn can be taken before a request is made."""

    def __init__(self, transport: "_Transport", timeout: httpx.Timeout) -> None:
        # No compression is asked for, since a small answer could fill the memory. Redirects could
        # carry credentials elsewhere, and so could the environment's proxies and netrc.
        super().__init__(
            transport=transport,
            headers={"Accept-Encoding": "identity"},
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )
        self._paced = transport

    async def take_turn(self) -> None:
        """Wait until the connection may send, now rather than when the next request is made.

        Raises:
            Paused: that would take longer than a request waits.
        """
        await self._paced.take_turn()


class HttpPool:
    """A pool of HTTP connections for each owner; each use sees it through a client of its own.

    A pool for each owner, because one destination that does not answer must not keep the others
    from being called. A client for each use, because cookies that a destination sets must not
    reach anybody else. All requests of an owner keep to one pace, since a destination counts them
    together.

    Args:
        timeout: limits of a single request.
        max_wait: seconds that a request waits at most until its owner may send.
    """

    def __init__(self, timeout: httpx.Timeout = TIMEOUT, max_wait: float = MAX_WAIT) -> None:
        self._timeout = timeout
        self._max_wait = max_wait
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}
        self._pacers: dict[str, Pacer] = {}

    def client(self, owner: str, record: list[HttpRequest], title: str = "") -> PacedClient:
        """Return a client whose requests are appended to `record` as they end.

        Redirects are off. Compression is not accepted, and bodies are bounded.

        Args:
            owner: who shares a pool and a pace, e.g. the uid of a connection.
            record: takes the requests. Waiting for a turn does not count in their seconds.
            title: names the owner in the log; `owner` itself if empty.
        """
        if owner not in self._transports:
            transport = httpx.AsyncHTTPTransport(verify=_tls(), limits=LIMITS)
            self._transports[owner] = transport
            self._pacers[owner] = Pacer(title or owner, self._max_wait)
        paced = _Transport(self._transports[owner], self._pacers[owner], record)
        return PacedClient(paced, self._timeout)

    def pause(self, owner: str) -> float:
        """Return the seconds for which an owner may send nothing, 0 if there is no pause."""
        return self._pacers[owner].pause if owner in self._pacers else 0.0

    async def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """Passes requests on to the shared transport in their turn, and notes each when it ends.

    It has no `aclose`: the shared transport stays open when a run's client closes.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, pacer: Pacer, record: list[HttpRequest]
    ) -> None:
        self._inner = inner
        self._pacer = pacer
        self._record = record
        self._has_turn = False

    async def take_turn(self) -> None:
        await self._pacer.turn()
        self._has_turn = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._has_turn:
            await self._pacer.turn()
        self._has_turn = False
        begun = time.monotonic()
        sent = int(request.headers.get("content-length", "0"))

        def note(status: int, received: int) -> None:
            self._record.append(
                HttpRequest(
                    method=request.method,
                    path=request.url.path,
                    status_code=status,
                    seconds=time.monotonic() - begun,
                    request_bytes=sent,
                    response_bytes=received,
                )
            )

        try:
            response = await self._pacer.exchange(lambda: self._inner.handle_async_request(request))
        except BaseException:
            note(0, 0)
            raise
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            await response.aclose()
            note(response.status_code, 0)
            raise httpx.RemoteProtocolError(f"the answer is compressed ({encoding}), unasked")
        body = _CountingStream(response, note)
        return httpx.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=body,
            extensions=response.extensions,
        )


class _CountingStream(httpx.AsyncByteStream):
    """Counts the bytes of a response's body as they arrive."""

    def __init__(self, response: httpx.Response, note: Callable[[int, int], None]) -> None:
        # An asynchronous transport answers with asynchronous streams.
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        self._status = response.status_code
        self._note = note
        self._received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._received += len(chunk)
            if self._received > MAX_BODY_BYTES:
                raise httpx.RemoteProtocolError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._note(self._status, self._received)
