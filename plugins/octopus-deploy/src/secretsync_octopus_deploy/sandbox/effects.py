"""Turns the faults that befall a request into what is done before, instead of and after it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from secretsync_octopus_deploy.sandbox import errors, faults
from secretsync_octopus_deploy.sandbox.connections import cut_connection
from secretsync_octopus_deploy.sandbox.errors import OctopusError
from secretsync_octopus_deploy.sandbox.jsonio import JsonResponse
from secretsync_octopus_deploy.sandbox.rate_limit import (
    LIMIT_HEADER,
    POLICY_HEADER,
    too_many_requests,
)

HTML_PAGE = "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"


@dataclass
class Effects:
    """What befalls one request.

    Attributes:
        delay_before: Seconds to wait before it is handled.
        cut_before: Whether its connection is cut instead of handling it.
        answer: What it is answered with instead of handling it.
        foreign_edits: Names and values that somebody else sets just before its PUT.
        hidden_names: Variables that its caller cannot see.
        hidden_spaces: Ids of spaces that its caller cannot see.
        delay_after: Seconds to wait before its answer is sent.
        cut_after: Whether its connection is cut instead of answering it.
        body_fault: What happens to the body of its answer.
    """

    delay_before: float = 0
    cut_before: bool = False
    answer: Response | None = None
    foreign_edits: list[tuple[str, str]] = field(default_factory=list)
    hidden_names: set[str] = field(default_factory=set)
    hidden_spaces: set[str] = field(default_factory=set)
    delay_after: float = 0
    cut_after: bool = False
    body_fault: faults.SlowBodyFault | faults.TruncatedJsonFault | faults.EmptyBodyFault | None = (
        None
    )

    @property
    def changes_answer(self) -> bool:
        """Whether the answer must be held back and changed."""
        return bool(self.delay_after or self.cut_after or self.body_fault)


def effects_of(taken: Sequence[faults.Fault]) -> Effects:
    """Return what `taken` does to a request, all together."""
    effects = Effects()
    for fault in taken:
        match fault:
            case faults.DelayFault(after=True):
                effects.delay_after += fault.seconds
            case faults.DelayFault():
                effects.delay_before += fault.seconds
            case faults.CutConnectionFault(after=True):
                effects.cut_after = True
            case faults.CutConnectionFault():
                effects.cut_before = True
            case faults.ConcurrentEditFault():
                effects.foreign_edits.append((fault.name, fault.value))
            case faults.HideRowsFault():
                effects.hidden_names.update(fault.names)
            case faults.HideSpacesFault():
                effects.hidden_spaces.update(fault.ids)
            case faults.SlowBodyFault() | faults.TruncatedJsonFault() | faults.EmptyBodyFault():
                effects.body_fault = fault
            case _:
                effects.answer = _answer(fault)
    return effects


def error_response(error: OctopusError) -> JsonResponse:
    """Return the answer that carries `error`."""
    return JsonResponse(error.body(), status_code=error.status)


def _answer(fault: faults.AnswerFault) -> Response:
    """Return what `fault` answers in the server's place."""
    match fault:
        case faults.StatusFault():
            return _status_answer(fault)
        case faults.RateLimitFault():
            return _rate_limit_answer(fault)
        case faults.RedirectFault():
            return Response(status_code=fault.status, headers={"Location": fault.location})
        case faults.VersionConflictFault():
            error = errors.version_conflict(
                fault.wording, in_errors=fault.in_errors, status=fault.status
            )
        case faults.ReadOnlyFault():
            error = errors.missing_permission(fault.permission, status=fault.status)
        case faults.ExpiredKeyFault():
            error = errors.bad_key()
    return error_response(error)


def _status_answer(fault: faults.StatusFault) -> Response:
    """Return the answer of a `status` fault."""
    match fault.body:
        case "octopus":
            answer: Response = error_response(OctopusError(fault.status, fault.message))
        case "html":
            answer = HTMLResponse(HTML_PAGE.format(status=fault.status), fault.status)
        case "empty":
            answer = Response(status_code=fault.status)
        case "given":
            answer = Response(fault.text, fault.status, media_type="application/json")
    answer.headers.update(fault.headers)
    return answer


def _rate_limit_answer(fault: faults.RateLimitFault) -> Response:
    """Return the answer of a `rate_limit` fault."""
    answer = error_response(too_many_requests())
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    if fault.with_headers:
        answer.headers[POLICY_HEADER] = fault.policy
        answer.headers[LIMIT_HEADER] = fault.limit
    return answer


@dataclass
class HeldAnswer:
    """An answer that is kept back until it is complete."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        """Take in one ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        else:
            self.body += message.get("body", b"")

    async def release(self, effects: Effects, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as `effects` will have it."""
        await asyncio.sleep(effects.delay_after)
        if effects.cut_after:
            await cut_connection(scope, receive)
            return
        pieces, pause = [self.body], 0.0
        match effects.body_fault:
            case faults.EmptyBodyFault():
                pieces = [b""]
            case faults.TruncatedJsonFault():
                pieces = [self.body[: len(self.body) // 2]]
            case faults.SlowBodyFault(pieces=count, seconds=seconds):
                size = max(1, -(-len(self.body) // count))
                pieces = [self.body[at : at + size] for at in range(0, len(self.body), size)]
                pause = seconds / count
        length = str(sum(map(len, pieces))).encode()
        headers = [(key, value) for key, value in self.headers if key != b"content-length"]
        headers.append((b"content-length", length))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for piece in pieces:
            await asyncio.sleep(pause)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
