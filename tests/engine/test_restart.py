"""What an engine leaves behind when it stops, and what the next one takes up."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from engine_kit import Gate, Row, World

from secretsync.adapter import LedgerEntry, RunRequest
from secretsync.domain.entities import RunAction, RunState, SecretSync, SyncRun
from secretsync.domain.problems import Reason


async def cut_short(world: World, step: str, sync: SecretSync, **settings: float) -> SyncRun:
    """Stop an engine without grace while a run is at a step."""
    gate = Gate()
    world.memory.steps[step] = gate
    await world.start(**settings)
    run = await world.enqueue(sync)
    await gate.reached()
    await world.engine.stop(grace=0)
    del world.memory.steps[step]
    return run


class TestCleanStop:
    async def test_what_ends_within_the_grace_is_recorded(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        stopping = asyncio.create_task(world.engine.stop(grace=20))
        await asyncio.sleep(0)
        gate.open()
        await stopping
        assert (await world.run(run)).state is RunState.SUCCEEDED

    @pytest.mark.parametrize("step", ["begin", "write", "written"])
    async def test_what_does_not_is_put_back_without_counting_the_attempt(
        self, world: World, step: str
    ) -> None:
        sync = await world.add_sync()
        run = await cut_short(world, step, sync)
        left = await world.run(run)
        assert (left.state, left.attempt, left.lease_until) == (RunState.PENDING, 0, None)
        await world.start()
        ended = await world.ended(run)
        assert (ended.state, ended.attempt, ended.lease_token) == (RunState.SUCCEEDED, 1, 2)
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    async def test_nothing_is_claimed_any_more(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        first, second = await world.add_sync("first"), await world.add_sync("second")
        await world.start(max_runs=1)
        running, waiting = await world.enqueue(first), await world.enqueue(second)
        await gate.reached()
        world.engine.stop_claiming()
        gate.open()
        assert (await world.ended(running)).state is RunState.SUCCEEDED
        await world.engine.stop(grace=20)
        assert (await world.run(waiting)).state is RunState.PENDING
        assert world.memory.calls == [("first", "sync")]

    async def test_a_newer_run_takes_the_place_of_one_cut_short(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        await world.engine.stop(grace=0)
        assert (await world.run(first)).error_reason is Reason.SUPERSEDED
        gate.open()
        await world.start()
        assert (await world.ended(second)).state is RunState.SUCCEEDED

    async def test_an_engine_that_was_not_started_stops(self, world: World) -> None:
        await world.engine.stop(grace=0)
        assert world.memory.calls == []


class TestCrash:
    """The process dies: nothing is released, and another process opens the same directory."""

    async def test_a_run_that_nobody_released_is_taken_up(self, tmp_path: Path) -> None:
        world = await World.open(tmp_path)
        gate = Gate()
        world.memory.steps["write"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await self._die(world)
        after = await World.open(tmp_path)
        after.memory = world.memory
        after.registry = world.registry
        del world.memory.steps["write"]
        assert (await after.run(run)).state is RunState.RUNNING
        await after.start()
        ended = await after.ended(run)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)
        await after.close()

    @pytest.mark.parametrize("step", ["write", "written"])
    async def test_intents_survive_and_nothing_is_created_twice(
        self, tmp_path: Path, step: str
    ) -> None:
        world = await World.open(tmp_path)
        gate = Gate()
        world.memory.steps[step] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        await self._die(world)
        after = await World.open(tmp_path)
        after.memory = world.memory
        after.registry = world.registry
        del world.memory.steps[step]
        [intent] = await after.ledger(sync)
        assert (intent.identity, intent.confirmed, intent.version) == ("k@", False, "1")
        await after.start()
        await after.ended(run)
        [entry] = await after.ledger(sync)
        assert (entry.identity, entry.confirmed, entry.remote_id) == ("k@", True, "row-1")
        # And a removal knows of it.
        await after.ended(await after.enqueue(sync, RunAction.REMOVE))
        assert world.memory.at("main").rows == {}
        await after.close()

    async def test_intents_of_several_crashes_add_up(self, world: World) -> None:
        """What the first attempt created is known even if the second one dies before it writes."""
        sync = await world.add_sync()
        await cut_short(world, "written", sync)
        assert list(world.memory.at("main").rows) == ["k@"]
        await world.disk.write(lambda tx: tx.secrets.delete(["s-dev-/-K"]))
        await world.set_value("L", "1")
        run = await cut_short(world, "write", sync)
        assert [entry.identity for entry in await world.ledger(sync)] == ["k@", "l@"]
        await world.start()
        ended = await world.ended(run)
        assert ended.message == "1 created, 1 deleted"
        assert world.memory.at("main").values() == {"l@": "1"}
        assert [entry.identity for entry in await world.ledger(sync)] == ["l@"]

    async def test_an_attempt_replaces_its_own_intents_and_no_others(self, world: World) -> None:
        def intent(identity: str) -> LedgerEntry:
            return LedgerEntry(
                key=identity,
                name=identity,
                identity=identity,
                remote_id=None,
                digest="d",
                version="1",
                confirmed=False,
            )

        sync = await world.add_sync()
        await cut_short(world, "write", sync)
        gate = Gate()

        async def record_twice(request: RunRequest) -> None:
            await request.record_intent([intent("first"), intent("k@")])
            await request.record_intent([intent("second")])
            await gate(request)

        world.memory.steps["begin"] = record_twice
        await world.start()
        await gate.reached()
        assert [entry.identity for entry in await world.ledger(sync)] == ["k@", "second"]

    async def test_what_an_intent_led_to_is_in_the_ledger_at_once(self, world: World) -> None:
        sync = await world.add_sync()
        await cut_short(world, "written", sync)
        [intent] = await world.ledger(sync)
        gate = Gate()

        async def record(request: RunRequest) -> None:
            [found] = request.ledger
            await request.record_intent([replace(found, remote_id="row-1", confirmed=True)])
            # It does not come back as an intent with those of the next write.
            await request.record_intent([])
            await gate(request)

        world.memory.steps["begin"] = record
        await world.start()
        await gate.reached()
        assert await world.ledger(sync) == [replace(intent, remote_id="row-1", confirmed=True)]

    async def test_writes_are_told_with_their_age_unless_they_were_refused(
        self, world: World
    ) -> None:
        sync = await world.add_sync()
        told: list[dict[str, float]] = []

        async def record(request: RunRequest) -> None:
            told.append(dict(request.written_from))
            await request.record_intent([], "1")
            await request.record_intent([], failed="1")
            await request.record_intent([], "2")

        world.memory.steps["begin"] = record
        await world.start()
        await world.ended(await world.enqueue(sync))
        world.clock.advance(7)
        await world.ended(await world.enqueue(sync))
        assert told == [{}, {"2": 7.0}]

    async def test_a_write_that_arrives_late_is_recognised(self, world: World) -> None:
        """A killed process has sent it; the next run finds the destination as it was before."""
        sync = await world.add_sync()
        run = await cut_short(world, "write", sync)
        await world.disk.write(lambda tx: tx.secrets.delete(["s-dev-/-K"]))
        await world.start()
        assert (await world.ended(run)).message == "nothing to do"
        [intent] = await world.ledger(sync)
        assert (intent.identity, intent.confirmed) == ("k@", False)
        document = world.memory.at("main")
        document.rows["k@"] = Row("late", "/ of K")
        document.version += 1
        assert (await world.sync(sync)).message == "1 deleted"
        assert document.rows == {}
        assert await world.ledger(sync) == []

    async def test_a_write_that_can_arrive_no_more_is_forgotten(self, world: World) -> None:
        sync = await world.add_sync()
        run = await cut_short(world, "write", sync)
        await world.disk.write(lambda tx: tx.secrets.delete(["s-dev-/-K"]))
        world.memory.at("main").change_by_somebody_else()
        await world.start()
        assert (await world.ended(run)).message == "nothing to do"
        assert await world.ledger(sync) == []

    async def _die(self, world: World) -> None:
        """End all of an engine's tasks as the end of a process does: no farewell is written."""
        engine = world.engine
        assert engine._dispatcher
        tasks = [engine._dispatcher, *engine._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await world.http.close()
        await world.disk.close()


async def test_a_first_run_is_the_first_until_one_has_succeeded(world: World) -> None:
    async def fail(_: RunRequest) -> None:
        raise RuntimeError

    async def initialized() -> bool:
        stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert stored
        return stored.initialized

    sync = await world.add_sync()
    await world.start()
    await world.ended(await world.enqueue(sync, RunAction.REMOVE))
    assert not await initialized()
    world.memory.steps["begin"] = fail
    await world.sync(sync)
    assert not await initialized()
    del world.memory.steps["begin"]
    await world.sync(sync)
    assert await initialized()
