"""Types of destination, and calls to them outside of runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from secretsync.adapter import AdapterError
from secretsync.domain import names
from secretsync.domain.adapter_problems import problem_from
from secretsync.domain.problems import Code, Problem, Reason, Violations, not_found
from secretsync.engine.http import HttpPool
from secretsync.engine.unexpected import unexpected
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.paging import Page, PageRequest, close_page
from secretsync.registry import FailedDestination, LoadedDestination

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAIT = 30.0
"""Seconds that a request waits if the destination asks for fewer; whoever calls is told of more."""


async def call_destination(
    app: App,
    hook: Callable[[dict[str, Any]], Awaitable[T]],
    *,
    config_field: str,
    credentials_field: str = "",
    credential_names: Collection[str] = (),
) -> T:
    """Call a hook with the parts that every request carries, and translate its errors.

    Args:
        app: the parts to work with.
        hook: makes the call, given `http`, `clock` and `logger`.
        config_field: path in the request of what the adapter's field names refer to.
        credentials_field: see `problem_from`.
        credential_names: see `problem_from`.

    Raises:
        Problem: what the adapter raised, as `ConnectionService` in the API says.
    """
    # A pool of its own: calls that get no answer must not keep others from being made.
    pool = HttpPool(app.http_timeout, MAX_WAIT)
    try:
        async with (
            asyncio.timeout(app.call_timeout),
            pool.client("call", [], "a call outside of runs") as http,
        ):
            basics = {
                "http": http,
                "clock": app.clock,
                "logger": logging.LoggerAdapter(log, {}),
            }
            return await hook(basics)
    except AdapterError as error:
        raise problem_from(
            error,
            config_field=config_field,
            credentials_field=credentials_field,
            credential_names=credential_names,
        ) from None
    except Problem:
        raise
    except TimeoutError:
        raise Problem(
            Code.UNAVAILABLE,
            Reason.DESTINATION_UNAVAILABLE,
            f"the destination did not answer within {app.call_timeout:g} s",
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin is foreign code
        raise unexpected(error) from None
    finally:
        await pool.close()


def destination_slug(app: App, name: str, violations: Violations) -> str:
    """Return the slug of a destination that can be used, given its resource name.

    Raises:
        Problem: NOT_FOUND or FAILED_PRECONDITION; INVALID_ARGUMENT with all violations noted so
            far if there are any, since nothing more can be checked then.
    """
    field = "connection.destination"
    (slug,) = names.DESTINATION.check(field, name, violations)
    if not slug:
        violations.raise_if_any()
    try:
        return app.registry.get(slug).info.name
    except Problem as problem:
        violations.raise_if_any()
        if not app.registry.knows(slug):
            raise not_found(f"destinations/{slug}", f"{field}: {problem.message}") from None
        raise Problem(
            problem.code,
            problem.reason,
            f"{field}: {problem.message}",
            metadata=problem.metadata,
        ) from None


def name_of(destination: LoadedDestination | FailedDestination) -> str:
    """Return a destination's slug, whether it loaded or not."""
    if isinstance(destination, LoadedDestination):
        return destination.info.name
    return destination.name


def list_destinations(
    app: App, request: PageRequest
) -> Page[LoadedDestination | FailedDestination]:
    """Return a page of the types of destination."""
    size, (after,) = request.open("destinations", [""], Violations())
    found = [each for each in app.registry.list() if name_of(each) > str(after)]
    return close_page(found[: size + 1], size, "destinations", lambda each: [name_of(each)])


def get_destination(app: App, name: str) -> LoadedDestination | FailedDestination:
    """Return a type of destination, whether it loaded or not."""
    (slug,) = lookups.parse(names.DESTINATION, "name", name)
    for each in app.registry.list():
        if name_of(each) == slug:
            return each
    raise not_found(name)
