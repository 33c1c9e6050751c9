"""Runs that keep to a plan in the queue: what was asked for besides is never lost."""

from engine_kit import Gate, World

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Reason
from secretsync.engine.queue import RunTerms

APPROVED = RunTerms(fingerprint=".".join(["0" * 32] * 4))


async def approve(world: World, sync: SecretSync) -> SyncRun:
    """Queue a run that keeps to a plan; this destination makes none, so the run fails."""
    run = await world.disk.write(
        lambda tx: world.engine.enqueue(tx, sync, RunAction.SYNC, RunTrigger.MANUAL, terms=APPROVED)
    )
    world.engine.wake()
    return run


async def test_the_run_whose_place_it_took_is_made_up_for(world: World) -> None:
    sync = await world.add_sync()
    change = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
    approved = await approve(world, sync)
    assert (await world.run(change)).error_reason is Reason.SUPERSEDED
    assert approved.follow_up is RunTrigger.SOURCE_CHANGE
    await world.start()
    assert (await world.ended(approved)).error_reason is Reason.UNSUPPORTED
    following = (await world.runs(sync))[-1]
    assert following.trigger is RunTrigger.SOURCE_CHANGE
    assert (await world.ended(following)).state is RunState.SUCCEEDED
    assert world.memory.at("main").values() == {"k@": "/ of K"}


async def test_a_run_that_a_restart_cut_short_is_made_up_for(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    first = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
    await gate.reached()
    approved = await approve(world, sync)
    assert approved.follow_up is None
    await world.engine.stop(grace=0)
    assert (await world.run(first)).error_reason is Reason.SUPERSEDED
    assert (await world.run(approved)).follow_up is RunTrigger.SOURCE_CHANGE
    gate.open()
    await world.start()
    await world.ended(approved)
    following = (await world.runs(sync))[-1]
    assert (await world.ended(following)).state is RunState.SUCCEEDED
    assert world.memory.at("main").values() == {"k@": "/ of K"}


async def test_nothing_follows_if_the_sync_was_disabled(world: World) -> None:
    sync = await world.add_sync(is_enabled=False)
    await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
    removal = RunTerms(fingerprint=APPROVED.fingerprint)
    run = await world.disk.write(
        lambda tx: world.engine.enqueue(
            tx, sync, RunAction.REMOVE, RunTrigger.MANUAL, terms=removal
        )
    )
    await world.start()
    assert (await world.ended(run)).error_reason is Reason.UNSUPPORTED
    assert (await world.runs(sync))[-1].uid == run.uid


async def test_a_plain_run_that_is_tried_again_leaves_its_trigger_to_the_approved_one(
    world: World,
) -> None:
    sync = await world.add_sync()
    run = await world.enqueue(sync, trigger=RunTrigger.UPDATE)
    waiting = await approve(world, sync)
    assert waiting.follow_up is RunTrigger.UPDATE
    joined = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
    assert (joined.uid, joined.follow_up) == (waiting.uid, RunTrigger.UPDATE)
    assert (await world.run(run)).state is RunState.FAILED
