"""Writes that were refused, lost or altered: they make nothing of others ours, and none is lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from octopus_kit import DEV, PROD, SET_ID, Engine, actions, row

from secretsync.adapter import (
    AdapterError,
    Conflict,
    InvalidConfig,
    LedgerEntry,
    PermissionDenied,
    RateLimited,
    Unavailable,
    Unsupported,
)
from secretsync_octopus_deploy.draft import CANNOT_TELL
from secretsync_octopus_deploy.ownership import DOUBTED
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]
Json = dict[str, Any]
HIDDEN_SAID = "cannot see the variables that it writes"


def stored(sandbox: Sandbox) -> list[tuple[str, Any]]:
    return [(one["Name"], one["Value"]) for one in sandbox.inspect(SET_ID)["Variables"]]


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests())


def add_by_hand(sandbox: Sandbox, *rows: Json) -> None:
    sandbox.put_variables(SET_ID, [*sandbox.variables(SET_ID)["Variables"], *rows])


OnPut = Callable[["Between", httpx.Request], Awaitable[httpx.Response]]


class Between(httpx.AsyncBaseTransport):
    """Stands between the plugin and the server, and deals with PUTs and their sets itself."""

    def __init__(self, on_put: OnPut) -> None:
        self.on_put = on_put
        self.inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return await self.on_put(self, request)
        return await self.inner.handle_async_request(request)

    async def send(self, request: httpx.Request, change: Callable[[Json], None]) -> httpx.Response:
        """Send a PUT on with its set changed."""
        body = json.loads(await request.aread())
        change(body)
        headers = [pair for pair in request.headers.raw if pair[0].lower() != b"content-length"]
        content = json.dumps(body).encode()
        sent = httpx.Request("PUT", request.url, headers=headers, content=content)
        return await self.inner.handle_async_request(sent)

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture
async def between() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes clients whose PUTs a function deals with."""
    clients: list[httpx.AsyncClient] = []

    def make(on_put: OnPut) -> httpx.AsyncClient:
        clients.append(httpx.AsyncClient(transport=Between(on_put)))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


REFUSALS: list[tuple[Json, type[AdapterError]]] = [
    ({"kind": "read_only"}, PermissionDenied),
    ({"kind": "read_only", "status": 401}, PermissionDenied),
    ({"kind": "status", "status": 400, "message": "Variable validation failed."}, InvalidConfig),
    ({"kind": "status", "status": 413, "body": "html"}, InvalidConfig),
    ({"kind": "rate_limit"}, RateLimited),
    ({"kind": "version_conflict"}, Conflict),
    ({"kind": "redirect", "location": "https://elsewhere.example.com"}, InvalidConfig),
]


@pytest.mark.parametrize(("fault", "error"), REFUSALS, ids=str)
async def test_a_refused_write_makes_nothing_ours_later_on(
    sandbox: Sandbox, engine: EngineFactory, fault: Json, error: type[AdapterError]
) -> None:
    mine = engine()
    await mine.sync({"KEPT": "value-k", "OLD": "value-o"})
    kept = mine.ledger
    sandbox.fault(**{"method": "PUT", **fault}, times=None)
    with pytest.raises(error):
        await mine.sync({"KEPT": "value-k", "NEW": "never written"})
    sandbox.clear_faults()

    assert mine.ledger == kept
    add_by_hand(sandbox, row("NEW", Value="made by hand"))
    assert actions(await mine.sync({"KEPT": "value-k"})) == {"KEPT": "updated", "OLD": "deleted"}
    await mine.remove()
    assert stored(sandbox) == [("NEW", "made by hand")]


