"""What every request passes: the log, the rate limit, the faults, the key, the error answers."""

import asyncio
import sys
import time
import traceback

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secretsync_octopus_deploy.sandbox.connections import cut_connection
from secretsync_octopus_deploy.sandbox.effects import (
    Effects,
    HeldAnswer,
    effects_of,
    error_response,
)
from secretsync_octopus_deploy.sandbox.errors import OctopusError, bad_key
from secretsync_octopus_deploy.sandbox.faults import FaultQueue
from secretsync_octopus_deploy.sandbox.keys import KEY_HEADER, Access, ApiKeys
from secretsync_octopus_deploy.sandbox.oidc import (
    DISCOVERY_PATH,
    TOKEN_PREFIX,
    Oidc,
    bearer_token,
    check_bearer,
)
from secretsync_octopus_deploy.sandbox.rate_limit import Charge, RateLimiter, too_many_requests
from secretsync_octopus_deploy.sandbox.request_log import RequestLog

CONTROL_PREFIX = "/sandbox/"
ANONYMOUS_PATHS = frozenset({"/api", "/api/", DISCOVERY_PATH})


class Gate:
    """Wraps the routes as ASGI middleware."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, faults: FaultQueue, log: RequestLog) -> None:
        self._app = app
        self._keys = keys
        self._faults = faults
        self._log = log
        self._oidc = Oidc()
        self._limiter = RateLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {}).update(
            effects=Effects(), oidc=self._oidc, limiter=self._limiter
        )
        if scope["path"].startswith(CONTROL_PREFIX):
            await self._handle(scope, receive, send, full_access_only=True)
            return
        entry, charge = self._log.open(scope), self._charge(scope)

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                for name, value in (charge.headers if charge else {}).items():
                    MutableHeaders(scope=message).setdefault(name, value)
            elif not message.get("more_body"):
                entry.answered = time.time()
            await send(message)

        if charge is not None and charge.is_refused:
            await error_response(too_many_requests())(scope, receive, send_and_log)
        else:
            await self._pass_on(scope, receive, send_and_log)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the faults befall a request, and handle it as far as they let it be handled."""
        effects = effects_of(self._faults.take(scope["method"], scope["path"]))
        scope["state"]["effects"] = effects
        await asyncio.sleep(effects.delay_before)
        if effects.cut_before:
            await cut_connection(scope, receive)
        elif effects.answer is not None:
            await effects.answer(scope, receive, send)
        elif effects.changes_answer:
            held = HeldAnswer()
            await self._handle(scope, receive, held.send)
            await held.release(effects, scope, receive, send)
        else:
            await self._handle(scope, receive, send)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, *, full_access_only: bool = False
    ) -> None:
        """Check the key and let the routes answer; turn errors into answers."""
        try:
            if not _is_anonymous(scope["path"]):
                scope["state"]["access"] = self._access_of(scope, full_access_only=full_access_only)
            await self._app(scope, receive, send)
        except OctopusError as error:
            await error_response(error)(scope, receive, send)
        except ClientDisconnect:
            # The caller left in the middle of its body: nobody waits for an answer.
            return
        except Exception as error:  # noqa: BLE001 # a server answers 500 whatever went wrong
            _report(error)
            answer = error_response(OctopusError(500, "The sandbox failed. See its output."))
            await answer(scope, receive, send)

    def _charge(self, scope: Scope) -> Charge | None:
        """Count a request against the rate limit; None if it is not limited."""
        try:
            self._access_of(scope, full_access_only=False)
        except OctopusError:
            return None
        return self._limiter.charge()

    def _access_of(self, scope: Scope, *, full_access_only: bool) -> Access:
        """Return what the request's key or access token allows.

        Raises:
            OctopusError: 401 if both are missing, or the one that counts is unknown, expired or
                does not allow enough.
        """
        headers = Headers(scope=scope)
        token = bearer_token(headers)
        if token is not None and not headers.get(KEY_HEADER) and not full_access_only:
            check_bearer(self._oidc, token)
            return "full"
        access = self._keys.access_of(headers)
        if full_access_only and access != "full":
            raise bad_key()
        return access


def _is_anonymous(path: str) -> bool:
    """Tell whether a path needs no credentials."""
    return path in ANONYMOUS_PATHS or path.startswith(TOKEN_PREFIX)


def _report(error: Exception) -> None:
    """Write where and how the sandbox failed to stderr, without the error's text.

    The text may quote a body, and a body may hold secrets.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    sys.stderr.write(f"{type(error).__name__}\n{frames}")
