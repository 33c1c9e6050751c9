"""What is still to come when a run that must keep to a plan comes to nothing, and what is not."""

import random
from dataclasses import replace

import pytest
from engine_kit import RETRY, World, eventually

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.finish import finish_attempt
from secretsync.engine.queue import RunTerms
from secretsync.engine.report import RunReport

FIRST, SECOND = (".".join([digit * 32] * 4) for digit in "01")
OPEN = {RunState.PENDING, RunState.RUNNING}


async def approve(
    world: World, sync: SecretSync, fingerprint: str = FIRST, action: RunAction = RunAction.SYNC
) -> SyncRun:
    """Queue a run that keeps to a plan; this destination makes none, so the run fails."""
    terms = RunTerms(fingerprint=fingerprint)
    run = await world.disk.write(
        lambda tx: world.engine.enqueue(tx, sync, action, RunTrigger.MANUAL, terms=terms)
    )
    world.engine.wake()
    return run


async def settled(world: World, sync: SecretSync) -> list[SyncRun]:
    """Return a sync's runs once none waits or is under way."""

    async def condition() -> list[SyncRun]:
        runs = await world.runs(sync)
        return [] if any(run.state in OPEN for run in runs) else runs

    return await eventually(condition)


async def claim(world: World, run: SyncRun) -> SyncRun:
    """Begin an attempt of a run, as a worker does."""
    now = world.clock()
    claimed = await world.disk.write(lambda tx: tx.runs.claim(now, now, 5))
    assert claimed is not None
    assert claimed.uid == run.uid
    return claimed


async def outdate(world: World, run: SyncRun) -> SyncRun:
    """End the attempt of a run because its plan is out of date."""
    report = RunReport(problem=Problem(Code.ABORTED, Reason.PLAN_OUTDATED, "the source moved"))
    now, rng = world.clock(), random.Random(1)  # noqa: S311  jitter, not a secret
    return await world.disk.write(
        lambda tx: finish_attempt(tx, run, report, policy=RETRY, now=now, rng=rng)
    )


class TestWhoeverAsksForAPlanAsksForNothingElse:
    async def test_one_plan_after_another(self, world: World) -> None:
        sync = await world.add_sync()
        await approve(world, sync)
        await approve(world, sync, SECOND)
        await world.start()
        runs = await settled(world, sync)
        assert [run.error_reason for run in runs] == [Reason.SUPERSEDED, Reason.UNSUPPORTED]
        assert world.memory.at("main").values() == {}

    @pytest.mark.parametrize("action", [RunAction.SYNC, RunAction.REMOVE])
    async def test_after_a_restart_too(self, world: World, action: RunAction) -> None:
        sync = await world.add_sync()
        first = await approve(world, sync, action=action)
        await claim(world, first)
        second = await approve(world, sync, SECOND)
        await world.disk.write(lambda tx: tx.runs.release_all(world.clock()))
        assert (await world.run(first)).error_reason is Reason.SUPERSEDED
        assert (await world.run(second)).follow_up is None

    async def test_a_plan_after_a_removal(self, world: World) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, RunAction.REMOVE)
        await approve(world, sync)
        await world.start()
        runs = await settled(world, sync)
        assert [run.error_reason for run in runs] == [Reason.SUPERSEDED, Reason.UNSUPPORTED]
        assert world.memory.at("main").values() == {}

    async def test_a_plan_after_a_removal_that_is_tried_again(self, world: World) -> None:
        sync = await world.add_sync()
        removal = await claim(world, await world.enqueue(sync, RunAction.REMOVE))
        approved = await approve(world, sync)
        report = RunReport(
            problem=Problem(Code.UNAVAILABLE, Reason.DESTINATION_UNAVAILABLE, "no"), transient=True
        )
        now, rng = world.clock(), random.Random(1)  # noqa: S311  jitter, not a secret
        await world.disk.write(
            lambda tx: finish_attempt(tx, removal, report, policy=RETRY, now=now, rng=rng)
        )
        assert (await world.run(removal)).error_reason is Reason.SUPERSEDED
        assert (await world.run(approved)).follow_up is None


class TestWhatIsAskedForMeanwhile:
    """While a plan is under way that took the place of a run by hand."""

    @pytest.mark.parametrize("delete_sync", [False, True])
    async def test_a_removal_stays(self, world: World, *, delete_sync: bool) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync)
        approved = await claim(world, await approve(world, sync))
        assert approved.follow_up is RunTrigger.MANUAL
        removal = await world.enqueue(sync, RunAction.REMOVE, delete_sync=delete_sync)
        await outdate(world, approved)
        kept = replace(removal, follow_up=RunTrigger.MANUAL)
        assert await world.run(removal) == kept
        assert len(await world.runs(sync)) == 3

    async def test_another_plan_takes_over_what_is_due(self, world: World) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        approved = await claim(world, await approve(world, sync))
        second = await approve(world, sync, SECOND)
        assert second.follow_up is None
        await outdate(world, approved)
        assert (await world.run(second)).follow_up is RunTrigger.SOURCE_CHANGE

    async def test_a_run_that_answers_it_is_enough(self, world: World) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        approved = await claim(world, await approve(world, sync))
        change = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        await outdate(world, approved)
        assert [run.uid for run in (await world.runs(sync))[2:]] == [change.uid]

    async def test_a_check_is_none(self, world: World) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        approved = await claim(world, await approve(world, sync))
        check = await world.enqueue(sync, RunAction.CHECK)
        assert check.state is RunState.PENDING
        await outdate(world, approved)
        assert (await world.run(check)).error_reason is Reason.SUPERSEDED
        last = (await world.runs(sync))[-1]
        assert (last.trigger, last.state) == (RunTrigger.SOURCE_CHANGE, RunState.PENDING)