async def test_a_refused_write_does_not_forget_what_an_earlier_crash_created(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    def die(step: str, _done: int, _total: int) -> None:
        if step == "verifying":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await mine.sync({"A": "value-a"}, report_progress=die)
    sandbox.fault("read_only", method="PUT")
    with pytest.raises(PermissionDenied):
        await mine.sync({"B": "value-b"})

    [created] = sandbox.inspect(SET_ID)["Variables"]
    entries = [(one.name, one.remote_id, one.confirmed) for one in mine.ledger]
    assert entries == [("A", created["Id"], True)]
    assert actions(await mine.remove()) == {"A": "deleted"}


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 503}, {"kind": "cut_connection"}], ids=str
)
@pytest.mark.parametrize("operation", ["sync", "remove"])
async def test_a_row_made_by_hand_after_a_write_that_got_lost_is_left_alone(
    sandbox: Sandbox, engine: EngineFactory, fault: Json, operation: str
) -> None:
    mine = engine()
    sandbox.fault(**fault, method="PUT")
    with pytest.raises(Unavailable):
        await mine.sync({"A": "never written"})
    assert [(one.confirmed, one.digest) for one in mine.ledger] == [(False, DOUBTED)]
    add_by_hand(sandbox, row("A", Value="made by hand"))

    result = await (mine.sync({}) if operation == "sync" else mine.remove())

    assert [(one.action.value, one.reason) for one in result.keys] == [("skipped", CANNOT_TELL)]
    assert stored(sandbox) == [("A", "made by hand")]
    assert mine.ledger == ()


async def test_a_run_with_nothing_to_do_notes_that_a_write_did_not_take_place(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    def die() -> None:
        raise KeyboardInterrupt

    # The intents are durable, and the process dies before the request is sent.
    mine.before_write = die
    with pytest.raises(KeyboardInterrupt):
        await mine.sync({"A": "value-a"})
    assert [one.digest == DOUBTED for one in mine.ledger] == [False]
    recorded: list[LedgerEntry] = []
    mine.before_write = lambda: recorded.extend(mine.ledger)
    await mine.sync({})

    assert [(one.name, one.digest) for one in recorded] == [("A", DOUBTED)]
    assert mine.written_from == {}, "it accounts for no change that somebody makes"
    assert puts(sandbox) == 0


async def test_a_write_that_is_accepted_and_not_stored_is_not_taken_for_done(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "leaked"})
    sandbox.clear_requests()
    sandbox.fault("status", status=200, body="given", text="{}", method="PUT", times=None)

    with pytest.raises(Unsupported, match="does not store what it is sent: its version is still"):
        await mine.sync({"A": "rotated"})

    assert puts(sandbox) == 2
    sandbox.clear_faults()
    assert actions(await mine.sync({"A": "rotated"})) == {"A": "updated"}
    assert stored(sandbox) == [("A", "rotated")]


async def test_a_write_that_is_lost_while_somebody_else_writes_is_made_again(
    sandbox: Sandbox, engine: EngineFactory, between: Callable[..., httpx.AsyncClient]
) -> None:
    mine = engine()
    await mine.sync({"A": "leaked"})
    lost: list[httpx.Request] = []

    async def lose_first(transport: Between, request: httpx.Request) -> httpx.Response:
        if lost:
            return await transport.inner.handle_async_request(request)
        lost.append(request)
        add_by_hand(sandbox, row("Theirs", Type="String", Value="x"))
        return httpx.Response(200, json={}, request=request)

    mine.http = between(lose_first)
    result = await mine.sync({"A": "rotated"})

    assert stored(sandbox) == [("A", "rotated"), ("Theirs", "x")]
    assert result.version_after is not None
    assert result.warnings == ()


async def test_a_server_that_alters_foreign_rows_each_time_is_put_up_with(
    sandbox: Sandbox, engine: EngineFactory, between: Callable[..., httpx.AsyncClient]
) -> None:
    add_by_hand(sandbox, row("Theirs", Type="String", Value="x"))
    mine = engine()
    await mine.sync({"A": "value-a"})

    async def alter(transport: Between, request: httpx.Request) -> httpx.Response:
        def change(body: Json) -> None:
            for one in body["Variables"]:
                if one["Name"] == "Theirs":
                    one["Description"] = f"{one['Description']}."

        return await transport.send(request, change)

    mine.http = between(alter)
    sandbox.clear_requests()
    result = await mine.sync({"A": "value-b"})

    assert puts(sandbox) == 2
    assert stored(sandbox) == [("Theirs", "x"), ("A", "value-b")]
    assert result.version_after is None
    assert [entry.version for entry in mine.ledger] == [None]
    assert [warning for warning in result.warnings if warning.endswith(": Theirs.")]


