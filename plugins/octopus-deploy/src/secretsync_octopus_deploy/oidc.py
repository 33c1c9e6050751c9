"""Exchanges an identity token for an access token, as Octopus's discovery document says.

Source: Octopus documentation, "Using OpenID Connect in Octopus with other issuers"; the action
`OctopusDeploy/login`; RFC 8693 (OAuth 2.0 Token Exchange); OpenID Connect Discovery 1.0.
"""

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from secretsync.adapter import (
    AdapterError,
    AdapterRequest,
    AuthenticationFailed,
    InvalidConfig,
    SecretValue,
    Unavailable,
    Unsupported,
)
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.credentials import OidcCredentials
from secretsync_octopus_deploy.errors import error_from, texts_of
from secretsync_octopus_deploy.http_calls import call
from secretsync_octopus_deploy.identity_token import identity_token
from secretsync_octopus_deploy.texts import WITHHELD, printable, repeats

DISCOVERY_PATH = "/.well-known/openid-configuration"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
SUBJECT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105  a type, no token

RENEWED_AT = 0.8
"""The part of its life after which an access token is replaced, so that none expires on its way."""
DEFAULT_LIFE = 300.0
"""Seconds, if the server does not say how long an access token is valid."""
MAX_LIFE = 86_400.0
MAX_MESSAGE_LENGTH = 1000
MAX_ENDPOINT_LENGTH = 500

_ACCESS_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """What Octopus gave in exchange.

    Attributes:
        value: goes into the header `Authorization`.
        identity: the token that it was exchanged for; kept so that no message repeats that one.
        renewed_from: when it is time for another one.
    """

    value: SecretValue
    identity: SecretValue
    renewed_from: datetime


