"""Checks for drift: when they are queued, what they give way to, and what they find."""

from dataclasses import replace
from typing import Any

import pytest
from engine_kit import Gate, World, eventually
from places_kit import change
from planning_destination import make_plans

from secretsync.adapter import PermissionDenied, RunRequest, Unavailable
from secretsync.domain.drift import DriftPolicy
from secretsync.domain.entities import (
    RunAction,
    RunState,
    RunTrigger,
    SecretSync,
    SyncOptions,
    SyncRun,
)
from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.domain.pauses import Pause
from secretsync.domain.problems import Reason
from secretsync.domain.runs import RetryPolicy
from secretsync.engine.checks import NO_DRIFT, NOTHING_WRITTEN, UNSETTLED
from secretsync.engine.schedules import begin_times, queue_due

CHECK, SYNC, REMOVE = RunAction.CHECK, RunAction.SYNC, RunAction.REMOVE
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _plans(world: World) -> None:
    make_plans(world)


async def add_sync(
    world: World,
    policy: DriftPolicy = DriftPolicy.DETECT,
    slug: str = "main",
    **changes: Any,  # noqa: ANN401
) -> SecretSync:
    """Store a sync that is looked at every hour."""
    options = SyncOptions(drift_policy=policy, drift_interval=HOUR)
    sync = begin_times(await world.add_sync(slug, options=options, **changes), world.clock())
    await world.disk.write(lambda tx: tx.syncs.update(sync))
    return sync


async def synced(
    world: World,
    policy: DriftPolicy = DriftPolicy.DETECT,
    **settings: Any,  # noqa: ANN401
) -> SecretSync:
    """Return a sync whose first run has succeeded, in a running engine."""
    sync = await add_sync(world, policy)
    await world.start(**settings)
    assert (await world.sync(sync)).state is RunState.SUCCEEDED
    return sync


async def tick(world: World, seconds: float = HOUR) -> None:
    """Let time pass, and let the engine look at the clock."""
    world.clock.advance(seconds)
    await world.disk.write(lambda tx: queue_due(tx, world.clock()))
    world.engine.wake()


async def check(world: World, sync: SecretSync) -> SyncRun:
    return await world.ended(await world.enqueue(sync, CHECK))


async def keys(world: World, sync: SecretSync) -> dict[str, SyncKey]:
    found = await world.disk.read(lambda tx: tx.key_states.of_sync(sync.uid))
    return {key.name: key for key in found}


async def triggers(world: World, sync: SecretSync) -> list[tuple[RunAction, RunTrigger]]:
    return [(run.action, run.trigger) for run in await world.runs(sync)]