async def test_a_server_that_drops_a_foreign_field_once_is_written_to_once_more(
    sandbox: Sandbox, engine: EngineFactory, between: Callable[..., httpx.AsyncClient]
) -> None:
    add_by_hand(sandbox, row("Theirs", Type="String", Value="x", Notes="odd"))
    mine = engine()
    await mine.sync({"A": "value-a"})

    async def drop(transport: Between, request: httpx.Request) -> httpx.Response:
        def change(body: Json) -> None:
            for one in body["Variables"]:
                one.pop("Notes", None)

        return await transport.send(request, change)

    mine.http = between(drop)
    sandbox.clear_requests()
    result = await mine.sync({"A": "value-b"})

    assert puts(sandbox) == 2
    assert result.version_after is not None
    assert actions(await mine.sync({"A": "value-b"})) == {"A": "unchanged"}


async def test_copies_do_not_pile_up_where_the_key_cannot_see_what_it_writes(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"H": "value-h"})
    sandbox.clear_requests()
    sandbox.fault("hide_rows", names=["H"], times=None, path="variables")

    for _ in range(3):
        with pytest.raises(PermissionDenied, match=HIDDEN_SAID) as caught:
            await mine.sync({"H": "value-h"})
        assert "VariableView" in (caught.value.hint or "")

    assert puts(sandbox) == 1
    assert len(stored(sandbox)) == 2

    (warning,) = (await mine.remove()).warnings
    assert warning.endswith("they may still be in Octopus: H.")
    assert len(stored(sandbox)) == 2


async def test_hidden_copies_are_cleaned_up_once_they_can_be_seen(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"H": "value-h"})
    sandbox.fault("hide_rows", names=["H"], times=None, path="variables")
    with pytest.raises(PermissionDenied, match=HIDDEN_SAID):
        await mine.sync({"H": "value-i"})
    sandbox.clear_faults()

    result = await mine.sync({"H": "value-i"})

    assert [one.action.value for one in result.keys] == ["updated", "deleted"]
    assert stored(sandbox) == [("H", "value-i")]
    await mine.remove()
    assert stored(sandbox) == []


async def test_hidden_variables_are_written_again_after_somebody_elses_change(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    sandbox.fault("hide_rows", names=["H"], times=None, path="variables")
    with pytest.raises(PermissionDenied, match=HIDDEN_SAID):
        await mine.sync({"H": "value-h"})
    sandbox.clear_faults()
    sandbox.put_variables(SET_ID, [])

    assert actions(await mine.sync({"H": "value-h"})) == {"H": "created"}
    assert stored(sandbox) == [("H", "value-h")]


def dies_before_the_read_back(step: str, done: int, _total: int) -> None:
    """Stand in for a process that is killed when the PUT has come through."""
    if (step, done) == ("verifying", 0):
        raise asyncio.CancelledError


async def test_a_write_of_another_sync_of_ours_is_no_strangers(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    dev, prod = engine(DEV), engine(PROD)
    prod.written_from = dev.written_from
    for mine in (dev, prod):
        with pytest.raises(asyncio.CancelledError):
            await mine.sync({"A": "value"}, report_progress=dies_before_the_read_back)

    assert actions(await dev.sync({})) == {"A": "deleted"}
    assert actions(await prod.sync({})) == {"A": "deleted"}
    assert stored(sandbox) == []


async def test_a_run_that_wrote_nothing_claims_no_change_of_the_set(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value"})
    # Somebody deletes our variable after it was read, so that the removal is refused as stale.
    mine.before_write = lambda: sandbox.put_variables(SET_ID, [])

    result = await mine.remove()

    assert result.version_before == result.version_after == str(sandbox.inspect(SET_ID)["Version"])
