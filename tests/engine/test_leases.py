"""A worker that lost its lease writes nothing more; one that keeps it is not disturbed."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from engine_kit import Gate, World, eventually

from secretsync.adapter import RunRequest
from secretsync.domain.entities import RunState, SyncRun
from secretsync.domain.problems import Reason
from secretsync.engine.report import RunReport
from secretsync.store.protocol import Transaction

SHORT = 0.09
"""Seconds of a lease whose heartbeat a test waits for."""


async def take_over(world: World, run: SyncRun) -> SyncRun:
    """Claim a run under way for another worker, as if its lease had run out."""
    later = world.clock.now + timedelta(seconds=1000)
    until = later + timedelta(seconds=1000)
    # The clock goes on when it is done: the engine would claim the run itself.
    claimed = await world.disk.write(lambda tx: tx.runs.claim(later, until, 5))
    world.clock.now = later
    assert claimed
    assert claimed.uid == run.uid
    return claimed


async def test_the_heartbeat_renews_the_lease(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start(lease=SHORT)
    run = await world.enqueue(sync)
    await gate.reached()
    for _ in range(3):
        world.clock.advance(SHORT / 2)

        async def renewed() -> bool:
            until = (await world.run(run)).lease_until
            return until == world.clock.now + timedelta(seconds=SHORT)

        await eventually(renewed)
    gate.open()
    ended = await world.ended(run)
    assert (ended.state, ended.attempt, ended.lease_token) == (RunState.SUCCEEDED, 1, 1)
    assert ended.lease_until is None


class TestLeaseLost:
    async def test_before_the_write_nothing_is_written(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        claimed = await take_over(world, run)
        gate.open()
        await world.engine.stop(grace=20)
        assert world.memory.at("main").writes == 0
        assert await world.ledger(sync) == []
        # `stop` has put what the other worker had back into the queue; the token tells whose it is.
        left = await world.run(run)
        assert (left.state, left.lease_token) == (RunState.PENDING, claimed.lease_token)
        assert left.outcome.keys == ()

    async def test_after_the_write_the_result_is_not_recorded(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["written"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await take_over(world, run)
        gate.open()
        await world.engine.stop(grace=20)
        assert (await world.run(run)).state is RunState.PENDING
        # The intent is there still, so that the next run finds what was created.
        assert [entry.confirmed for entry in await world.ledger(sync)] == [False]
        await world.start()
        ended = await world.ended(run)
        assert ended.state is RunState.SUCCEEDED
        [entry] = await world.ledger(sync)
        assert (entry.confirmed, entry.remote_id) == (True, "row-1")
        assert list(world.memory.at("main").rows) == ["k@"]

    async def test_nothing_is_recorded_while_another_sync_has_the_document(
        self, world: World
    ) -> None:
        """What it has done is found out again, when the document is free."""
        gate = Gate()
        world.memory.steps["written"] = gate
        first = await world.add_sync("first", destination_config={"place": "x", "scope": "1"})
        second = await world.add_sync("second", destination_config={"place": "x", "scope": "2"})
        await world.start()
        run = await world.enqueue(first)
        await gate.reached()
        other = await world.enqueue_quietly(second)
        later = world.clock.now + timedelta(seconds=1000)

        def claim_other(tx: Transaction) -> SyncRun | None:
            # The first run would be claimed before, if nothing kept it back.
            hidden = tx.runs.get(first.uid, run.uid)
            assert hidden
            tx.runs.update(replace(hidden, cancel_requested=True))
            claimed = tx.runs.claim(later, later + timedelta(seconds=1000), 5)
            tx.runs.update(replace(hidden, cancel_requested=False))
            return claimed

        claimed = await world.disk.write(claim_other)
        assert claimed
        assert claimed.uid == other.uid
        gate.open()

        async def gave_way() -> bool:
            return not world.engine._tasks

        await eventually(gave_way)
        assert (await world.run(run)).state is RunState.RUNNING
        assert [entry.confirmed for entry in await world.ledger(first)] == [False]

    async def test_the_heartbeat_ends_the_attempt(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        cancelled: list[bool] = []

        async def wait(_: RunRequest) -> None:
            try:
                await gate(_)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        gate = Gate()
        world.memory.steps["begin"] = wait
        sync = await world.add_sync()
        await world.start(lease=SHORT, max_runs=1)
        run = await world.enqueue(sync)
        await gate.reached()
        await take_over(world, run)

        async def ended() -> bool:
            return bool(cancelled)

        await eventually(ended)
        await world.engine.stop(grace=20)
        assert f"{run.name} lost its lease and wrote nothing more" in caplog.messages

    async def test_a_sync_that_was_deleted_meanwhile_is_left_alone(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        await world.enqueue(sync)
        await gate.reached()
        await world.disk.write(lambda tx: tx.syncs.delete(sync.uid))
        gate.open()
        await world.engine.stop(grace=20)
        assert world.memory.at("main").writes == 0

    async def test_a_sync_that_was_deleted_before_its_attempt_began_is_told(
        self, world: World
    ) -> None:
        sync = await world.add_sync()
        run = await world.enqueue(sync)
        await world.disk.write(lambda tx: tx.syncs.delete(sync.uid))

        async def record_intent(*_: object) -> None:
            raise AssertionError

        report = RunReport()
        await world.engine._worker._runner.execute(run, record_intent, lambda _: None, 60, report)
        assert report.problem
        assert report.problem.message == f"{sync.name} was deleted meanwhile"
        assert report.outcome().http_requests == ()

    async def test_an_expired_run_is_taken_up_by_this_engine_too(self, world: World) -> None:
        """Its first attempt goes on for a while, and neither counts nor writes any more."""
        gate = Gate()

        async def only_the_first_waits(request: RunRequest) -> None:
            if not gate.waiting:
                await gate(request)

        world.memory.steps["begin"] = only_the_first_waits
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        world.clock.advance(1000)
        world.engine.wake()
        ended = await world.ended(run)
        assert (ended.state, ended.attempt, ended.lease_token) == (RunState.SUCCEEDED, 2, 2)
        assert world.memory.at("main").writes == 1
        gate.open()
        await world.engine.stop(grace=20)
        assert world.memory.at("main").writes == 1
        assert await world.run(run) == ended


class TestSyncMadeToLeadElsewhere:
    async def test_nothing_is_written_at_the_old_place(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync(place="old")
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        moved = replace(sync, target_key="new", destination_config={"place": "new"})
        await world.disk.write(lambda tx: tx.syncs.update(moved))
        gate.open()
        ended = await world.ended(run)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        assert world.memory.at("old").writes == 0
        assert await world.ledger(sync) == []
        assert (await world.sync(moved)).state is RunState.SUCCEEDED
        assert world.memory.at("new").values() == {"k@": "/ of K"}

    async def test_what_was_written_at_the_old_place_says_nothing_of_the_new(
        self, world: World
    ) -> None:
        gate = Gate()
        world.memory.steps["write"] = gate
        sync = await world.add_sync(place="old")
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        moved = replace(sync, target_key="new", destination_config={"place": "new"})
        await world.disk.write(lambda tx: tx.syncs.update(moved))
        gate.open()
        await world.ended(run)

        async def versions(target: str) -> frozenset[str]:
            return await world.disk.read(lambda tx: tx.ledger.versions_after(target, "1"))

        assert await versions("old") == {"1", "2"}
        assert await versions("new") == {"1"}
        kept = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert kept
        assert not kept.initialized


async def test_a_store_that_fails_for_a_moment_does_not_cost_the_lease(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start(lease=SHORT)
    run = await world.enqueue(sync)
    await gate.reached()
    world.disk.fail(OSError("hunter2"))
    await world.disk.has_refused("_renew")
    world.disk.clear()
    gate.open()
    assert (await world.ended(run)).state is RunState.SUCCEEDED
    assert "could not be renewed: builtins.OSError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_the_queue_is_worked_on_again_after_any_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.start()
    sync = await world.add_sync()
    run = await world.enqueue(sync)
    await world.ended(run)
    # Nothing else is refused: the run must be stored, and the engine may look at any time.
    world.disk.fail(OSError("hunter2"), "_claim")
    second = await world.enqueue_quietly(sync)
    world.engine.wake()
    await world.disk.has_refused("_claim")
    world.disk.clear()
    assert (await world.ended(second)).state is RunState.SUCCEEDED
    assert "hunter2" not in caplog.text
