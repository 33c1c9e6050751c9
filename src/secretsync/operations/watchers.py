"""Who watches syncs: how many at most, what wakes them, and how they are sent home."""

import asyncio
import contextlib
from collections.abc import Generator

from secretsync.domain.problems import Code, Problem, Reason

RETRY_AFTER = 5.0
"""Seconds after which it makes sense to ask again, for whoever was one too many."""


class Watchers:
    """The streams that are open, and the bell that wakes them.

    Args:
        limit: how many there may be at a time.
        keep_alive: seconds after which a stream says that it is still there, if it has said
            nothing else.
    """

    def __init__(self, limit: int = 100, keep_alive: float = 30.0) -> None:
        self.keep_alive = keep_alive
        self._limit = limit
        self._open = 0
        self._closing = False
        self._newest = 0
        self._rung = 0
        self._bell = asyncio.Event()

    @property
    def newest(self) -> int:
        """The `seq` of the newest event that this process has committed; 0 for none yet."""
        return self._newest

    @property
    def rung(self) -> int:
        """How often the bell has been rung."""
        return self._rung

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        """Count as one of the open streams.

        Raises:
            Problem: RESOURCE_EXHAUSTED, if there are too many.
        """
        if self._open >= self._limit:
            raise Problem(
                Code.RESOURCE_EXHAUSTED,
                Reason.TOO_MANY_WATCHERS,
                f"{self._limit} streams are open already, the most that this server allows"
                " (setting max_watchers): end one, or try again",
                metadata={"limit": str(self._limit)},
                retry_after=RETRY_AFTER,
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def events(self, newest: int) -> None:
        """Say that events have been committed; the newest has this `seq`."""
        self._newest = max(self._newest, newest)
        self.ring()

    def ring(self) -> None:
        """Wake all who wait."""
        self._rung += 1
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def close(self) -> None:
        """End all streams soon; those that come later end at once."""
        self._closing = True
        self.ring()

    def check_open(self) -> None:
        """Do nothing, unless streams are to end.

        Raises:
            Problem: UNAVAILABLE, if they are.
        """
        if self._closing:
            raise Problem(
                Code.UNAVAILABLE,
                Reason.SHUTTING_DOWN,
                "the server is shutting down: go on with the last cursor when it is back",
                retry_after=1.0,
            )

    async def wait(self, rung: int, timeout: float) -> None:  # noqa: ASYNC109
        """Return when the bell has been rung again, or after `timeout` seconds.

        Args:
            rung: how often it had been rung before the caller looked around.
            timeout: seconds.
        """
        if self._rung == rung:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._bell.wait()
