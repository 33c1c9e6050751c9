"""Authenticates the requests of a client: with its API key, or with a token of its own."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from secretsync.adapter import (
    AdapterRequest,
    AuthenticationFailed,
    SecretValue,
    ValidateRequest,
)
from secretsync_octopus_deploy.credentials import ApiKeyCredentials, OidcCredentials
from secretsync_octopus_deploy.oidc import AccessToken, exchange


class Authentication(Protocol):
    """What proves to Octopus who is calling."""

    async def headers(self) -> dict[str, str]:
        """Return the headers for the next request."""
        ...

    def secrets(self) -> Sequence[SecretValue]:
        """Return what no message may repeat."""
        ...

    def renews(self) -> bool:
        """Tell whether a request that Octopus did not accept it for is worth trying once more.

        If so, the next headers are new ones.
        """
        ...

    def explained(self, failure: AuthenticationFailed) -> AuthenticationFailed:
        """Return the error for a request that Octopus did not accept it for, with what to do."""
        ...


def authentication_of(request: AdapterRequest) -> Authentication:
    """Return the way to authenticate that the request's credentials are for."""
    if isinstance(request.credentials, OidcCredentials):
        return _BearerAuthentication(request, request.credentials)
    return _ApiKeyAuthentication(request.credentials)


class _ApiKeyAuthentication:
    def __init__(self, credentials: ApiKeyCredentials) -> None:
        self._key = credentials.api_key

    async def headers(self) -> dict[str, str]:
        return {"X-Octopus-ApiKey": self._key.reveal()}

    def secrets(self) -> Sequence[SecretValue]:
        return [self._key]

    def renews(self) -> bool:
        return False

    def explained(self, failure: AuthenticationFailed) -> AuthenticationFailed:
        return failure


class _BearerAuthentication:
    def __init__(self, request: AdapterRequest, credentials: OidcCredentials) -> None:
        self._request = request
        self._credentials = credentials
        self._current: AccessToken | None = None
        self._used: list[AccessToken] = []
        # A proof of credentials must not rest on what an earlier exchange has proved.
        is_proof = isinstance(request, ValidateRequest)
        self._unwanted = _shared_token(credentials).token if is_proof else None

    async def headers(self) -> dict[str, str]:
        shared = _shared_token(self._credentials)
        self._current = await shared.get(self._request, self._credentials, self._unwanted)
        if self._current not in self._used:
            self._used.append(self._current)
        return {"Authorization": f"Bearer {self._current.value.reveal()}"}

    def secrets(self) -> Sequence[SecretValue]:
        # Those before the present one, too: a server may repeat what it was sent earlier.
        return [secret for token in self._used for secret in (token.value, token.identity)]

    def renews(self) -> bool:
        self._unwanted = self._current
        return True

    def explained(self, failure: AuthenticationFailed) -> AuthenticationFailed:
        return AuthenticationFailed(
            failure.message,
            hint="Octopus does not accept the access token that it has just issued: check that the"
            " service account is active.",
        )


class _SharedToken:
    """The access token of all connections with equal credentials; in memory only."""

    def __init__(self) -> None:
        self.token: AccessToken | None = None
        self.lock = asyncio.Lock()

    async def get(
        self,
        request: AdapterRequest,
        credentials: OidcCredentials,
        unwanted: AccessToken | None,
    ) -> AccessToken:
        """Return a token that is valid for a while; whoever comes first exchanges it for all.

        Args:
            request: of whoever needs it.
            credentials: what to exchange.
            unwanted: a token that is no use to that one.
        """
        async with self.lock:
            token = self.token
            if token is None or token is unwanted or _is_old(token, request.clock()):
                self.token = None
                _forget_old_tokens(request.clock())
                token = self.token = await exchange(request, credentials)
            return token


# By event loop, because that is what a lock belongs to.
_tokens: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[OidcCredentials, _SharedToken]] = (
    WeakKeyDictionary()
)


def _shared_token(credentials: OidcCredentials) -> _SharedToken:
    shared = _tokens.setdefault(asyncio.get_running_loop(), {})
    return shared.setdefault(credentials, _SharedToken())


def _forget_old_tokens(now: datetime) -> None:
    """Let go of tokens that nobody renews, because their connections are deleted or changed."""
    shared = _tokens.get(asyncio.get_running_loop(), {})
    for credentials, one in list(shared.items()):
        if not one.lock.locked() and (one.token is None or _is_old(one.token, now)):
            del shared[credentials]


def _is_old(token: AccessToken, now: datetime) -> bool:
    return now >= token.renewed_from