class TestWhenItIsTime:
    @pytest.mark.parametrize(
        ("policy", "action"), [(DriftPolicy.DETECT, CHECK), (DriftPolicy.REPAIR, SYNC)]
    )
    async def test_the_policy_says_what_is_queued(
        self, world: World, policy: DriftPolicy, action: RunAction
    ) -> None:
        sync = await synced(world, policy)
        await tick(world)
        [_, run] = await world.runs(sync)
        assert (run.action, run.trigger) == (action, RunTrigger.DRIFT)
        assert (await world.ended(run)).state is RunState.SUCCEEDED
        assert [call for _, call in world.memory.calls] == [
            "sync",
            {CHECK: "plan"}.get(action, "sync"),
        ]
        assert world.memory.at("main").writes == 1

    async def test_without_a_policy_nothing_is(self, world: World) -> None:
        sync = await synced(world, DriftPolicy.OFF)
        await tick(world, 400 * 86400)
        assert len(await world.runs(sync)) == 1

    async def test_many_syncs_spread_over_the_whole_interval(self, world: World) -> None:
        base = await world.add_sync()
        options = SyncOptions(drift_policy=DriftPolicy.DETECT, drift_interval=HOUR)
        waits = sorted(
            (begin_times(each, world.clock()).next_check_time - world.clock()).total_seconds()  # type: ignore[operator]
            for each in (replace(base, uid=f"y-{n}", options=options) for n in range(400))
        )
        assert 0 < waits[0] < 60
        assert 1500 < waits[200] < 2100
        assert 3540 < waits[-1] <= HOUR

    async def test_times_that_were_missed_lead_to_one_look(self, world: World) -> None:
        sync = await synced(world)
        await tick(world, 30 * 86400)
        [_, run] = await world.runs(sync)
        await world.ended(run)
        await tick(world, 0)
        assert len(await world.runs(sync)) == 2

    async def test_a_disabled_or_paused_sync_is_not_looked_at(self, world: World) -> None:
        sync = await synced(world)
        everything = Pause(name="-", create_time=world.clock())
        await world.disk.write(lambda tx: tx.pauses.put(everything))
        await tick(world)
        assert len(await world.runs(sync)) == 1
        await world.disk.write(lambda tx: tx.pauses.delete("-"))
        stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert stored is not None
        disabled = begin_times(replace(stored, is_enabled=False), world.clock())
        assert disabled.next_check_time is None
        await world.disk.write(lambda tx: tx.syncs.update(disabled))
        await tick(world, 10 * HOUR)
        assert len(await world.runs(sync)) == 1

    @pytest.mark.parametrize("policy", [DriftPolicy.DETECT, DriftPolicy.REPAIR])
    async def test_what_was_never_written_is_not_written_because_of_drift(
        self, world: World, policy: DriftPolicy
    ) -> None:
        sync = await add_sync(world, policy)
        await tick(world)
        assert await world.runs(sync) == []

    @pytest.mark.parametrize("policy", [DriftPolicy.DETECT, DriftPolicy.REPAIR])
    @pytest.mark.parametrize("leaves_something", [True, False])
    async def test_what_was_removed_on_purpose_is_not_put_back(
        self,
        world: World,
        policy: DriftPolicy,
        leaves_something: bool,  # noqa: FBT001
    ) -> None:
        sync = await synced(world, policy)
        ledger = await world.ledger(sync)
        await world.ended(await world.enqueue(sync, REMOVE))
        if leaves_something:
            await world.disk.write(lambda tx: tx.ledger.replace(sync.uid, ledger))
        await tick(world)
        assert [action for action, _ in await triggers(world, sync)] == [SYNC, REMOVE]
        assert world.memory.at("main").values() == {}

    async def test_nor_is_it_if_another_removal_was_called_off_before_it_began(
        self, world: World
    ) -> None:
        sync = await synced(world, DriftPolicy.REPAIR)
        ledger = await world.ledger(sync)
        await world.ended(await world.enqueue(sync, REMOVE))
        # As of what could not be seen.
        await world.disk.write(lambda tx: tx.ledger.replace(sync.uid, ledger))
        await world.stop_dispatching()
        again = await world.enqueue(sync, REMOVE)
        await world.disk.write(lambda tx: world.engine.cancel(tx, again))
        await tick(world)
        assert [action for action, _ in await triggers(world, sync)] == [SYNC, REMOVE, REMOVE]

    async def test_a_removal_that_was_refused_keeps_nobody_from_looking(self, world: World) -> None:
        sync = await synced(world)
        stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert stored is not None
        options = replace(stored.options, require_approval=True)
        await world.disk.write(lambda tx: tx.syncs.update(replace(stored, options=options)))
        removal = await world.enqueue(sync, REMOVE)

        async def awaiting() -> SyncRun | None:
            return await world.disk.read(lambda tx: tx.runs.awaiting_approval(sync.uid))

        removal = await eventually(awaiting)
        await tick(world)
        assert (await triggers(world, sync))[2:] == []
        await world.disk.write(lambda tx: world.engine.cancel(tx, removal))
        await tick(world)
        assert (await triggers(world, sync))[2:] == [(CHECK, RunTrigger.DRIFT)]

    async def test_a_removal_that_was_called_off_in_the_middle_is_not_undone(
        self, world: World
    ) -> None:
        await world.set_value("L", "/ of L")
        sync = await synced(world, DriftPolicy.REPAIR)
        world.memory.refused = {"L"}
        removal = await world.failed_attempt(await world.enqueue(sync, REMOVE), 1)
        assert not removal.may_have_written
        await world.disk.write(lambda tx: world.engine.cancel(tx, removal))
        await tick(world)
        assert (await triggers(world, sync))[2:] == []
        assert world.memory.at("main").values() == {"l@": "/ of L"}

    async def test_a_run_called_off_before_it_began_does_not_end_the_looking(
        self, world: World
    ) -> None:
        sync = await synced(world)
        await world.ended(await world.enqueue(sync, REMOVE))
        await world.sync(sync)
        await world.stop_dispatching()
        waiting = await world.enqueue(sync)
        await world.disk.write(lambda tx: world.engine.cancel(tx, waiting))
        await tick(world)
        assert (await triggers(world, sync))[4:] == [(CHECK, RunTrigger.DRIFT)]

    async def test_a_run_that_waits_finds_out_and_keeps_its_time(self, world: World) -> None:
        sync = await synced(world, DriftPolicy.REPAIR, retry=RetryPolicy())
        world.memory.steps["begin"] = failing(PermissionDenied("No."))
        await world.ended(await world.enqueue(sync))
        [*_, retry] = await world.runs(sync)
        assert retry.trigger is RunTrigger.RETRY
        await world.disk.write(
            lambda tx: tx.runs.update(replace(retry, not_before=world.clock.now.replace(year=2030)))
        )
        before = await world.runs(sync)
        await tick(world)
        assert await world.runs(sync) == before


