"""A destination that asks for fewer requests: all runs of the connection keep to its pause."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from engine_kit import START, World, eventually

from secretsync.adapter import LedgerEntry, RateLimited, RunRequest, SyncRequest, Unavailable
from secretsync.domain.entities import RunState, SyncRun
from secretsync.domain.problems import Reason
from secretsync.engine.pacing import Paused


class Api:
    """An HTTP server that gives the answers it was given, then 204; and an adapter that calls it.

    Attributes:
        answers: status line and headers of the answers to come.
        count: how many requests have come.
        error: what the adapter raises of an answer other than success.
    """

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.count = 0
        self.error: type[RateLimited | Unavailable] = RateLimited

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/x"

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.count += 1
        head = self.answers.pop(0) if self.answers else "204 No Content"
        writer.write(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def call(self, request: RunRequest) -> None:
        """Make one request; of a refusal, an adapter may make as little as this one does."""
        answer = await request.http.get(self.url)
        if not answer.is_success:
            raise self.error(f"it answered {answer.status_code}")


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    served = Api()
    await served.start()
    world.memory.steps["begin"] = served.call
    yield served
    await served.stop()


def limited(seconds: int) -> str:
    return f"429 Too Many Requests\r\nretry-after: {seconds}"


def end_pause(world: World, uid: str = "c-main") -> None:
    """Let the connection's pause be over."""
    world.http._pacers[uid]._resumes = 0.0


async def held_back(world: World, run: SyncRun) -> SyncRun:
    """Return a run when it waits for its connection."""

    async def condition() -> SyncRun | None:
        found = await world.run(run)
        return found if found.error_reason is Reason.RATE_LIMITED else None

    return await eventually(condition)


@pytest.mark.parametrize("error", [RateLimited, Unavailable])
async def test_a_run_that_is_refused_waits_as_long_as_its_connection(
    world: World, api: Api, error: type[RateLimited | Unavailable]
) -> None:
    api.answers, api.error = [limited(30)], error
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    waiting = await world.failed_attempt(run, 1)
    # The adapter has not told of the 30 seconds; the connection keeps to them all the same.
    assert 29 < (waiting.not_before - START).total_seconds() < 35
    end_pause(world)
    world.clock.advance(35)
    world.engine.wake()
    ended = await world.ended(run)
    assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 2)
    assert api.count == 2


async def test_the_other_runs_of_a_connection_in_a_long_pause_do_not_even_ask(
    world: World, api: Api
) -> None:
    api.answers = [limited(600)]
    syncs = [await world.add_sync(f"s{number}") for number in range(8)]
    await world.start(max_runs_per_connection=1)
    runs = [await world.enqueue(sync) for sync in syncs]
    waiting = [await held_back(world, run) for run in runs]
    assert api.count == 1
    assert sorted(run.attempt for run in waiting) == [0] * 7 + [1]
    refused = next(run for run in waiting if run.attempt)
    assert refused.message == "attempt 1 of 3 failed, will try again: it answered 429"
    for run in waiting:
        assert run.state is RunState.PENDING
        assert timedelta(seconds=590) < run.not_before - START < timedelta(seconds=610)
        assert len({one.not_before for one in waiting}) == 8
        if run is not refused:
            assert run.message.startswith("waits for its connection: The destination asked for")
            assert run.outcome.http_requests == ()


async def test_asking_by_hand_does_not_shorten_the_pause(world: World, api: Api) -> None:
    api.answers = [limited(600)]
    first, second = await world.add_sync("first"), await world.add_sync("second")
    await world.start()
    await held_back(world, await world.enqueue(first))
    waiting = await held_back(world, await world.enqueue(second))
    asked = await world.enqueue(second)
    assert (asked.uid, asked.not_before) == (waiting.uid, waiting.not_before)
    end_pause(world)
    world.clock.advance(610)
    world.engine.wake()
    ended = await world.ended(waiting)
    # The attempt in which it was not let out does not count.
    assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)


async def test_a_newer_run_in_the_place_of_a_refused_one_keeps_to_the_pause_too(
    world: World, api: Api
) -> None:
    gate = asyncio.Event()
    begun = asyncio.Event()

    async def wait_and_call(request: RunRequest) -> None:
        begun.set()
        await gate.wait()
        await api.call(request)

    world.memory.steps["begin"] = wait_and_call
    api.answers = [limited(600)]
    sync = await world.add_sync()
    await world.start()
    first = await world.enqueue(sync)
    await begun.wait()
    second = await world.enqueue(sync)
    gate.set()
    assert (await world.ended(first)).error_reason is Reason.SUPERSEDED
    waiting = await held_back(world, second)
    assert (await world.enqueue(sync)).not_before == waiting.not_before
    assert waiting.not_before - START > timedelta(seconds=590)


async def test_another_connection_goes_on(world: World, api: Api) -> None:
    api.answers = [limited(600)]
    await world.disk.write(lambda tx: world.add_connection(tx, "other"))
    paused = await world.add_sync("paused")
    free = await world.add_sync("free", connection_uid="c-other", connection="other")
    await world.start()
    await held_back(world, await world.enqueue(paused))
    assert (await world.sync(free)).state is RunState.SUCCEEDED
    assert world.http.pause("c-other") == 0


async def test_a_run_waits_for_its_turn_before_it_says_that_it_writes(
    world: World, api: Api
) -> None:
    """Whoever finds the intent judges by its time whether the write is still under way."""
    told: list[str] = []

    async def write(request: RunRequest) -> None:
        assert isinstance(request, SyncRequest)
        await request.http.get(api.url)
        entry = LedgerEntry(
            key="K", name="K", identity="k@", remote_id=None, digest="", confirmed=False
        )
        try:
            await request.record_intent([entry], "1")
        except Paused:
            told.append("not recorded")
            # What does not announce a write does not wait.
            await request.record_intent([entry])
            raise

    world.memory.steps["begin"] = write
    api.answers = ["200 OK\r\ncontent-length: 0\r\nx-ratelimit: r=0;t=600"]
    sync = await world.add_sync()
    await world.start()
    run = await held_back(world, await world.enqueue(sync))
    assert told == ["not recorded"]
    # It has sent something, so the attempt counts.
    assert run.attempt == 1
    assert await world.disk.read(lambda tx: dict(tx.ledger.attempted_from("main"))) == {}


async def test_an_adapter_that_is_refused_by_other_means_is_counted(world: World) -> None:
    async def refuse(request: RunRequest) -> None:
        assert isinstance(request.http, httpx.AsyncClient)
        raise RateLimited("by its own account", retry_after=100)

    world.memory.steps["begin"] = refuse
    sync = await world.add_sync()
    await world.start()
    assert (await held_back(world, await world.enqueue(sync))).attempt == 1
