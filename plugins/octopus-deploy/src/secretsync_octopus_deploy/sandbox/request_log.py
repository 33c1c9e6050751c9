"""Remembers which requests arrived at the Octopus API, for tests to count."""

from collections import deque
from dataclasses import asdict, dataclass

from starlette.types import Scope

LOG_LIMIT = 100_000


@dataclass
class LoggedRequest:
    """One request; `status` and `answered` are None while, and if, there was no answer.

    `answered` is when the end of the answer was handed over to be sent, in seconds since 1970.
    """

    method: str
    path: str
    query: str
    status: int | None = None
    answered: float | None = None


class RequestLog:
    """The latest requests, at most `LOG_LIMIT`; never a body, never a header."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=LOG_LIMIT)

    def open(self, scope: Scope) -> LoggedRequest:
        """Log a request that has arrived, and return its entry."""
        entry = LoggedRequest(scope["method"], scope["path"], scope["query_string"].decode())
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()

    def as_json(self) -> list[dict[str, object]]:
        """Return the requests, oldest first."""
        return [asdict(entry) for entry in self._entries]
