"""Other writers, lost answers and crashes: no update of anyone is lost, and nothing is guessed."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from octopus_kit import DEV, PROD, SET_ID, Engine, actions, row

from secretsync.adapter import Conflict, RateLimited, Unavailable, Unsupported
from secretsync_octopus_deploy.sandbox.process import Sandbox, SandboxError

EngineFactory = Callable[..., Engine]


def methods(sandbox: Sandbox) -> list[str]:
    return [request.method for request in sandbox.requests()]


def stored(sandbox: Sandbox) -> list[tuple[str, Any]]:
    return [(one["Name"], one["Value"]) for one in sandbox.inspect(SET_ID)["Variables"]]


CONFLICTS = [
    {"kind": "version_conflict", "wording": wording, "in_errors": in_errors}
    for wording in ("changed", "scopes", "out_of_date")
    for in_errors in (False, True)
] + [
    {"kind": "version_conflict", "status": 409},
    {"kind": "status", "status": 409, "body": "empty", "method": "PUT"},
]


@pytest.mark.parametrize("fault", CONFLICTS, ids=str)
async def test_every_form_of_a_stale_version_leads_to_another_merge(
    sandbox: Sandbox, engine: EngineFactory, fault: dict[str, Any]
) -> None:
    sandbox.fault(**fault)

    result = await engine().sync({"A": "value-a"})

    assert methods(sandbox) == ["GET", "PUT", "GET", "PUT", "GET"]
    assert actions(result) == {"A": "created"}
    assert stored(sandbox) == [("A", "value-a")]


async def test_an_edit_between_read_and_write_is_kept(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    sandbox.put_variables(SET_ID, [row("Theirs", Type="String", Value="before")])
    mine = engine()
    await mine.sync({"A": "value-a"})
    sandbox.fault("concurrent_edit", name="Theirs", value="after")

    result = await mine.sync({"A": "value-b"})

    assert stored(sandbox) == [("Theirs", "after"), ("A", "value-b")]
    assert actions(result) == {"A": "updated"}
    assert result.version_after is not None


async def test_the_merge_gives_up_after_five_retries(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    sandbox.fault("version_conflict", times=None)

    with pytest.raises(Conflict, match="another user has made changes"):
        await engine().sync({"A": "value-a"})

    assert methods(sandbox).count("PUT") == 1 + 5
    assert stored(sandbox) == []


async def test_an_edit_right_after_the_write_is_no_problem(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    def edit(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0):
            rows = sandbox.variables(SET_ID)["Variables"]
            sandbox.put_variables(SET_ID, [*rows, row("Theirs", Type="String", Value="new")])

    result = await mine.sync({"A": "value-a"}, report_progress=edit)

    assert actions(result) == {"A": "created"}
    assert result.version_after is None
    assert [entry.version for entry in result.ledger] == [None]
    assert stored(sandbox) == [("A", "value-a"), ("Theirs", "new")]


async def test_a_value_overwritten_right_after_the_write_is_written_again_by_the_next_run(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    def overwrite(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0):
            (ours,) = sandbox.variables(SET_ID)["Variables"]
            sandbox.put_variables(SET_ID, [{**ours, "Value": "theirs"}])

    await mine.sync({"A": "value-a"}, report_progress=overwrite)
    mine.known = {str(sandbox.inspect(SET_ID)["Version"])}

    assert actions(await mine.sync({"A": "value-a"})) == {"A": "updated"}
    assert stored(sandbox) == [("A", "value-a")]


async def test_what_is_kept_beside_an_edit_of_somebody_else_is_not_trusted(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a"})

    def edit(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0):
            rows = sandbox.variables(SET_ID)["Variables"]
            sandbox.put_variables(SET_ID, [*rows, row("Theirs", Type="String")])

    result = await mine.sync({"B": "value-b"}, report_progress=edit, delete_missing=False)

    assert {entry.name: entry.version for entry in result.ledger} == {"A": None, "B": None}


async def test_a_row_of_ours_that_vanishes_right_after_the_write_is_written_again(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    times: list[str] = []

    def vandalize(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0) and not times:
            times.append(step)
            sandbox.put_variables(SET_ID, [])

    result = await engine().sync({"A": "value-a"}, report_progress=vandalize)

    assert stored(sandbox) == [("A", "value-a")]
    assert actions(result) == {"A": "created"}
    assert [entry.remote_id for entry in result.ledger] == [
        sandbox.inspect(SET_ID)["Variables"][0]["Id"]
    ]


async def test_a_write_whose_answer_is_lost_is_found_to_have_happened(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"OLD": "value-o", "KEPT": "value-k"})
    sandbox.clear_requests()
    sandbox.fault("cut_connection", method="PUT", after=True)

    result = await mine.sync({"NEW": "value-n", "KEPT": "value-k"})

    assert actions(result) == {"NEW": "created", "KEPT": "updated", "OLD": "deleted"}
    assert stored(sandbox) == [("KEPT", "value-k"), ("NEW", "value-n")]
    assert methods(sandbox) == ["GET", "PUT", "GET", "GET", "PUT", "GET"]
    assert {entry.name for entry in mine.ledger} == {"NEW", "KEPT"}


async def test_a_removal_whose_answer_is_lost_is_found_to_have_happened(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a"})
    sandbox.fault("cut_connection", method="PUT", after=True)

    result = await mine.remove()

    assert actions(result) == {"A": "deleted"}
    assert result.ledger == ()
    assert result.version_after is None
    assert stored(sandbox) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut_connection"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 502, "body": "html"},
    ],
    ids=str,
)
async def test_a_write_that_did_not_happen_is_left_to_the_engine_to_repeat(
    sandbox: Sandbox, engine: EngineFactory, fault: dict[str, Any]
) -> None:
    mine = engine()
    sandbox.fault(method="PUT", **fault)

    with pytest.raises(Unavailable):
        await mine.sync({"A": "value-a"})

    first, *looks = methods(sandbox)[1:]
    assert first == "PUT"
    assert len(looks) > 1
    assert set(looks) == {"GET"}
    assert [entry.confirmed for entry in mine.ledger] == [False]
    assert actions(await mine.sync({"A": "value-a"})) == {"A": "created"}
    assert stored(sandbox) == [("A", "value-a")]


async def test_a_lost_answer_with_no_second_look_is_left_to_the_engine(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    sandbox.fault("cut_connection", method="PUT", after=True)
    sandbox.fault("status", status=503, method="GET", skip=1)

    with pytest.raises(Unavailable, match="connection"):
        await mine.sync({"A": "value-a"})

    assert actions(await mine.sync({"A": "value-a"})) == {"A": "updated"}
    assert stored(sandbox) == [("A", "value-a")]
    assert [entry.confirmed for entry in mine.ledger] == [True]


@pytest.mark.parametrize("secrets", [{"A": "value-a"}, {"A": "", "B": "value-b"}])
async def test_a_crash_between_write_and_read_back_loses_and_doubles_nothing(
    sandbox: Sandbox, engine: EngineFactory, secrets: dict[str, str]
) -> None:
    """The process dies after the PUT: only the intents were made durable."""
    mine = engine()
    await mine.sync({"A": "before"})
    crash = asyncio.CancelledError()

    def die(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0):
            raise crash

    with pytest.raises(asyncio.CancelledError):
        await mine.sync(secrets, report_progress=die)

    result = await mine.sync(secrets)
    assert sorted(stored(sandbox)) == sorted(secrets.items())
    assert all(entry.confirmed for entry in result.ledger)
    await mine.remove()
    assert stored(sandbox) == []


async def test_a_crash_leaves_what_is_not_wanted_any_more_to_be_deleted(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    crash = asyncio.CancelledError()

    def die(step: str, done: int, _total: int) -> None:
        if (step, done) == ("verifying", 0):
            raise crash

    with pytest.raises(asyncio.CancelledError):
        await mine.sync({"A": "value-a"}, report_progress=die)
    assert stored(sandbox) == [("A", "value-a")]

    assert actions(await mine.sync({})) == {"A": "deleted"}
    assert stored(sandbox) == []


def dies_before_the_read_back(step: str, done: int, _total: int) -> None:
    """Stand in for a process that is killed when the PUT has come through."""
    if (step, done) == ("verifying", 0):
        raise asyncio.CancelledError


async def test_a_deletion_whose_answer_was_not_seen_is_known_for_ours_afterwards(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": "value-b"})
    with pytest.raises(asyncio.CancelledError):
        await mine.sync({"A": "value-a"}, report_progress=dies_before_the_read_back)
    assert stored(sandbox) == [("A", "value-a")]

    assert actions(await mine.sync({"A": "value-a"})) == {"A": "updated", "B": "deleted"}
    assert [entry.name for entry in mine.ledger] == ["A"]


async def test_a_deletion_that_did_not_come_through_is_made_again(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": "value-b"})
    sandbox.fault("cut_connection", method="PUT")
    with pytest.raises(Unavailable):
        await mine.sync({"A": "value-a"})
    assert sorted(stored(sandbox)) == [("A", "value-a"), ("B", "value-b")]

    assert actions(await mine.sync({"A": "value-a"})) == {"A": "unchanged", "B": "deleted"}
    assert stored(sandbox) == [("A", "value-a")]


async def test_what_one_crash_created_is_not_forgotten_in_the_next_crash(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    for secrets in ({"A": "value-a"}, {"A": "value-a", "B": "value-b"}):
        with pytest.raises(asyncio.CancelledError):
            await mine.sync(secrets, report_progress=dies_before_the_read_back)
    assert sorted(stored(sandbox)) == [("A", "value-a"), ("B", "value-b")]

    assert actions(await mine.sync({})) == {"A": "deleted", "B": "deleted"}
    assert stored(sandbox) == []


async def test_a_server_that_loses_a_write_silently_is_written_to_once_more(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    # Taken for written, but the version does not move: as old servers do when writers meet.
    sandbox.fault("status", status=200, body="given", text="{}", method="PUT")

    result = await engine().sync({"A": "value-a"})

    assert actions(result) == {"A": "created"}
    assert stored(sandbox) == [("A", "value-a")]


class AlteringTransport(httpx.AsyncBaseTransport):
    """Passes requests on to a server, and alters each variable's name on the way to it."""

    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            content = (await request.aread()).replace(b'"Name":"A"', b'"Name":"Altered"')
            headers = [pair for pair in request.headers.raw if pair[0].lower() != b"content-length"]
            request = httpx.Request("PUT", request.url, headers=headers, content=content)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_a_server_that_alters_what_it_is_sent_is_not_written_to_for_ever(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    async with httpx.AsyncClient(transport=AlteringTransport()) as client:
        mine.http = client
        with pytest.raises(Unsupported, match="does not store what it is sent: A is missing"):
            await mine.sync({"A": "value-a"})

    assert methods(sandbox).count("PUT") == 2


async def test_a_rate_limit_on_the_write_is_told_with_its_pause(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    sandbox.fault("rate_limit", retry_after=17, method="PUT")

    with pytest.raises(RateLimited) as caught:
        await engine().sync({"A": "value-a"})

    assert caught.value.retry_after == 17
    assert methods(sandbox) == ["GET", "PUT"]


async def test_writers_that_meet_lose_no_update_of_anyone(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    dev, prod = engine(DEV), engine(PROD)

    async def push(mine: Engine, number: int) -> None:
        for _ in range(20):
            try:
                await mine.sync({"A": f"value-{number}"})
            except Conflict:
                continue
            return
        raise AssertionError("never came through")

    def edit(number: int) -> None:
        for _ in range(20):
            found = sandbox.variables(SET_ID)
            rows = [*found["Variables"], row(f"Theirs{number}", Type="String", Value=str(number))]
            try:
                sandbox.put_variables(SET_ID, rows, version=found["Version"])
            except SandboxError:
                continue
            return
        raise AssertionError("never came through")

    for number in range(5):
        await asyncio.gather(
            push(dev, number), push(prod, number + 10), asyncio.to_thread(edit, number)
        )

    rows = sandbox.inspect(SET_ID)["Variables"]
    ours = {str(one["Scope"]): one["Value"] for one in rows if one["Name"] == "A"}
    assert ours == {
        "{'Environment': ['Environments-1']}": "value-4",
        "{'Environment': ['Environments-2']}": "value-14",
    }
    theirs = sorted(one["Name"] for one in rows if one["Name"] != "A")
    assert theirs == [f"Theirs{number}" for number in range(5)]
