"""Logging that cannot leak: exceptions are told by type and place, never by their text."""

import asyncio
import logging
import sys
import traceback
from types import TracebackType
from typing import Any, TypeAlias

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
LEVELS = ("debug", "info", "warning", "error")
MAX_CAUSES = 10
MAX_PLACES = 30
_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

log = logging.getLogger(__name__)


class OneLineFormatter(logging.Formatter):
    """Tells each record on one line, and exceptions by type and place.

    A destination has its say in messages, which must not look like further records or act on a
    terminal. What plugins and libraries log with an exception comes with a traceback, whose last
    line would be the exception's text.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  as logging calls it
        """Return the record's line, with control characters as escapes."""
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in super().formatMessage(record)
        )

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802  as logging calls it
        """Return what `describe_exception` does."""
        return describe_exception(ei[1]) if ei[1] is not None else "no exception"


def tell_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what an event loop has to tell of, such as a task whose exception nobody retrieves.

    Its own handler would print the exception's text, and those of tasks and callbacks.
    """
    error = context.get("exception")
    told = describe_exception(error) if isinstance(error, BaseException) else "no exception"
    # The message about a callback has what it was called with.
    message = "Exception in callback" if "handle" in context else context["message"]
    log.error("%s: %s", message, told)


def configure(level: str) -> None:
    """Send the log to stderr.

    Args:
        level: one of `LEVELS`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These print headers and bodies at DEBUG: never let them below WARNING.
    for name in ("httpx", "httpcore", "hpack"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A handler that fails would print the exception that is being handled, text and all.
    logging.raiseExceptions = False


def describe_exception(error: BaseException) -> str:
    """Return an exception's type and the places it passed, innermost last; then its causes.

    Its text is left out: foreign code may have put a secret value or a credential into it (an HTTP
    library, for one, quotes a header that it finds illegal).
    """
    told: list[str] = []
    seen: set[int] = set()
    following: BaseException | None = error
    # Causes may go in a circle, and be many: a loop that retries chains each error to the last.
    while following is not None and id(following) not in seen and len(told) < MAX_CAUSES:
        seen.add(id(following))
        told.append(_type_and_places(following))
        following = _cause(following)
    return ", caused by ".join(told)


def _type_and_places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-MAX_PLACES)
    places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__module__}.{type(error).__qualname__} at {places or 'unknown place'}"


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__
