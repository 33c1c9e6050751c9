"""A burst of changes at the source leads to few runs, and the first of it is followed at once."""

from datetime import timedelta

import pytest
from engine_kit import START, Gate, World, eventually

from secretsync.adapter import AuthenticationFailed, RunRequest, SecretValue
from secretsync.domain.entities import RunState, RunTrigger, SecretSync, SyncRun
from secretsync.engine.engine_settings import EngineSettings
from secretsync.operations.secrets import SecretInput, set_secrets

DEV = "projects/shop/environments/dev"
INTERVAL = EngineSettings().change_interval
WRITES = 100


async def write(world: World, number: int) -> list[SyncRun]:
    """Set a secret as SetSecrets does, and return the runs that follow."""
    given = [SecretInput("K", SecretValue(f"value {number}"), "")]
    outcome = await world.disk.write(lambda tx: set_secrets(world.app, tx, DEV, "/", given))
    world.engine.wake()
    return list(outcome.runs)


async def at_rest(world: World, sync: SecretSync) -> list[SyncRun]:
    """Return a sync's runs when none of them is under way or due."""

    async def condition() -> list[SyncRun] | None:
        runs = await world.runs(sync)
        busy = [run for run in runs if not run.finish_time and run.not_before <= world.clock()]
        return None if busy else runs

    return await eventually(condition)


def value_of(world: World) -> str:
    return world.memory.at("main").rows["k@"].value


async def test_100_writes_within_a_second_lead_to_3_runs_at_most(world: World) -> None:
    sync = await world.add_sync()
    await world.start(change_interval=INTERVAL)
    for number in range(WRITES):
        await write(world, number)
        # The destination is as fast as can be: whatever is due has ended before the next write.
        await at_rest(world, sync)
        world.clock.advance(1 / WRITES)
    world.clock.advance(INTERVAL)
    world.engine.wake()
    runs = await at_rest(world, sync)
    assert [run.state for run in runs] == [RunState.SUCCEEDED] * len(runs)
    assert len(runs) <= 3
    assert value_of(world) == f"value {WRITES - 1}"


async def test_writes_while_a_run_is_at_work_lead_to_one_more(world: World) -> None:
    sync = await world.add_sync()
    gate = Gate()
    world.memory.steps["begin"] = gate
    await world.start()
    await write(world, 0)
    await gate.reached()
    for number in range(1, WRITES):
        await write(world, number)
    gate.open()
    runs = await at_rest(world, sync)
    assert [run.state for run in runs] == [RunState.SUCCEEDED] * 2
    assert value_of(world) == f"value {WRITES - 1}"


async def test_a_change_by_itself_is_followed_at_once(world: World) -> None:
    sync = await world.add_sync()
    await world.start(change_interval=INTERVAL)
    for number in range(3):
        [run] = await write(world, number)
        assert run.not_before == world.clock()
        assert (await world.ended(run)).state is RunState.SUCCEEDED
        assert value_of(world) == f"value {number}"
        world.clock.advance(INTERVAL)
    assert len(await world.runs(sync)) == 3


async def test_whoever_asks_does_not_wait_for_the_interval(world: World) -> None:
    sync = await world.add_sync()
    await world.start(change_interval=INTERVAL)
    await world.ended((await write(world, 0))[0])
    [waiting] = await write(world, 1)
    assert waiting.not_before == START + timedelta(seconds=INTERVAL)
    asked = await world.enqueue(sync)
    assert asked.uid == waiting.uid
    assert (await world.ended(asked)).state is RunState.SUCCEEDED
    assert value_of(world) == "value 1"


@pytest.mark.parametrize("trigger", [each for each in RunTrigger if each != "source-change"])
async def test_only_runs_that_follow_from_changes_keep_a_distance(
    world: World, trigger: RunTrigger
) -> None:
    sync = await world.add_sync()
    await world.start(change_interval=INTERVAL)
    await world.ended(await world.enqueue(sync, trigger=trigger))
    [run] = await write(world, 0)
    assert run.not_before == world.clock()
    await world.ended(run)
    assert (await world.enqueue(sync, trigger=trigger)).not_before == world.clock()


async def test_changes_do_not_hurry_what_fails(world: World) -> None:
    sync = await world.add_sync()

    async def refuse(_: RunRequest) -> None:
        raise AuthenticationFailed("no")

    world.memory.steps["begin"] = refuse
    await world.start(change_interval=INTERVAL)
    for number in range(WRITES):
        await write(world, number)
        await at_rest(world, sync)
        world.clock.advance(1 / WRITES)
    world.clock.advance(INTERVAL)
    world.engine.wake()
    await at_rest(world, sync)
    assert len(world.memory.calls) <= 3