def failing(error: Exception) -> Any:  # noqa: ANN401
    async def step(request: RunRequest) -> None:
        del request
        raise error

    return step


class TestTheQueue:
    async def test_a_check_gives_way_to_everything_that_waits(self, world: World) -> None:
        sync = await add_sync(world)
        waiting = await world.enqueue(sync, CHECK)
        real = await world.enqueue(sync, SYNC, RunTrigger.SOURCE_CHANGE)
        ended = await world.run(waiting)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        again = await world.enqueue(sync, CHECK)
        assert again.uid == real.uid
        assert [run.state for run in await world.runs(sync)] == [RunState.FAILED, RunState.PENDING]

    async def test_asking_for_a_check_does_not_hurry_the_run_that_waits(self, world: World) -> None:
        sync = await add_sync(world)
        later = world.clock().replace(year=2030)
        run = await world.enqueue_quietly(sync)
        waiting = replace(run, not_before=later, attempt=2)
        await world.disk.write(lambda tx: tx.runs.update(waiting))
        joined = await world.enqueue(sync, CHECK)
        assert (joined.uid, joined.not_before, joined.attempt) == (run.uid, later, 2)

    async def test_checks_start_only_when_no_other_run_can(self, world: World) -> None:
        first, second = await add_sync(world, slug="a"), await add_sync(world, slug="b")
        await world.enqueue(first, CHECK)
        real = await world.enqueue(second, SYNC)
        claimed = await world.disk.write(
            lambda tx: tx.runs.claim(world.clock(), world.clock().replace(year=2030), 5)
        )
        assert claimed is not None
        assert claimed.uid == real.uid

    @pytest.mark.parametrize("is_cut_short", [False, True])
    async def test_a_check_that_comes_to_nothing_does_not_hold_up_the_sync_that_waits(
        self, world: World, *, is_cut_short: bool
    ) -> None:
        sync = await synced(world)
        gate = Gate()

        async def fail(request: RunRequest) -> None:
            await gate(request)
            raise Unavailable("Down.", retry_after=3600)

        world.memory.steps["begin"] = fail
        run = await world.enqueue(sync, CHECK)
        await gate.reached()
        real = await world.enqueue(sync, SYNC, RunTrigger.SOURCE_CHANGE)
        # Whatever becomes of the check, nothing else begins.
        await world.stop_dispatching()
        if is_cut_short:
            await world.engine.stop(grace=0)
        gate.open()
        assert (await world.ended(run)).error_reason is Reason.SUPERSEDED
        assert await world.run(real) == real

    async def test_a_sync_that_will_be_tried_again_does_not_give_way_to_a_check(
        self, world: World
    ) -> None:
        sync = await synced(world)
        gate = Gate()

        async def fail(request: RunRequest) -> None:
            await gate(request)
            raise Unavailable("Down.")

        world.memory.steps["begin"] = fail
        real = await world.enqueue(sync)
        await gate.reached()
        asked = await world.enqueue(sync, CHECK)
        assert asked.action is CHECK
        gate.open()
        assert (await world.ended(asked)).error_reason is Reason.SUPERSEDED
        assert (await world.failed_attempt(real, 1)).error_reason is Reason.DESTINATION_UNAVAILABLE

    async def test_nor_does_what_is_to_be_done_later(self, world: World) -> None:
        sync = await synced(world, retry=RetryPolicy())
        gate = Gate()

        async def fail(request: RunRequest) -> None:
            await gate(request)
            raise PermissionDenied("No.")

        world.memory.steps["begin"] = fail
        real = await world.enqueue(sync)
        await gate.reached()
        asked = await world.enqueue(sync, CHECK)
        gate.open()
        assert (await world.ended(real)).state is RunState.FAILED
        assert (await world.run(asked)).error_reason is Reason.SUPERSEDED
        [*_, retry] = await world.runs(sync)
        assert (retry.trigger, retry.state) == (RunTrigger.RETRY, RunState.PENDING)

    async def test_a_restart_keeps_the_sync_and_drops_the_check(self, world: World) -> None:
        sync = await synced(world)
        gate = Gate()
        world.memory.steps["begin"] = gate
        real = await world.enqueue(sync)
        await gate.reached()
        asked = await world.enqueue(sync, CHECK)
        await world.engine.stop(grace=0)
        assert (await world.run(real)).state is RunState.PENDING
        assert (await world.run(asked)).error_reason is Reason.SUPERSEDED

    async def test_disabling_ends_a_check_that_waits(self, world: World) -> None:
        sync = await add_sync(world)
        waiting = await world.enqueue(sync, CHECK)
        await change(world, sync, is_enabled=False)
        assert (await world.run(waiting)).error_reason is Reason.SYNC_DISABLED

    async def test_none_of_a_disabled_sync_is_claimed(self, world: World) -> None:
        sync = await add_sync(world, is_enabled=False)
        await world.enqueue(sync, CHECK)
        claimed = await world.disk.write(
            lambda tx: tx.runs.claim(world.clock(), world.clock().replace(year=2030), 5)
        )
        assert claimed is None


