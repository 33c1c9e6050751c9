"""Turns Octopus's answers other than success into the errors that adapters raise."""

import json
import math
import re
from collections.abc import Iterable
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

MAX_MESSAGE_LENGTH = 1000
REDACTED = "[redacted]"

_MIN_REDACTED_LENGTH = 4
"""Shorter values occur in any text by chance."""

_STALE = re.compile(
    r"another user has made changes to the variables"
    r"|available environment scopes changed while you were editing"
    r"|submitted data was out of date",
    re.IGNORECASE,
)
_DENIED = re.compile(r"do not have permission|Missing permission:", re.IGNORECASE)
_PERMISSION = re.compile(r"Missing permission:\s*([A-Za-z]+)", re.IGNORECASE)


def error_from(  # noqa: PLR0911  one case of the protocol after the other
    response: httpx.Response, *, now: datetime, secrets: Iterable[SecretValue] = ()
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
        return _redirected(response)
    text = explanation(response, secrets)
    message = f"Octopus answered {_status_name(status)}: {text or 'no explanation was given'}"
    if status == HTTPStatus.CONFLICT or (status == HTTPStatus.BAD_REQUEST and _STALE.search(text)):
        return Conflict(message, hint="Somebody else edits the same variables; try again.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and _DENIED.search(text):
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


def explanation(response: httpx.Response, secrets: Iterable[SecretValue] = ()) -> str:
    """Return what an answer says of its failure, in one line of bounded length; may be empty."""
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
    unique = dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip())
    text = " ".join(unique)
    values = (secret.reveal() for secret in secrets)
    # Longest first: a value may be part of another one.
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _MIN_REDACTED_LENGTH:
            text = text.replace(value, REDACTED)
    text = " ".join(text.split())
    if len(text) > MAX_MESSAGE_LENGTH:
        text = f"{text[:MAX_MESSAGE_LENGTH]}..."
    return text


def _denied(message: str, text: str) -> PermissionDenied:
    found = _PERMISSION.search(text)
    permission = found[1] if found else "VariableView and VariableEdit"
    return PermissionDenied(
        message, hint=f"Give the API key's user {permission} for this project and its environments."
    )


def _redirected(response: httpx.Response) -> InvalidConfig:
    try:
        target = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        target = urlsplit("")
    # Without a user's name and password, a query, and the part that belongs to the request.
    base = f"{target.netloc.rpartition('@')[2]}{target.path.partition('/api')[0]}".rstrip("/")
    base = f"{target.scheme}://{base}" if target.scheme and base else base
    base = "".join(char for char in base if char.isprintable())[:MAX_MESSAGE_LENGTH]
    text = f"redirects to {base or 'another address'}; set instanceUrl to where Octopus itself is"
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
    """Return the seconds that a `Retry-After` header asks for, in either of its forms."""
    header = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _status_name(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
