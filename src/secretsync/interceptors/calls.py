"""Counts the calls that are under way: shutting down waits for them, and for no stream."""

import asyncio
import contextlib
from collections.abc import Generator


class CallCounter:
    """The unary calls that are under way. Streams are not counted: they would never end."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self._count

    @contextlib.contextmanager
    def counted(self) -> Generator[None]:
        """Count a call for as long as this lasts."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def idle(self, timeout: float) -> None:  # noqa: ASYNC109
        """Return when no call is under way, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
