"""The network between secretsync and a sandbox in the same process; it can go wrong."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from secretsync_octopus_deploy.sandbox.app import create_app
from secretsync_octopus_deploy.sandbox.faults import FaultRule
from secretsync_octopus_deploy.sandbox.keys import ApiKeys

if TYPE_CHECKING:
    from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

Json = dict[str, Any]
Nth = tuple[str, int]
"""A request of a run: its method, and how many of that method came before it."""

API_KEY = "API-HUSHHUSHHUSH"
LOSING = frozenset({"cut-before", "crash-before", "late", "swallow"})
"""Kinds of faults after which a write has not taken place, although nobody refused it."""


@dataclass
class Fault:
    """What befalls one request.

    Attributes:
        kind: `answer` lets the sandbox answer in its place; `cut-before`, `cut-after` and
            `bad-gateway` lose the answer, the first before the server sees the request;
            `crash-before`, `crash-after` end secretsync's process while it waits for the answer,
            and `late` too, with the request arriving after a later GET; `swallow` answers as if
            the request had been carried out; `edit-before` and `edit-after` call `edit`.
        rule: the sandbox's fault, for `answer`.
        edit: what somebody else does, for `edit-before` and `edit-after`.
    """

    kind: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    edit: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Put:
    """A write that the sandbox has accepted: whose it was, and the rows before and after it."""

    sender: Any
    before: list[Json]
    after: list[Json]
    is_late: bool


class Wire(httpx.AsyncBaseTransport):
    """The network between secretsync and the sandbox.

    Attributes:
        script: what befalls which request of the present run; entries go when they are used.
        sender: what the accepted writes of the present run are noted under.
        used: kinds of faults that befell a request of the present run, in order.
        methods: of the requests of the present run, in order.
        lost: of each write that did not take place although nobody refused it: the version that it
            was based on, and name and scope of each row that it was to create.
        put_ok: whether the last PUT was carried out, and secretsync was told so.
        wrong: what must never be sent and was.
        died: set when secretsync's process is to end.
        seen: the rows that the last GET showed.
        seen_version: the version of the set that it showed.
    """

    def __init__(self) -> None:
        self.app = create_app(ApiKeys(API_KEY))
        self._inner = httpx.ASGITransport(self.app)
        self.on_put: Callable[[Put], None] = lambda _put: None
        self.variable_set: VariableSet
        self.wrong: list[str] = []
        self.late: tuple[httpx.Request, Any] | None = None
        self.accepted = 0
        self.begin(None, {})

    def begin(self, sender: object, script: Mapping[Nth, Fault]) -> None:
        """Begin with the requests of another run."""
        self.sender = sender
        self.script = dict(script)
        self.used: list[str] = []
        self.methods: list[str] = []
        self.seen: list[Json] = []
        self.seen_version = 0
        self.lost: list[tuple[int, list[Json]]] = []
        self.put_ok = False
        self._counts: Counter[str] = Counter()
        self.died = asyncio.Event()
        self.app.state.faults.clear()

    def rows(self) -> list[Json]:
        """Return the rows of the set in use with their stored values."""
        return [row.revealed() for row in self.variable_set.rows]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, or let it go wrong."""
        method = request.method
        await request.aread()
        fault = self.script.pop((method, self._counts[method]), None)
        self._counts[method] += 1
        self.methods.append(method)
        if method == "PUT":
            self._check(json.loads(request.content))
        if fault is None:
            return await self._passed(request)
        self.used.append(fault.kind)
        return await self._faulty(request, fault)

    async def _faulty(self, request: httpx.Request, fault: Fault) -> httpx.Response:
        if fault.kind in LOSING or fault.rule.get("status", 0) >= httpx.codes.INTERNAL_SERVER_ERROR:
            self._lose(request)
        match fault.kind:
            case "answer":
                self.app.state.faults.add(FaultRule.model_validate({"fault": dict(fault.rule)}))
                self.used[-1] = f"answer {fault.rule.get('status', fault.rule['kind'])}"
            case "cut-before":
                raise httpx.ReadError("cut")
            case "late":
                self.late = (request, self.sender)
                await self._die()
            case "crash-before":
                await self._die()
            case "swallow":
                return httpx.Response(200, stream=httpx.ByteStream(b"{}"))
            case "edit-before":
                fault.edit()
        return await self._carried_out(request, fault)

    async def _carried_out(self, request: httpx.Request, fault: Fault) -> httpx.Response:
        response = await self._passed(request)
        match fault.kind:
            case "cut-after":
                self.put_ok = False
                raise httpx.ReadError("cut")
            case "bad-gateway":
                self.put_ok = False
                return httpx.Response(502, stream=httpx.ByteStream(b"<html>Bad gateway</html>"))
            case "crash-after":
                await self._die()
            case "edit-after":
                fault.edit()
        return response

    def _lose(self, request: httpx.Request) -> None:
        if request.method == "PUT":
            body = json.loads(request.content)
            new = [row for row in body["Variables"] if not row.get("Id")]
            self.lost.append((body["Version"], new))

    async def _die(self) -> None:
        self.died.set()
        await asyncio.Event().wait()

    async def _passed(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return await self._put(request, self.sender, is_late=False)
        response = await self._inner.handle_async_request(request)
        self.seen, self.seen_version = self.rows(), self.variable_set.version
        if self.late:
            (late, sender), self.late = self.late, None
            await self._put(late, sender, is_late=True)
        return response

    async def _put(
        self, request: httpx.Request, sender: object, *, is_late: bool
    ) -> httpx.Response:
        before = self.rows()
        response = await self._inner.handle_async_request(request)
        is_accepted = response.status_code == httpx.codes.OK
        if not is_late:
            self.put_ok = is_accepted
        if is_accepted:
            self.accepted += 1
            self.on_put(Put(sender, before, self.rows(), is_late))
        return response

    def _check(self, body: Json) -> None:
        self.wrong += [
            f"{row['Name']} is sent with neither Id nor Value"
            for row in body["Variables"]
            if (row.get("IsSensitive") or row["Type"] == "Sensitive")
            and not row.get("Id")
            and row.get("Value") is None
        ]
        self.wrong += [
            f"{row['Name']} is sent empty without having been read empty"
            for row in body["Variables"]
            if row.get("IsSensitive")
            and not row.get("Id")
            and not row.get("Value")
            and not self.may_be_empty(row["Name"])
        ]

    def may_be_empty(self, name: str) -> bool:
        """Tell whether the present run is to write an empty value under a name."""
        empties: frozenset[str] = getattr(self.sender, "empty_names", frozenset())
        return name in empties
