"""OpenID Connect for service accounts: discovery, token exchange, and the tokens handed out."""

import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Annotated, cast
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.errors import bad_request, no_credentials, not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonResponse

DISCOVERY_PATH = "/.well-known/openid-configuration"
TOKEN_PREFIX = "/token/"  # noqa: S105 # a path, not a token
# Fixed, so that whoever starts a sandbox can configure a connection beforehand. It is no user id:
# Octopus gives service accounts a GUID for this purpose.
SERVICE_ACCOUNT_ID = "5a4db0c5-0000-4000-8000-0000000000a1"

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
SUBJECT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105 # a type, not a token
ISSUED_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 # likewise
MAX_SECONDS = 86_400


class OidcSettings(BaseModel):
    """How the server does OpenID Connect.

    Attributes:
        enabled: False makes it a server from before OpenID Connect: 404 at both paths.
        octopus_errors: Whether refusals have the shape of other Octopus errors, as older servers'
            have, and not that of RFC 6749.
        expires_in_as_text: Whether `expires_in` is a text. Octopus documents a number, and its
            own login action expects a text.
        endpoint_path: Where tokens are exchanged; the discovery document says so.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    enabled: bool = True
    octopus_errors: bool = False
    expires_in_as_text: bool = False
    endpoint_path: Annotated[str, Field(pattern=r"^/token/[a-z0-9]+$")] = "/token/v1"


class SubjectToken(BaseModel):
    """A token of an identity provider that the server accepts.

    Attributes:
        token: The token. It is compared, not verified: its signature and claims are nobody's here.
        expires_in: The seconds for which an access token in exchange for it is valid.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    token: Annotated[str, Field(min_length=1, repr=False)]
    expires_in: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = 3600


class Oidc:
    """What the server knows of tokens.

    Attributes:
        settings: How it does OpenID Connect.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = OidcSettings()
        self._clock = clock
        # By subject token: for how long the access token is valid. By access token: until when.
        self._accepted: dict[str, int] = {}
        self._issued: dict[str, float] = {}

    def accept(self, subject: SubjectToken) -> None:
        """Accept a subject token from now on, any number of times."""
        self._accepted[subject.token] = subject.expires_in

    def forget_subject_tokens(self) -> None:
        """Accept no subject token any more."""
        self._accepted.clear()

    def expire_tokens(self) -> None:
        """Let all access tokens expire now."""
        self._issued.clear()

    def exchange(self, subject_token: str) -> tuple[str, int] | None:
        """Return a new access token and its seconds, or None if the subject is not accepted."""
        expires_in = self._accepted.get(subject_token)
        if expires_in is None:
            return None
        access_token = secrets.token_urlsafe(32)
        self._issued[access_token] = self._clock() + expires_in
        return access_token, expires_in

    def accepts(self, access_token: str) -> bool:
        """Tell whether an access token is one that was issued and has not expired."""
        now = self._clock()
        return self.settings.enabled and any(
            now < until and hmac.compare_digest(access_token.encode(), issued.encode())
            for issued, until in self._issued.items()
        )


def bearer_token(headers: Headers) -> str | None:
    """Return the token of `Authorization: Bearer`, None if there is no such header."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def check_bearer(oidc: Oidc, token: str) -> None:
    """Refuse an access token that is unknown or has expired.

    UNVERIFIED: that the text is the one for requests without credentials.

    Raises:
        OctopusError: 401.
    """
    if not oidc.accepts(token):
        raise no_credentials()


def oidc_routes() -> list[Route]:
    """Return the routes, which need no credentials."""
    return [
        Route(DISCOVERY_PATH, _discover),
        Route(f"{TOKEN_PREFIX}{{version}}", _exchange, methods=["POST"]),
    ]


def oidc_of(request: Request) -> Oidc:
    """Return what the server knows of tokens."""
    return cast("Oidc", request.state.oidc)


async def _discover(request: Request) -> JsonResponse:
    """`GET /.well-known/openid-configuration`: what the exchange of tokens needs of it."""
    settings = oidc_of(request).settings
    if not settings.enabled:
        raise not_found(request.url.path)
    issuer = str(request.base_url).rstrip("/")
    return JsonResponse({"issuer": issuer, "token_endpoint": issuer + settings.endpoint_path})


async def _exchange(request: Request) -> JsonResponse:
    """`POST` to the token endpoint, in JSON or as a form (RFC 8693)."""
    oidc = oidc_of(request)
    settings = oidc.settings
    if not settings.enabled or request.url.path != settings.endpoint_path:
        raise not_found(request.url.path)
    problem, issued = "", None
    fields = await _fields(request)
    if fields is None:
        problem = "The request body could not be read."
    elif fields.get("grant_type") != GRANT_TYPE:
        problem = f"grant_type must be {GRANT_TYPE}."
    elif fields.get("subject_token_type") != SUBJECT_TOKEN_TYPE:
        problem = f"subject_token_type must be {SUBJECT_TOKEN_TYPE}."
    elif fields.get("audience") != SERVICE_ACCOUNT_ID:
        problem = "The audience is not the id of a service account."
    else:
        issued = oidc.exchange(str(fields.get("subject_token", "")))
        problem = "The subject token is not valid for this service account."
    if issued is None:
        return _refuse(problem, settings)
    access_token, expires_in = issued
    return JsonResponse(
        {
            "access_token": access_token,
            "issued_token_type": ISSUED_TOKEN_TYPE,
            "token_type": "Bearer",
            "expires_in": str(expires_in) if settings.expires_in_as_text else expires_in,
        }
    )


async def _fields(request: Request) -> dict[str, object] | None:
    """Return the fields of the body, None if it is neither a JSON object nor a form."""
    raw = await request.body()
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(raw.decode(), keep_blank_values=True))
        body = json.loads(raw) if kind == "application/json" else None
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _refuse(description: str, settings: OidcSettings) -> JsonResponse:
    """Return the 400. UNVERIFIED: the texts; the documented `error` is always the same."""
    if settings.octopus_errors:
        raise bad_request(description)
    body = {"error": "invalid_request", "error_description": description}
    return JsonResponse(body, status_code=400)