class TestWhatItFinds:
    async def test_all_is_well(self, world: World) -> None:
        sync = await synced(world)
        before = await keys(world, sync)
        run = await check(world, sync)
        assert (run.state, run.message, run.lease_until) == (RunState.SUCCEEDED, NO_DRIFT, None)
        assert await keys(world, sync) == before

    async def test_a_change_by_somebody_else_is_seen_and_nothing_is_written(
        self, world: World
    ) -> None:
        sync = await synced(world)
        ledger = await world.ledger(sync)
        world.memory.at("main").change_by_somebody_else()
        run = await check(world, sync)
        assert run.message == "1 drifted: K"
        [key] = (await keys(world, sync)).values()
        assert (key.state, key.reason) == (
            KeyState.DRIFTED,
            "the document was changed by somebody else",
        )
        assert world.memory.at("main").writes == 1
        assert await world.ledger(sync) == ledger
        stored = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert stored is not None
        assert (stored.key_counts, stored.drift_time) == ({KeyState.DRIFTED: 1}, key.state_time)

    async def test_a_sync_run_repairs_it_once(self, world: World) -> None:
        sync = await synced(world)
        world.memory.at("main").change_by_somebody_else()
        await check(world, sync)
        await world.sync(sync)
        [key] = (await keys(world, sync)).values()
        assert (key.state, key.reason) == (KeyState.SYNCED, "")
        assert world.memory.at("main").writes == 2
        assert (await check(world, sync)).message == NO_DRIFT
        await world.sync(sync)
        assert world.memory.at("main").writes == 2

    async def test_a_change_at_the_source_is_no_drift(self, world: World) -> None:
        sync = await synced(world)
        await world.set_value("K", "new")
        await world.set_value("L", "new")
        assert (await check(world, sync)).message == NO_DRIFT
        assert [key.state for key in (await keys(world, sync)).values()] == [KeyState.SYNCED]

    async def test_our_own_writes_are_no_drift_of_another_sync(self, world: World) -> None:
        sync = await synced(world)
        config = {"place": "main", "scope": "other"}
        other = await world.add_sync("other", destination_config=config)
        await world.sync(other)
        assert world.memory.at("main").writes == 2
        for each in (sync, other):
            assert (await check(world, each)).message == NO_DRIFT

    async def test_with_nothing_written_nothing_is_asked(self, world: World) -> None:
        sync = await add_sync(world)
        await world.start()
        assert (await check(world, sync)).message == NOTHING_WRITTEN
        assert world.memory.calls == []

    async def test_with_a_write_that_may_still_arrive_nothing_is_said(self, world: World) -> None:
        sync = await synced(world)
        gate = Gate()
        world.memory.steps["written"] = gate
        await world.set_value("K", "new")
        run = await world.enqueue(sync)
        await gate.reached()
        running = await world.run(run)
        await world.disk.write(lambda tx: world.engine.cancel(tx, running))
        world.engine.wake()
        await world.ended(run)
        world.memory.steps.clear()
        before = await keys(world, sync)
        calls = len(world.memory.calls)
        assert (await check(world, sync)).message == UNSETTLED
        assert (await keys(world, sync), len(world.memory.calls)) == (before, calls)

    async def test_any_number_of_checks_makes_no_run_write_again(self, world: World) -> None:
        sync = await synced(world)
        for _ in range(25):
            await check(world, sync)
        failed = failing(PermissionDenied("No."))
        world.memory.steps["begin"] = failed
        assert (await check(world, sync)).state is RunState.FAILED
        world.memory.steps.clear()
        await world.sync(sync)
        assert world.memory.at("main").writes == 1

    async def test_checks_do_not_hide_that_the_run_before_them_was_cut_short(
        self, world: World
    ) -> None:
        sync = await synced(world)
        runs = await world.runs(sync)
        cut = replace(runs[0], uid="cut", state=RunState.FAILED, may_have_written=True, seq=0)
        await world.disk.write(lambda tx: tx.runs.insert(cut))
        for _ in range(25):
            assert (await check(world, sync)).message == UNSETTLED
        await world.sync(sync)
        assert world.memory.at("main").writes == 2


class TestHistory:
    @pytest.mark.parametrize("policy", [DriftPolicy.DETECT, DriftPolicy.REPAIR])
    async def test_looks_that_find_the_same_leave_one_run(
        self, world: World, policy: DriftPolicy
    ) -> None:
        sync = await synced(world, policy)
        for _ in range(3):
            await tick(world)
            [*_, run] = await world.runs(sync)
            await world.ended(run)
        assert len(await world.runs(sync)) == 2
        world.memory.at("main").change_by_somebody_else()
        await tick(world)
        [*_, run] = await world.runs(sync)
        await world.ended(run)
        assert len(await world.runs(sync)) == 3

    async def test_a_check_that_somebody_asked_for_stays(self, world: World) -> None:
        sync = await synced(world)
        asked = [(await check(world, sync)).uid for _ in range(2)]
        await tick(world)
        [*_, run] = await world.runs(sync)
        await world.ended(run)
        assert [each.uid for each in await world.runs(sync)][1:] == [*asked, run.uid]
