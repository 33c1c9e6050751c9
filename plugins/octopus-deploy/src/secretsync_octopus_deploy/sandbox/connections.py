"""Knows the open connections, so that one can be cut while its request is under way."""

import asyncio

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

# By the client's address, which the request's scope has too.
_transports: dict[tuple[str, int] | None, asyncio.Transport] = {}


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which also lists its connection for as long as it is open."""

    def connection_made(  # type: ignore[override] # uvicorn narrows the transport's type too
        self, transport: asyncio.Transport
    ) -> None:
        """List the connection."""
        super().connection_made(transport)
        _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _transports.pop(self.client, None)
        super().connection_lost(exc)


async def cut_connection(scope: Scope, receive: Receive) -> None:
    """Close the request's connection at once, without an answer.

    Raises:
        ConnectionAbortedError: The request did not come over a connection, as in tests that call
            the application in their own process.
    """
    transport = _transports.get(scope["client"])
    if transport is None:
        raise ConnectionAbortedError("cut by the sandbox")
    transport.abort()
    # The protocol hears of it in the loop's next turn; returning before that would make
    # uvicorn complain of a request without an answer.
    while (await receive())["type"] != "http.disconnect":
        pass
