"""Makes sure that what is about to be exchanged is an identity token that has not expired."""

import base64
import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from secretsync.adapter import AuthenticationFailed, InvalidConfig, SecretValue
from secretsync_octopus_deploy.credentials import OidcCredentials
from secretsync_octopus_deploy.token_source import identity_token_text

LEEWAY = timedelta(minutes=5)
"""How far the clocks of this machine and the issuer may be apart; within it, Octopus decides."""

_JWT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)


async def identity_token(credentials: OidcCredentials, now: datetime) -> SecretValue:
    """Return the token that the credentials lead to: a signed JSON Web Token (RFC 7519).

    Its signature is Octopus's to check.

    Args:
        credentials: say where it is.
        now: the present time.

    Raises:
        AuthenticationFailed: it has expired.
        InvalidConfig: it is not allowed to be read, cannot be read, or is no such token.
        Unavailable: the program that is to print it fails.
    """
    field = "tokenCommand" if credentials.token_file is None else "tokenFile"
    token = await identity_token_text(credentials)
    claims = _claims_of(token.reveal())
    if claims is None:
        complaint = "gives no signed JSON Web Token: three parts in Base64url with dots between"
        raise InvalidConfig(f"{field} {complaint}.", violations={field: complaint})
    expiry = _expiry_of(claims)
    if expiry is not None and expiry < now - LEEWAY:
        raise AuthenticationFailed(
            f"The token of {field} expired at {expiry:%Y-%m-%dT%H:%M:%SZ}.",
            hint="See to it that whatever issues the token renews it before it expires.",
        )
    return token


def _claims_of(token: str) -> dict[str, Any] | None:
    """Return what a token says, None if it is no signed token."""
    found = _JWT.fullmatch(token)
    if not found:
        return None
    header, claims = (_object_of(part) for part in found.groups())
    return None if header is None else claims


def _object_of(part: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _expiry_of(claims: dict[str, Any]) -> datetime | None:
    """Return the `exp` claim (RFC 7519, section 4.1.4), None if there is none to go by."""
    seconds = claims.get("exp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else None
    except (OverflowError, ValueError, OSError):
        return None
