"""The pooled HTTP client that adapters use, and the record of what it did."""

import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from secretsync.domain.entities import HttpRequest

# Large variable sets take tens of seconds to read and to write.
TIMEOUT = httpx.Timeout(connect=10.0, read=120.0, write=120.0, pool=120.0)
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class HttpPool:
    """One pool of connections for all runs; each run sees it through a client of its own.

    A client of its own, because cookies that a destination sets must not reach another connection.
    """

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport(limits=LIMITS)

    def client(self, record: list[HttpRequest]) -> httpx.AsyncClient:
        """Return a client whose requests are appended to `record` as they end.

        Redirects are off, since they could carry credentials elsewhere; environment variables for
        proxies and netrc are not read, for the same reason.
        """
        return httpx.AsyncClient(
            transport=_RecordingTransport(self._transport, record),
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


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
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._note(self._status, self._received)
