"""Runs whose process was killed: what they created is known again, and nothing else is taken."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from octopus_kit import DEV, PROD, SET_ID, Engine, actions, row

from secretsync.adapter import AdapterError, Conflict, InvalidConfig, Unavailable
from secretsync_octopus_deploy import arrival, runs
from secretsync_octopus_deploy.draft import CANNOT_TELL
from secretsync_octopus_deploy.ownership import DOUBTED
from secretsync_octopus_deploy.sandbox.process import Sandbox

if TYPE_CHECKING:
    from secretsync.adapter import LedgerEntry

EngineFactory = Callable[..., Engine]


def dies_before_the_read_back(step: str, done: int, _total: int) -> None:
    """Stand in for a process that is killed when the PUT has come through."""
    if (step, done) == ("verifying", 0):
        raise asyncio.CancelledError


def dies() -> None:
    """Stand in for a process that is killed when the intents are recorded, and nothing is sent."""
    raise asyncio.CancelledError


async def cut_short(mine: Engine, secrets: dict[str, str]) -> None:
    """Let a run write, and die before it knows that it has."""
    with pytest.raises(asyncio.CancelledError):
        await mine.sync(secrets, report_progress=dies_before_the_read_back)


async def die_unsent(mine: Engine, secrets: dict[str, str]) -> None:
    """Let a run die before it sends what it was about to write."""
    mine.before_write = dies
    with pytest.raises(asyncio.CancelledError):
        await mine.sync(secrets)
    mine.before_write = lambda: None


def stored(sandbox: Sandbox) -> list[tuple[str, Any]]:
    return [(one["Name"], one["Value"]) for one in sandbox.inspect(SET_ID)["Variables"]]


def add_by_hand(sandbox: Sandbox, name: str, scope: dict[str, list[str]] | None = None) -> None:
    rows = sandbox.variables(SET_ID)["Variables"]
    new = row(name, Value="made by hand", Scope=scope or {})
    sandbox.put_variables(SET_ID, [*rows, new])


async def test_what_a_killed_run_created_is_known_after_more_runs_are_killed(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await cut_short(mine, {"A": "1", "B": "1", "C": "1"})
    # This one deletes a part of that, which blurs the traces of the first write.
    await cut_short(mine, {"B": "2", "C": "2", "D": "2"})
    await cut_short(mine, {"C": "3"})

    # None of the three runs has told of anything.
    assert actions(await mine.sync({})) == dict.fromkeys("ABCD", "deleted")
    assert stored(sandbox) == []


async def test_what_a_killed_run_created_becomes_an_entry_before_anything_is_written(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await cut_short(mine, {"A": "1"})
    await die_unsent(mine, {"B": "2"})

    [first] = sandbox.inspect(SET_ID)["Variables"]
    entries = [(one.name, one.confirmed, one.remote_id, one.version) for one in mine.ledger]
    version = str(sandbox.inspect(SET_ID)["Version"])
    # The second run would delete A: that is an intent of its own.
    assert sorted(entries) == [
        ("A", False, first["Id"], version),
        ("A", True, first["Id"], None),
        ("B", False, None, version),
    ]


async def test_a_write_that_arrives_while_the_next_run_looks_is_recognised(
    sandbox: Sandbox, engine: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "SETTLE", 10.0)
    mine, late = engine(), engine()
    late.config = mine.config
    await die_unsent(mine, {"A": "1", "B": "1"})

    looking = asyncio.Event()

    async def arrive() -> None:
        await looking.wait()
        await late.sync({"A": "1", "B": "1"})

    def told(step: str, _done: int, _total: int) -> None:
        if step == "waiting for an earlier write":
            looking.set()

    arriving = asyncio.create_task(arrive())
    result = await mine.sync({"B": "2"}, report_progress=told)
    await arriving

    assert actions(result) == {"A": "deleted", "B": "updated"}
    assert stored(sandbox) == [("B", "2")]


@pytest.mark.parametrize("ago", [0.0, 3600.0, -3600.0])
async def test_a_write_that_does_not_arrive_in_time_is_taken_for_lost(
    sandbox: Sandbox, engine: EngineFactory, ago: float
) -> None:
    mine = engine()
    await die_unsent(mine, {"A": "1"})
    mine.written_from = dict.fromkeys(mine.written_from, ago)
    kept: list[LedgerEntry] = []
    mine.before_write = lambda: kept.extend(mine.ledger)
    await mine.sync({})
    assert [one.digest for one in kept] == [DOUBTED]
    # The engine keeps it as long as the set has that version. Whoever makes A now is somebody else.
    mine.ledger = tuple(kept)
    add_by_hand(sandbox, "A")

    assert actions(await mine.sync({})) == {"A": "skipped"}
    assert stored(sandbox) == [("A", "made by hand")]


async def test_an_old_write_is_not_waited_for(
    sandbox: Sandbox, engine: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "SETTLE", 3600.0)
    mine = engine()
    await die_unsent(mine, {"A": "1"})
    mine.written_from = dict.fromkeys(mine.written_from, 3600.0)
    sandbox.clear_requests()

    assert actions(await mine.sync({"A": "2"})) == {"A": "created"}
    assert [request.method for request in sandbox.requests()] == ["GET", "PUT", "GET"]


async def test_the_write_after_one_that_got_lost_is_recognised(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    """The first never arrived; the second was based on the same version, and was killed later."""
    mine = engine()
    await die_unsent(mine, {"A": "1", "B": "1"})
    await cut_short(mine, {"B": "2", "C": "2"})

    assert actions(await mine.sync({})) == {"B": "deleted", "C": "deleted"}
    assert stored(sandbox) == []


async def test_a_row_of_a_lost_write_that_somebody_makes_after_the_next_one_is_left_alone(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await die_unsent(mine, {"A": "1"})
    await cut_short(mine, {"B": "2"})
    # The run that reads now sees that A is not there, and dies before it writes.
    await die_unsent(mine, {"C": "3"})
    add_by_hand(sandbox, "A")

    result = await mine.sync({})

    assert sorted((one.name, one.action.value, one.reason) for one in result.keys) == [
        ("A", "skipped", CANNOT_TELL),
        ("B", "deleted", ""),
    ]
    assert stored(sandbox) == [("A", "made by hand")]


async def test_a_refused_write_of_another_sync_accounts_for_nothing(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    dev, prod = engine(DEV), engine(PROD)
    prod.written_from = dev.written_from
    await prod.sync({"P": "1"})
    await die_unsent(dev, {"A": "1"})
    # Since this is the next step of the set, dev's write never took place.
    await prod.sync({"P": "2"})

    def first_somebody_adds_a_row() -> None:
        prod.before_write = lambda: None
        add_by_hand(sandbox, "A", {"Environment": ["Environments-1"]})

    prod.before_write = first_somebody_adds_a_row
    await prod.sync({"P": "3"})

    result = await dev.sync({})

    assert [(one.name, one.action.value, one.reason) for one in result.keys] == [
        ("A", "skipped", CANNOT_TELL)
    ]


async def test_a_lost_write_of_another_sync_accounts_for_nothing(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    dev, prod = engine(DEV), engine(PROD)
    prod.written_from = dev.written_from
    await prod.sync({"P": "1"})
    await die_unsent(dev, {"A": "1"})
    add_by_hand(sandbox, "B")
    # It creates nothing, so that nothing but the attempt itself tells of it.
    sandbox.fault("status", status=502, method="PUT")
    with pytest.raises(Unavailable):
        await prod.sync({"P": "2"})
    add_by_hand(sandbox, "A", {"Environment": ["Environments-1"]})

    assert actions(await dev.sync({})) == {"A": "skipped"}


async def test_a_write_that_did_not_arrive_is_noted_although_the_run_fails(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    sandbox.put_variables(SET_ID, [row("Cert", Type="Certificate", Value="Certificates-1")])
    await die_unsent(mine, {"A": "1"})
    with pytest.raises(InvalidConfig, match="type cannot hold a secret"):
        await mine.sync({"Cert": "1"})
    assert [(one.name, one.digest) for one in mine.ledger] == [("A", DOUBTED)]
    add_by_hand(sandbox, "A")

    assert actions(await mine.sync({})) == {"A": "skipped"}


async def test_a_lost_answer_and_two_conflicts_leave_one_account_of_each_write(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    sandbox.fault("cut_connection", method="PUT", path="/projects/")
    changes = iter(["B", None, "A"])

    def somebody_edits() -> None:
        identities = [(one.identity, one.confirmed) for one in mine.ledger]
        assert len(set(identities)) == len(identities)
        name = next(changes, None)
        if name:
            add_by_hand(sandbox, name)

    mine.before_write = somebody_edits
    result = await mine.sync({"A": "1"})

    assert actions(result)["A"] in {"created", "updated"}
    assert sorted(stored(sandbox)) == [("A", "1"), ("B", "made by hand")]
    assert actions(await mine.sync({})) == {"A": "deleted"}


async def test_what_an_earlier_write_of_the_run_deleted_is_not_taken_for_hidden(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"Y": "1"})
    sandbox.fault("cut_connection", method="PUT", after=True)
    sandbox.fault("version_conflict", method="PUT", times=runs.MAX_RETRIES, skip=1)
    with pytest.raises(Conflict):
        await mine.sync({"B": "1"})
    sandbox.clear_faults()

    assert actions(await mine.remove())["Y"] == "deleted"
    assert mine.ledger == ()


class FailsAfterwards(httpx.AsyncHTTPTransport):
    """Lets the first PUT through, and answers with an error all the same."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__()
        self._answers = [httpx.Response(status, json={"ErrorMessage": text})]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.method != "PUT" or not self._answers:
            return answer
        await answer.aread()
        await answer.aclose()
        return self._answers.pop()


@pytest.mark.parametrize("status", [408, 500, 502])
async def test_a_server_that_fails_may_have_written_whatever_it_says(
    sandbox: Sandbox, engine: EngineFactory, status: int
) -> None:
    mine = engine()
    text = "You do not have permission to perform this action. Missing permission: VariableEdit"
    answer = {"status": status, "method": "PUT", "message": text, "times": 1}
    async with httpx.AsyncClient(transport=FailsAfterwards(status, text)) as http:
        mine.http = http
        assert actions(await mine.sync({"A": "1"})) == {"A": "created"}
    assert stored(sandbox) == [("A", "1")]

    async with httpx.AsyncClient() as http:
        mine.http = http
        sandbox.fault("status", **answer)
        with pytest.raises(AdapterError, match="Missing permission: VariableEdit"):
            await mine.sync({"A": "2"})
    assert stored(sandbox) == [("A", "1")]
