"""Turns Octopus's answers other than success into the errors that adapters raise."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    SecretValue,
    Unavailable,
)
from secretsync_octopus_deploy.texts import WITHHELD, printable, repeats

MAX_MESSAGE_LENGTH = 1000
MAX_PAUSE = 3600.0
"""Seconds that a server may ask for at most: a day's pause would be taken for a stuck sync."""

_MAX_CLASSIFIED_LENGTH = 20_000

_STALE = re.compile(
    r"another user has made changes to the variables"
    r"|available environment scopes changed while you were editing"
    r"|submitted data was out of date",
    re.IGNORECASE,
)
_DENIED = re.compile(r"do not have permission|Missing permission:", re.IGNORECASE)
_PERMISSION = re.compile(r"Missing permission:\s*([A-Za-z]{1,60})", re.IGNORECASE)

_PHRASES = (
    "another user has made changes to the variables",
    "available environment scopes changed while you were editing the variables",
    "submitted data was out of date",
    "You must be logged in to perform this action.",
    "The API key you provided was not valid.",
    "You do not have permission to perform this action.",
    "Prompted variables cannot be scoped to anything except an environment.",
    "Variable ids must be unique.",
    "You cannot modify this variable set because the set is frozen.",
)
"""Sentences of Octopus's own that say enough, and certainly hold no value."""


def error_from(  # noqa: PLR0911  one case of the protocol after the other
    response: httpx.Response, *, now: datetime, secrets: Sequence[SecretValue] = ()
) -> AdapterError:
    """Return the adapter error for an answer whose status is not 2xx.

    The texts are those that the Octopus REST API documents, or that its users have reported.

    Args:
        response: the answer, already read.
        now: the present time, for a `Retry-After` that is a date.
        secrets: values that must not reach the message, should the server repeat one.
    """
    status = response.status_code
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _redirected(response, secrets)
    said = _said(response)
    text = _shown(said, secrets)
    message = f"Octopus answered {_status_name(status)}: {text or 'no explanation was given'}"
    if status == HTTPStatus.CONFLICT or (status == HTTPStatus.BAD_REQUEST and _STALE.search(said)):
        return Conflict(message, hint="Somebody else edits the same variables; try again.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and _DENIED.search(said):
        return _denied(message, text)
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthenticationFailed(
            message, hint="Check the connection's apiKey: it may be wrong, expired or revoked."
        )
    if status == HTTPStatus.FORBIDDEN:
        return _denied(message, text)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(message, retry_after=_retry_after(response, now))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return _unavailable(response, message, now)
    return InvalidConfig(message)


def _said(response: httpx.Response) -> str:
    """Return all that an answer says of its failure, as it came; may be empty."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("Errors")
    texts = [
        body.get("ErrorMessage"),
        *(errors if isinstance(errors, list) else []),
        body.get("HelpText"),
    ]
    unique = dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip())
    return " ".join(unique)[:_MAX_CLASSIFIED_LENGTH]


def _shown(said: str, secrets: Sequence[SecretValue]) -> str:
    """Return what may be shown of that, in one line of bounded length.

    A text that repeats a value is not shown at all: a hole in it would show where the value was,
    and which short value made it.
    """
    text = " ".join(said.split())
    lowered = text.casefold()
    known = next((phrase for phrase in _PHRASES if phrase.casefold() in lowered), "")
    permission = _PERMISSION.search(text)
    if permission and not repeats(permission[1], secrets):
        known = f"{known} Missing permission: {permission[1]}".strip()
    if known:
        return known
    # Cut first: what is not shown need not be compared.
    start = text[:MAX_MESSAGE_LENGTH]
    if repeats(start, secrets):
        return WITHHELD
    return printable(start) + ("..." if len(text) > len(start) else "")


def _denied(message: str, text: str) -> PermissionDenied:
    found = _PERMISSION.search(text)
    permission = found[1] if found else "VariableView and VariableEdit"
    return PermissionDenied(
        message, hint=f"Give the API key's user {permission} for this project and its environments."
    )


def _redirected(response: httpx.Response, secrets: Sequence[SecretValue]) -> InvalidConfig:
    """Return the error for a redirect; of where it leads, only scheme, host and port are told."""
    origin = ""
    try:
        target = urlsplit(response.headers.get("Location", ""))
        port = f":{target.port}" if target.port else ""
    except ValueError:
        pass
    else:
        host = target.hostname or ""
        host = f"[{host}]" if ":" in host else host
        origin = f"{target.scheme}://{host}{port}" if target.scheme and host else ""
    if len(origin) > MAX_MESSAGE_LENGTH or repeats(origin, secrets):
        origin = ""
    where = printable(origin) or "another address"
    text = f"redirects to {where}; set instanceUrl to where Octopus itself is"
    return InvalidConfig(
        f"The instance URL {text}. The redirect was not followed.",
        violations={"instanceUrl": text},
    )


def _unavailable(response: httpx.Response, message: str, now: datetime) -> Unavailable:
    hint = None
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        hint = "The server is starting or in maintenance."
    return Unavailable(message, retry_after=_retry_after(response, now), hint=hint)


def _retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, in either form; see `MAX_PAUSE`."""
    header = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_PAUSE) if math.isfinite(seconds) else None


def _status_name(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
