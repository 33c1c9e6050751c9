"""Watches syncs for commands: goes on by itself where a stream broke off."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from secretsync.cli.client import Client
from secretsync.cli.errors import CliError
from secretsync.v1.secret_sync_service_pb2 import WatchSecretSyncsRequest, WatchSecretSyncsResponse

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


class Backoff:
    """The pauses before a server is tried again: each twice as long as the last."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE

    def reset(self) -> None:
        """Begin with the shortest again, after the server has answered."""
        self._pause = FIRST_PAUSE

    def next(self) -> float:
        """Return the seconds to wait now."""
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause


def can_pass(error: CliError) -> bool:
    """Tell whether a stream that ended so can be gone on with later."""
    return error.status == "UNAVAILABLE" or error.reason == "TOO_MANY_WATCHERS"


def watch(
    client: Client, parent: str, cursor: str, broken: Callable[[CliError, float], None]
) -> Iterator[WatchSecretSyncsResponse]:
    """Yield what happens to syncs, for as long as somebody wants to know.

    A server that goes away is tried again until it is back, and nothing is left out or repeated.

    Args:
        client: calls the server.
        parent: what to watch; see WatchSecretSyncsRequest.
        cursor: where to go on; empty for the present state first.
        broken: is told of a stream that broke off, and in how many seconds it is tried again.

    Raises:
        CliError: the first stream could not begin, or one ended in a way that no other try mends.
    """
    backoff, heard = Backoff(), False
    while True:
        request = WatchSecretSyncsRequest(parent=parent, cursor=cursor)
        try:
            with closing(client.stream(client.syncs.WatchSecretSyncs, request)) as messages:
                for message in messages:
                    heard, cursor = True, message.cursor
                    backoff.reset()
                    yield message
            error = CliError("the server ended the stream", status="UNAVAILABLE")
        except CliError as ended:
            error = ended
        if heard and error.reason == "CURSOR_EXPIRED":
            # The server was away, or we have been too slow, for longer than it keeps what happened.
            cursor = ""
        elif not heard or not can_pass(error):
            raise error
        pause = backoff.next()
        broken(error, pause)
        time.sleep(pause)
