"""The pooled HTTP client that adapters use, and the record of what it did."""

import functools
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from secretsync.domain.entities import HttpRequest

# Large variable sets take tens of seconds to read and to write.
TIMEOUT = httpx.Timeout(connect=10.0, read=120.0, write=120.0, pool=120.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=5)
MAX_BODY_BYTES = 128 * 1024 * 1024


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the one TLS context: to read all certificates again takes 30 ms each time."""
    return httpx.create_ssl_context()


class HttpPool:
    """A pool of HTTP connections for each owner; each use sees it through a client of its own.

    A pool for each owner, because one destination that does not answer must not keep the others
    from being called. A client for each use, because cookies that a destination sets must not
    reach anybody else.
    """

    def __init__(self) -> None:
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    def client(self, owner: str, record: list[HttpRequest]) -> httpx.AsyncClient:
        """Return a client whose requests are appended to `record` as they end.

        Redirects are off, since they could carry credentials elsewhere; environment variables for
        proxies and netrc are not read, for the same reason. Compression is not asked for and not
        accepted, and bodies are bounded, since a small answer could fill the memory.

        Args:
            owner: who shares a pool, e.g. the uid of a connection.
            record: takes the requests.
        """
        if owner not in self._transports:
            transport = httpx.AsyncHTTPTransport(verify=_tls(), limits=LIMITS)
            self._transports[owner] = transport
        return httpx.AsyncClient(
            transport=_RecordingTransport(self._transports[owner], record),
            headers={"Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


class _RecordingTransport(httpx.AsyncBaseTransport):
    """Passes requests on to the shared transport and notes each when it ends.

    It has no `aclose`: the shared transport stays open when a run's client closes.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, record: list[HttpRequest]) -> None:
        self._inner = inner
        self._record = record

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
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
            response = await self._inner.handle_async_request(request)
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
