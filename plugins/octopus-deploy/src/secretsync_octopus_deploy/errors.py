"""Turns Octopus's answers other than success into the errors that adapters raise."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
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
    retry_after,
)
from secretsync_octopus_deploy.texts import WITHHELD, printable, repeats

MAX_MESSAGE_LENGTH = 1000
"""Characters of Octopus's own words that are shown at most."""
MAX_PAUSE = 3600.0
"""Seconds that a server may ask for at most: a day's pause would be taken for a stuck sync."""

_MAX_CLASSIFIED_LENGTH = 20_000
_MAX_LINKS = 3
_MAX_DETAIL_DEPTH = 4

_STALE = re.compile(
    r"another user has made changes to the variables"
    r"|available environment scopes changed while you were editing"
    r"|submitted data was out of date",
    re.IGNORECASE,
)
_DENIED = re.compile(r"do not have permission|Missing permission:", re.IGNORECASE)
_PERMISSION = re.compile(r"Missing permission:\s*([A-Za-z]{1,60})", re.IGNORECASE)
_REFUSED_KEY = re.compile(
    r"API key you provided was not valid"
    r"|must be logged in to perform this action"
    r"|(?:API key|access token)\b[^.]{0,60}\bexpired",
    re.IGNORECASE,
)
_MAX_BODY = 1024 * 1024
_SAYS_NOTHING = re.compile(
    r"^\W*(?:an )?unknown error(?: (?:has )?occurred)?(?:\W*$|\s*[:.!-]+\s*)", re.IGNORECASE
)
_UNKNOWN = re.compile(r"\bunknown (?=error\b)", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s<>\"']{3,200}")
_RESET = re.compile(r"(?:^|;)\s*t=(\d{1,9})\s*(?:;|$)")

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


def error_from(
    response: httpx.Response, *, now: datetime, secrets: Sequence[SecretValue] = ()
) -> AdapterError:
    """Return the adapter error for an answer whose status is not 2xx.

    The texts are those that the Octopus REST API documents, or that its users have reported. A text
    that leaves no doubt counts more than the status, which differs between versions.

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
    message = f"Octopus answered {_status_name(status)}: {text or _silence(response)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        pause = _retry_after(response, now)
        return RateLimited(message, retry_after=_reset(response) if pause is None else pause)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # Whatever it says: in maintenance it may speak of permissions, and yet it will pass.
        return _unavailable(response, message, now)
    return _told_by_text(message, said, text) or _told_by_status(response, message, text, now)


def _told_by_text(message: str, said: str, text: str) -> AdapterError | None:
    """Return the error that the text alone decides about, None if it does not."""
    if _STALE.search(said):
        return _conflict(message)
    if _DENIED.search(said):
        return _denied(message, text)
    if _REFUSED_KEY.search(said):
        return _refused_key(message)
    return None


def _told_by_status(
    response: httpx.Response, message: str, text: str, now: datetime
) -> AdapterError:
    status = response.status_code
    if status == HTTPStatus.CONFLICT:
        return _conflict(message)
    if status == HTTPStatus.UNAUTHORIZED:
        return _refused_key(message)
    if status == HTTPStatus.FORBIDDEN:
        return _denied(message, text)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return _unavailable(response, message, now)
    return InvalidConfig(message)


def _said(response: httpx.Response) -> str:
    """Return all that an answer says of its failure, as it came; may be empty.

    Never `FullException`: it is a trace of the server's code and may hold anything.
    """
    if len(response.content) > _MAX_BODY:
        return ""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return " ".join(texts_of(body))[:_MAX_CLASSIFIED_LENGTH] if isinstance(body, str) else ""
    fields = ("ErrorMessage", "Errors", "HelpText", "Details")
    texts = [text for field in fields for text in texts_of(body.get(field))]
    said = " ".join(dict.fromkeys(texts))
    links = _LINK.findall(
        " ".join([*texts_of(body.get("HelpLink")), *texts_of(body.get("ParsedHelpLinks"))])
    )
    new = [link for link in dict.fromkeys(links) if link not in said]
    if new:
        said = f"{said} See {' '.join(new[:_MAX_LINKS])}".lstrip()
    return said[:_MAX_CLASSIFIED_LENGTH]


def texts_of(value: object, depth: int = 0) -> list[str]:
    """Return the texts in a field, which is one, or a list or an object of them."""
    if isinstance(value, str):
        text = _UNKNOWN.sub("", _SAYS_NOTHING.sub("", value)).strip()
        return [text] if text else []
    if depth == _MAX_DETAIL_DEPTH:
        return []
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(items, Iterable):
        return []
    return [text for item in items for text in texts_of(item, depth + 1)]


def _silence(response: httpx.Response) -> str:
    """Return what to say of an answer that explains nothing."""
    if response.content[:200].lstrip().startswith(b"<"):
        return "the answer is a web page, perhaps of a proxy in between"
    return "no explanation was given"


def _shown(said: str, secrets: Sequence[SecretValue]) -> str:
    """Return what may be shown of that, in one line of bounded length.

    A text that repeats a value is not shown at all, but for sentences of Octopus's own that are
    part of it: a hole in it would show where the value was, and which short value made it.
    """
    text = " ".join(said.split())
    # Cut first: what is not shown need not be compared.
    start = text[:MAX_MESSAGE_LENGTH]
    if not repeats(start, secrets):
        return printable(start) + ("..." if len(text) > len(start) else "")
    lowered = text.casefold()
    known = next((phrase for phrase in _PHRASES if phrase.casefold() in lowered), "")
    permission = _PERMISSION.search(text)
    if permission and not repeats(permission[1], secrets):
        known = f"{known} Missing permission: {permission[1]}".strip()
    return known or WITHHELD


def _conflict(message: str) -> Conflict:
    return Conflict(message, hint="Somebody else edits the same variables; try again.")


def _refused_key(message: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        message, hint="Check the connection's apiKey: it may be wrong, expired or revoked."
    )


def _denied(message: str, text: str) -> PermissionDenied:
    found = _PERMISSION.search(text)
    permission = found[1] if found else "VariableView and VariableEdit"
    return PermissionDenied(
        message,
        hint=f"Give the connection's user {permission} for this project and its environments.",
    )


def _redirected(response: httpx.Response, secrets: Sequence[SecretValue]) -> InvalidConfig:
    """Return the error for a redirect; of where it leads, only scheme, host and port are told."""
    origin = sent = ""
    try:
        target = urlsplit(response.headers.get("Location", ""))
        port = f":{target.port}" if target.port else ""
    except ValueError:
        pass
    else:
        sent = target.netloc
        host = target.hostname or ""
        host = f"[{host}]" if ":" in host else host
        origin = f"{target.scheme}://{host}{port}" if target.scheme and host else ""
    # As it was sent too: the host is in small letters by now, which hides a value from comparison.
    if len(origin) > MAX_MESSAGE_LENGTH or repeats(f"{origin} {sent}", secrets):
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
    seconds = retry_after(response.headers, now)
    return None if seconds is None else min(seconds, MAX_PAUSE)


def _reset(response: httpx.Response) -> float | None:
    """Return the seconds until the limit that an answer tells of is lifted, if it tells of one."""
    found = _RESET.search(response.headers.get("Octopus-RateLimit", ""))
    return min(float(found[1]), MAX_PAUSE) if found else None


def _status_name(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)