async def exchange(request: AdapterRequest, credentials: OidcCredentials) -> AccessToken:
    """Return a new access token: two requests, for the discovery document and for the token.

    Never raises an error that a caller could take for one about variables or projects.

    Args:
        request: gives the HTTP client and the clock.
        credentials: of the connection.

    Raises:
        AuthenticationFailed: the identity token has expired, or Octopus refuses it.
        InvalidConfig: the identity token cannot be had, or the instance URL is not the server's.
        RateLimited: the server asks to be called less often.
        Unavailable: the server, or the program that prints the token, fails.
        Unsupported: the server does not offer OpenID Connect.
    """
    identity = await identity_token(credentials, request.clock())
    endpoint = await _token_endpoint(request, credentials.instance_url, identity)
    begun = request.clock()
    body = {
        "grant_type": GRANT_TYPE,
        "audience": credentials.service_account_id,
        "subject_token_type": SUBJECT_TOKEN_TYPE,
        "subject_token": identity.reveal(),
    }
    response = await call(request, "POST", endpoint, headers={}, body=json.dumps(body))
    if not response.is_success:
        raise _refused(response, request, credentials, identity)
    answer = _object_of(response, "POST to the token endpoint")
    value, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not isinstance(value, str) or not _ACCESS_TOKEN.fullmatch(value):
        raise _unusable("POST to the token endpoint", "it has no access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _unusable("POST to the token endpoint", "its token_type is not Bearer")
    life = timedelta(seconds=_life_of(answer.get("expires_in")) * RENEWED_AT)
    return AccessToken(SecretValue(value), identity, begun + life)


async def _token_endpoint(request: AdapterRequest, base: str, identity: SecretValue) -> str:
    """Return where tokens are exchanged, as the server's discovery document says."""
    response = await call(request, "GET", f"{base}{DISCOVERY_PATH}", headers={})
    if response.status_code in _MISSING:
        raise _not_offered(base, f"there is nothing at {DISCOVERY_PATH}")
    if not response.is_success:
        failure = error_from(response, now=request.clock(), secrets=[identity])
        if response.is_client_error and response.status_code not in _PASSING:
            hint = f"{DISCOVERY_PATH} must be readable without credentials."
            failure = AuthenticationFailed(failure.message, hint=hint)
        raise failure
    named = _object_of(response, f"GET {DISCOVERY_PATH}").get("token_endpoint")
    if not isinstance(named, str):
        raise _not_offered(base, f"{DISCOVERY_PATH} names no token_endpoint")
    return _checked_endpoint(named, base)


def _checked_endpoint(named: str, base: str) -> str:
    """Return the token endpoint if it is at the server itself.

    Octopus names it by the address that it takes for its own (its `Server Uri`). The identity token
    must not go to a host, or over a connection, that the connection's instance URL does not name.
    """
    server = urlsplit(base)
    parts = _plain_parts(named)
    if _origin_of(parts) != _origin_of(server):
        where = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "no address of a server"
        text = (
            f"is not the address that Octopus takes for its own: its token endpoint is at {where}."
            " Use that address, or correct the Server Uri of the node in Octopus"
        )
        raise InvalidConfig(
            f"The instance URL {text}. No token was sent.", violations={"instanceUrl": text}
        )
    query = f"?{parts.query}" if parts.query else ""
    return f"{server.scheme}://{server.netloc}{parts.path}{query}"


def _plain_parts(address: str) -> SplitResult:
    failure = _unusable(f"GET {DISCOVERY_PATH}", "its token_endpoint is no plain address")
    is_plain = address.isascii() and address.isprintable() and " " not in address
    try:
        parts = urlsplit(address)
        is_plain = is_plain and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or len(address) > MAX_ENDPOINT_LENGTH or "@" in parts.netloc or parts.fragment:
        raise failure
    return parts


def _origin_of(parts: SplitResult) -> tuple[str, str, int | None]:
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _not_offered(base: str, why: str) -> Unsupported:
    return Unsupported(
        f"The Octopus server at {base} does not offer OpenID Connect for its API: {why}.",
        hint="Use the method api-key, or a newer version of Octopus.",
    )


def _refused(
    response: httpx.Response,
    request: AdapterRequest,
    credentials: OidcCredentials,
    identity: SecretValue,
) -> AdapterError:
    """Return the error for a token endpoint that gave no token."""
    status = response.status_code
    if not response.is_client_error or status in _PASSING:
        return error_from(response, now=request.clock(), secrets=[identity])
    if status in _MISSING:
        return _not_offered(credentials.instance_url, "there is no token endpoint")
    said = _said(response)
    text = WITHHELD if repeats(said, [identity]) else printable(said)
    return AuthenticationFailed(
        f"Octopus refused to exchange the token ({status}): {text or 'it does not say why'}",
        hint="Check the serviceAccountId, and that issuer, subject and audience of the token are"
        " those of an OIDC identity of that service account.",
    )


def _said(response: httpx.Response) -> str:
    """Return what a refusal says, in the form of RFC 6749 (section 5.2) or that of Octopus."""
    try:
        body = json_text.load(response.content.decode())
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("Errors")
    texts = [
        body.get("error"),
        body.get("error_description"),
        body.get("ErrorMessage"),
        *(errors if isinstance(errors, list) else []),
    ]
    told = dict.fromkeys(text for one in texts if isinstance(one, str) for text in texts_of(one))
    return " ".join(" ".join(told).split())[:MAX_MESSAGE_LENGTH]


def _object_of(response: httpx.Response, what: str) -> dict[str, Any]:
    try:
        body = json_text.load(response.content.decode("utf-8-sig"))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _unusable(what, "it is no JSON object")
    return body


def _unusable(what: str, why: str) -> Unavailable:
    return Unavailable(f"Octopus's answer to {what} cannot be used: {why}.")


def _life_of(expires_in: object) -> float:
    """Return for how many seconds a token is valid; the login action expects them as a text."""
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return DEFAULT_LIFE
    return min(max(seconds, 0.0), MAX_LIFE) if math.isfinite(seconds) else DEFAULT_LIFE
