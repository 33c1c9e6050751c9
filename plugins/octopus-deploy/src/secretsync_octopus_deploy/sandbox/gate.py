"""What every request passes on its way in: the log, the faults, the key, and the error answers."""

import asyncio
import sys
import traceback

from starlette.datastructures import Headers
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
from secretsync_octopus_deploy.sandbox.keys import Access, ApiKeys
from secretsync_octopus_deploy.sandbox.request_log import RequestLog

CONTROL_PREFIX = "/sandbox/"
ANONYMOUS_PATHS = frozenset({"/api", "/api/"})


class Gate:
    """Wraps the routes as ASGI middleware."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, faults: FaultQueue, log: RequestLog) -> None:
        self._app = app
        self._keys = keys
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["effects"] = Effects()
        if scope["path"].startswith(CONTROL_PREFIX):
            await self._handle(scope, receive, send, full_access_only=True)
            return
        entry = self._log.open(scope)

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        effects = effects_of(self._faults.take(scope["method"], scope["path"]))
        scope["state"]["effects"] = effects
        await asyncio.sleep(effects.delay_before)
        if effects.cut_before:
            await cut_connection(scope, receive)
        elif effects.answer is not None:
            await effects.answer(scope, receive, send_and_log)
        elif effects.changes_answer:
            held = HeldAnswer()
            await self._handle(scope, receive, held.send)
            await held.release(effects, scope, receive, send_and_log)
        else:
            await self._handle(scope, receive, send_and_log)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, *, full_access_only: bool = False
    ) -> None:
        """Check the key and let the routes answer; turn errors into answers."""
        try:
            if scope["path"] not in ANONYMOUS_PATHS:
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

    def _access_of(self, scope: Scope, *, full_access_only: bool) -> Access:
        """Return what the request's key allows.

        Raises:
            OctopusError: 401 if the key is missing, unknown, expired or does not allow enough.
        """
        access = self._keys.access_of(Headers(scope=scope))
        if full_access_only and access != "full":
            raise bad_key()
        return access


def _report(error: Exception) -> None:
    """Write where and how the sandbox failed to stderr, without the error's text.

    The text may quote a body, and a body may hold secrets.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    sys.stderr.write(f"{type(error).__name__}\n{frames}")