class TestWhenItIsCancelled:
    """What came while a plan waited is not what is cancelled."""

    async def test_while_it_waits(self, world: World) -> None:
        sync = await world.add_sync()
        approved = await approve(world, sync)
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        await world.disk.write(
            lambda tx: world.engine.cancel(tx, tx.runs.get(sync.uid, approved.uid))
        )
        await world.start()
        assert [run.trigger for run in await settled(world, sync)] == [
            RunTrigger.MANUAL,
            RunTrigger.SOURCE_CHANGE,
        ]
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    @pytest.mark.parametrize("is_left", [False, True])
    async def test_while_it_is_under_way(self, world: World, *, is_left: bool) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        approved = await claim(world, await approve(world, sync))
        await world.disk.write(lambda tx: world.engine.cancel(tx, approved))
        if not is_left:
            assert (await outdate(world, approved)).error_reason is Reason.CANCELLED
        await world.start()
        runs = await settled(world, sync)
        assert runs[1].error_reason is Reason.CANCELLED
        assert [run.trigger for run in runs[2:]] == [RunTrigger.SOURCE_CHANGE]

    async def test_nothing_else_follows(self, world: World) -> None:
        sync = await world.add_sync()
        approved = await approve(world, sync)
        await world.disk.write(lambda tx: world.engine.cancel(tx, approved))
        assert [run.uid for run in await world.runs(sync)] == [approved.uid]


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.DESTINATION_UNAVAILABLE])
async def test_approving_again_is_due_at_once_unless_the_destination_asked_for_the_pause(
    world: World, reason: Reason
) -> None:
    sync = await world.add_sync()
    approved = await claim(world, await approve(world, sync))
    report = RunReport(
        problem=Problem(Code.UNAVAILABLE, reason, "no", retry_after=600.0), transient=True
    )
    now, rng = world.clock(), random.Random(1)  # noqa: S311  jitter, not a secret
    waiting = await world.disk.write(
        lambda tx: finish_attempt(tx, approved, report, policy=RETRY, now=now, rng=rng)
    )
    again = await approve(world, sync)
    assert again.uid == approved.uid
    if reason is Reason.RATE_LIMITED:
        assert (again.not_before, again.attempt) == (waiting.not_before, 1)
    else:
        assert (again.not_before, again.attempt) == (now, 0)


async def test_a_change_that_has_to_be_tried_again_is_left_to_the_plan_that_waits(
    world: World,
) -> None:
    sync = await world.add_sync()
    change = await claim(world, await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE))
    approved = await approve(world, sync)
    report = RunReport(
        problem=Problem(Code.UNAVAILABLE, Reason.DESTINATION_UNAVAILABLE, "no"), transient=True
    )
    now, rng = world.clock(), random.Random(1)  # noqa: S311  jitter, not a secret
    await world.disk.write(
        lambda tx: finish_attempt(tx, change, report, policy=RETRY, now=now, rng=rng)
    )
    assert (await world.run(approved)).follow_up is RunTrigger.SOURCE_CHANGE


async def test_a_change_whose_approved_plan_is_cancelled_is_given_up(world: World) -> None:
    sync = await world.add_sync()
    change = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
    approved = replace(change, approved_fingerprint=FIRST)
    await world.disk.write(lambda tx: tx.runs.update(approved))
    claimed = await claim(world, approved)
    await world.disk.write(lambda tx: world.engine.cancel(tx, claimed))
    assert (await outdate(world, claimed)).error_reason is Reason.CANCELLED
    assert [run.uid for run in await world.runs(sync)] == [change.uid]


class TestADeletionThatFails:
    """The sync is kept, and nobody tries the removal again."""

    @pytest.mark.parametrize("may_have_written", [False, True])
    async def test_what_came_before_and_meanwhile_is_still_due(
        self,
        world: World,
        may_have_written: bool,  # noqa: FBT001
    ) -> None:
        sync = await world.add_sync()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        removal = await claim(world, await world.enqueue(sync, RunAction.REMOVE, delete_sync=True))
        assert removal.follow_up is RunTrigger.SOURCE_CHANGE
        report = RunReport(
            problem=Problem(Code.FAILED_PRECONDITION, Reason.AUTHENTICATION_FAILED, "no"),
            write_announced=may_have_written,
        )
        now, rng = world.clock(), random.Random(1)  # noqa: S311  jitter, not a secret
        await world.disk.write(
            lambda tx: finish_attempt(tx, removal, report, policy=RETRY, now=now, rng=rng)
        )
        following = [(run.action, run.trigger) for run in (await world.runs(sync))[2:]]
        # What may be gone is not written again by itself.
        still_due = [] if may_have_written else [(RunAction.SYNC, RunTrigger.SOURCE_CHANGE)]
        assert following == still_due
