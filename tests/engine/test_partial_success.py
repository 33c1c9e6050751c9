"""Single keys that fail: the rest stays done, and they are tried again, by themselves."""

import pytest
from engine_kit import RETRY, World

from secretsync.adapter import Action, RunRequest, Unavailable
from secretsync.domain.attempts import AttemptOutcome
from secretsync.domain.entities import RunAction, RunState, SecretSync, SyncRun
from secretsync.domain.problems import Reason

ATTEMPTS = RETRY.max_attempts


def actions(run: SyncRun) -> dict[str, Action]:
    return {each.key: each.action for each in run.outcome.keys}


async def to_the_end(world: World, run: SyncRun) -> SyncRun:
    """Let every attempt of a run be made, and return it when it has ended."""
    for attempt in range(1, ATTEMPTS):
        await world.failed_attempt(run, attempt)
        world.clock.advance(60)
        world.engine.wake()
    return await world.ended(run)


@pytest.fixture
async def sync(world: World) -> SecretSync:
    await world.set_value("L", "of L")
    return await world.add_sync()


async def test_what_failed_is_tried_again_and_nothing_else(world: World, sync: SecretSync) -> None:
    await world.start()
    world.memory.refused = {"L"}
    run = await world.enqueue(sync)
    waiting = await world.failed_attempt(run, 1)
    assert waiting.error_reason is Reason.KEYS_FAILED
    assert "1 failed: L: refused" in waiting.message
    assert actions(waiting) == {"K": Action.CREATED, "L": Action.FAILED}
    # The ledger is that of the attempt: what it wrote is ours, and certain.
    assert [entry.key for entry in await world.ledger(sync)] == ["K"]
    world.memory.refused = set()
    world.clock.advance(60)
    world.engine.wake()
    ended = await world.ended(run)
    assert ended.state is RunState.SUCCEEDED
    assert [request.known_versions for request in world.memory.requests][1] >= {"2"}
    # The run has created both, and says so.
    assert actions(ended) == {"K": Action.CREATED, "L": Action.CREATED}
    assert (ended.outcome.counts, ended.message) == ({Action.CREATED: 2}, "2 created")
    assert [each.outcome for each in ended.attempts] == [
        AttemptOutcome.PARTIALLY_SUCCEEDED,
        AttemptOutcome.SUCCEEDED,
    ]
    assert world.memory.at("main").values() == {"k@": "/ of K", "l@": "of L"}


async def test_a_later_run_finishes_it(world: World, sync: SecretSync) -> None:
    await world.start()
    world.memory.refused = {"L"}
    ended = await to_the_end(world, await world.enqueue(sync))
    assert (ended.state, ended.error_reason) == (RunState.PARTIALLY_SUCCEEDED, Reason.KEYS_FAILED)
    assert ended.message == "1 failed: L: refused (gave up after 3 attempts)"
    assert actions(ended) == {"K": Action.CREATED, "L": Action.FAILED}
    assert (ended.attempt, len(ended.attempts)) == (ATTEMPTS, ATTEMPTS)
    # Not all of it was there yet, so the first run has not been.
    stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
    assert stored
    assert not stored.initialized
    world.memory.refused = set()
    finished = await world.sync(sync)
    assert actions(finished) == {"K": Action.UNCHANGED, "L": Action.CREATED}
    assert finished.state is RunState.SUCCEEDED
    stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
    assert stored
    assert stored.initialized


async def test_if_nothing_was_written_the_run_has_failed(world: World, sync: SecretSync) -> None:
    await world.start()
    world.memory.refused = {"K", "L"}
    ended = await to_the_end(world, await world.enqueue(sync))
    assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.KEYS_FAILED)
    assert set(actions(ended).values()) == {Action.FAILED}


async def test_the_old_value_stays_ours_and_is_written_again(
    world: World, sync: SecretSync
) -> None:
    await world.start()
    await world.sync(sync)
    await world.set_value("L", "new")
    world.memory.refused = {"L"}
    run = await world.enqueue(sync)
    ended = await to_the_end(world, run)
    # What had to be written failed, and nothing else had to be.
    assert actions(ended) == {"K": Action.UNCHANGED, "L": Action.FAILED}
    assert ended.state is RunState.FAILED
    assert sorted(entry.key for entry in await world.ledger(sync)) == ["K", "L"]
    world.memory.refused = set()
    assert actions(await world.sync(sync)) == {"K": Action.UNCHANGED, "L": Action.UPDATED}
    assert world.memory.at("main").values()["l@"] == "new"


async def test_an_attempt_without_a_result_keeps_what_was_done(
    world: World, sync: SecretSync
) -> None:
    async def begin(_: RunRequest) -> None:
        if len(world.memory.calls) > 1:
            raise Unavailable("it is down")

    world.memory.steps["begin"] = begin
    await world.start()
    world.memory.refused = {"L"}
    ended = await to_the_end(world, await world.enqueue(sync))
    assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.DESTINATION_UNAVAILABLE)
    assert actions(ended) == {"K": Action.CREATED, "L": Action.FAILED}


async def test_a_removal_that_removes_a_part(world: World, sync: SecretSync) -> None:
    await world.start()
    await world.sync(sync)
    world.memory.refused = {"L"}
    ended = await to_the_end(world, await world.enqueue(sync, RunAction.REMOVE))
    assert ended.state is RunState.PARTIALLY_SUCCEEDED
    assert actions(ended) == {"K": Action.DELETED, "L": Action.FAILED}
    assert [entry.key for entry in await world.ledger(sync)] == ["L"]


async def test_a_sync_is_not_deleted_with_secrets_left(world: World, sync: SecretSync) -> None:
    await world.start()
    await world.sync(sync)
    world.memory.refused = {"L"}
    run = await world.enqueue(sync, RunAction.REMOVE, delete_sync=True)
    ended = await to_the_end(world, run)
    assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.REMOVAL_FAILED)
    assert await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))


async def test_a_newer_run_takes_over_what_failed(world: World, sync: SecretSync) -> None:
    async def written(_: RunRequest) -> None:
        if len(world.memory.calls) == 1:
            # Somebody asks again while the attempt is at work.
            newer.append(await world.enqueue(sync))

    newer: list[SyncRun] = []
    world.memory.steps["written"] = written
    await world.start()
    world.memory.refused = {"L"}
    first = await world.enqueue(sync)
    superseded = await world.ended(first)
    assert superseded.error_reason is Reason.SUPERSEDED
    waiting = await world.run(newer[0])
    assert (waiting.attempt, waiting.error_reason) == (1, Reason.KEYS_FAILED)
    world.memory.refused = set()
    world.clock.advance(60)
    world.engine.wake()
    assert (await world.ended(newer[0])).state is RunState.SUCCEEDED
