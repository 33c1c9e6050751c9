"""What waits in the queue: one run per sync, and who takes whose place."""

from typing import Any

import pytest
from engine_kit import START, Destination, Gate, World, eventually
from places_kit import change

from secretsync.adapter import RemoveRequest, RunResult, SecretValue, Unavailable, hookimpl
from secretsync.domain.attempts import AttemptOutcome
from secretsync.domain.entities import (
    FolderRef,
    RunAction,
    RunState,
    RunTrigger,
    SecretImport,
    SecretSync,
    SyncRun,
)
from secretsync.domain.problems import Problem, Reason
from secretsync.operations.secrets import SecretInput, delete_secrets, set_secrets
from secretsync.store.protocol import Transaction

DEV = "projects/shop/environments/dev"
SYNC, REMOVE = RunAction.SYNC, RunAction.REMOVE
MANUAL, CHANGE = RunTrigger.MANUAL, RunTrigger.SOURCE_CHANGE


def inputs(**values: str) -> list[SecretInput]:
    return [SecretInput(key, SecretValue(value), "") for key, value in values.items()]


class TestChangeAndRunsCommitTogether:
    async def test_a_change_queues_the_runs_that_follow_from_it(self, world: World) -> None:
        sync = await world.add_sync()
        outcome = await world.disk.write(
            lambda tx: set_secrets(world.app, tx, DEV, "/", inputs(NEW="1"))
        )
        [run] = await world.runs(sync)
        assert [each.uid for each in outcome.runs] == [run.uid]
        assert (run.state, run.action, run.trigger) == (RunState.PENDING, SYNC, CHANGE)

    async def test_a_change_that_fails_queues_nothing(self, world: World) -> None:
        sync = await world.add_sync()

        def change_and_fail(tx: Transaction) -> None:
            set_secrets(world.app, tx, DEV, "/", inputs(NEW="1"))
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await world.disk.write(change_and_fail)
        assert await world.runs(sync) == []
        found = await world.disk.read(lambda tx: tx.secrets.in_folder(FolderRef("e-dev", "/")))
        assert [each.key for each in found] == ["K"]

    async def test_setting_the_same_again_queues_nothing(self, world: World) -> None:
        sync = await world.add_sync()
        await world.disk.write(lambda tx: set_secrets(world.app, tx, DEV, "/", inputs(K="/ of K")))
        assert await world.runs(sync) == []

    @pytest.mark.parametrize("switch", ["is_enabled", "is_auto_sync_enabled"])
    async def test_syncs_that_do_not_follow_changes_are_left_alone(
        self, world: World, switch: str
    ) -> None:
        changes: dict[str, Any] = {switch: False}
        sync = await world.add_sync(**changes)
        await world.disk.write(lambda tx: set_secrets(world.app, tx, DEV, "/", inputs(NEW="1")))
        assert await world.runs(sync) == []


class TestAutoSync:
    async def test_only_syncs_that_read_the_folder_follow(self, world: World) -> None:
        root = await world.add_sync("root")
        nested = await world.add_sync("nested", secret_path="/a")
        tree = await world.add_sync("tree", recursive=True)
        prod = await world.add_sync("prod", environment_uid="e-prod", environment="prod")
        await world.disk.write(lambda tx: set_secrets(world.app, tx, DEV, "/a", inputs(N="1")))
        followed = [sync.slug for sync in (root, nested, tree, prod) if await world.runs(sync)]
        assert followed == ["nested", "tree"]

    async def test_it_follows_imports_of_imports(self, world: World) -> None:
        await world.disk.write(lambda tx: self._import(tx, "e-prod", "/", "e-dev", "/mid"))
        await world.disk.write(lambda tx: self._import(tx, "e-dev", "/mid", "e-dev", "/a"))
        sync = await world.add_sync("prod", environment_uid="e-prod", environment="prod")
        await world.start()
        await world.disk.write(
            lambda tx: set_secrets(world.app, tx, DEV, "/a", inputs(K="new", L="more"))
        )
        world.engine.wake()
        [run] = await world.runs(sync)
        assert (await world.ended(run)).state is RunState.SUCCEEDED
        assert world.memory.at("prod").values() == {"k@": "new", "l@": "more"}

    async def test_a_folder_reached_in_two_ways_queues_one_run(self, world: World) -> None:
        def import_both(tx: Transaction) -> None:
            for position, middle in enumerate(("/one", "/two"), start=1):
                self._import(tx, "e-dev", middle, "e-dev", "/a")
                self._import(tx, "e-prod", "/", "e-dev", middle, position)

        await world.disk.write(import_both)
        sync = await world.add_sync("prod", environment_uid="e-prod", environment="prod")
        await world.disk.write(lambda tx: set_secrets(world.app, tx, DEV, "/a", inputs(N="1")))
        assert len(await world.runs(sync)) == 1

    async def test_it_follows_deletions(self, world: World) -> None:
        await world.set_value("GOING", "1")
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        await world.disk.write(
            lambda tx: delete_secrets(world.app, tx, DEV, "/", ["GOING"], allow_missing=False)
        )
        world.engine.wake()
        await world.ended((await world.runs(sync))[-1])
        assert world.memory.at("main").values() == {"k@": "/ of K"}

    def _import(
        self,
        tx: Transaction,
        to_uid: str,
        to_path: str,
        from_uid: str,
        from_path: str,
        position: int = 1,
    ) -> None:
        tx.imports.insert(
            SecretImport(
                uid=f"{to_path}{from_path}".replace("/", "0"),
                project="shop",
                environment_uid=to_uid,
                environment=to_uid[2:],
                path=to_path,
                import_environment_uid=from_uid,
                import_environment=from_uid[2:],
                import_path=from_path,
                position=position,
                create_time=START,
            )
        )


class TestCoalescing:
    async def test_a_burst_waits_as_one_run(self, world: World) -> None:
        sync = await world.add_sync()
        first = await world.enqueue(sync, trigger=CHANGE)
        for trigger in [CHANGE, MANUAL, RunTrigger.UPDATE, CHANGE]:
            assert (await world.enqueue(sync, trigger=trigger)).uid == first.uid
        assert len(await world.runs(sync)) == 1

    async def test_a_change_during_a_run_waits_for_the_next(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        first = await world.enqueue(sync)
        await gate.reached()
        await world.set_value("K", "newer")
        second = await world.enqueue(sync, trigger=CHANGE)
        third = await world.enqueue(sync, trigger=CHANGE)
        assert first.uid != second.uid == third.uid
        gate.open()
        await world.ended(second)
        assert world.memory.at("main").values() == {"k@": "newer"}
        assert len(world.memory.calls) == 2
        assert world.memory.overlaps == []


class TestRemoval:
    async def test_it_supersedes_a_waiting_sync(self, world: World) -> None:
        sync = await world.add_sync()
        waiting = await world.enqueue(sync)
        removal = await world.enqueue(sync, REMOVE)
        ended = await world.run(waiting)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        assert removal.name in ended.message
        assert (await world.run(removal)).state is RunState.PENDING

    async def test_a_person_supersedes_it_a_change_does_not(self, world: World) -> None:
        sync = await world.add_sync()
        removal = await world.enqueue(sync, REMOVE)
        assert (await world.enqueue(sync, trigger=CHANGE)).uid == removal.uid
        wanted = await world.enqueue(sync, trigger=MANUAL)
        assert wanted.uid != removal.uid
        assert (await world.run(removal)).error_reason is Reason.SUPERSEDED

    async def test_a_change_does_not_queue_behind_one_under_way(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        gate = Gate()
        world.memory.steps["begin"] = gate
        removal = await world.enqueue(sync, REMOVE)
        await gate.reached()
        assert (await world.enqueue(sync, trigger=CHANGE)).uid == removal.uid
        wanted = await world.enqueue(sync, trigger=MANUAL)
        assert (await world.enqueue(sync, trigger=CHANGE)).uid == wanted.uid
        gate.open()
        await world.ended(wanted)
        assert world.memory.calls[-2:] == [("main", "remove"), ("main", "sync")]

    async def test_it_takes_away_what_the_ledger_lists(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        assert await world.ledger(sync)
        removal = await world.ended(await world.enqueue(sync, REMOVE))
        assert (removal.state, removal.message) == (RunState.SUCCEEDED, "1 deleted")
        assert world.memory.at("main").rows == {}
        assert await world.ledger(sync) == []

    async def test_it_works_for_a_disabled_sync_too(self, world: World) -> None:
        sync = await world.add_sync(is_enabled=False)
        await world.start()
        assert (await world.ended(await world.enqueue(sync, REMOVE))).state is RunState.SUCCEEDED

    async def test_a_sync_of_a_disabled_sync_waits(self, world: World) -> None:
        sync = await world.add_sync(is_enabled=False)
        other = await world.add_sync("other")
        waiting = await world.enqueue(sync)
        await world.start()
        await world.sync(other)
        assert (await world.run(waiting)).state is RunState.PENDING
        assert world.memory.calls == [("other", "sync")]

    async def test_what_fails_after_its_sync_was_disabled_is_not_tried_again(
        self, world: World
    ) -> None:
        sync, run, gate = await self._under_way(world)

        async def fail(_: object) -> None:
            raise Unavailable("Down.")

        world.memory.steps["write"] = fail
        await change(world, sync, is_enabled=False)
        gate.open()
        ended = await world.ended(run)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SYNC_DISABLED)
        assert ended.may_have_written
        [attempt] = ended.attempts
        assert attempt.error_reason is Reason.DESTINATION_UNAVAILABLE

    async def test_nor_is_what_a_restart_cuts_short(self, world: World) -> None:
        sync, run, _ = await self._under_way(world)
        await change(world, sync, is_enabled=False)
        await world.engine.stop(grace=0)
        ended = await world.run(run)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SYNC_DISABLED)
        assert ended.may_have_written
        assert await world.disk.read(lambda tx: tx.runs.next_due()) is None

    async def test_nor_does_what_has_lost_its_lease_undo_a_removal(self, world: World) -> None:
        sync, run, gate = await self._under_way(world)
        disabled = await change(world, sync, is_enabled=False)
        world.memory.steps.clear()
        world.clock.advance(1000)
        assert (await world.ended(await world.enqueue(disabled, REMOVE))).message == "nothing to do"
        ended = await world.run(run)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SYNC_DISABLED)
        assert ended.may_have_written
        [attempt] = ended.attempts
        assert attempt.outcome is AttemptOutcome.CUT_SHORT
        await change(world, disabled, is_enabled=True, is_auto_sync_enabled=False)
        await world.looked()
        gate.open()
        await world.engine.stop(grace=20)
        assert world.memory.at("main").values() == {}

    async def test_what_succeeds_all_the_same_has_succeeded(self, world: World) -> None:
        sync, run, gate = await self._under_way(world)
        await change(world, sync, is_enabled=False)
        gate.open()
        assert (await world.ended(run)).state is RunState.SUCCEEDED

    async def test_a_removal_is_tried_again(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        disabled = await change(world, sync, is_enabled=False)

        async def fail(_: object) -> None:
            raise Unavailable("Down.")

        world.memory.steps["begin"] = fail
        removal = await world.enqueue(disabled, REMOVE)
        assert (await world.failed_attempt(removal, 1)).state is RunState.PENDING

    async def _under_way(self, world: World) -> tuple[SecretSync, SyncRun, Gate]:
        """Return a sync, its run that is about to begin, and what holds it there."""
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        await gate.reached()
        return sync, run, gate


class TestDeletion:
    async def test_the_sync_is_deleted_when_its_secrets_are_gone(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        await world.enqueue(sync, REMOVE, delete_sync=True)
        await self._is_gone(world, sync.uid)
        assert world.memory.at("main").rows == {}
        assert await world.runs(sync) == []

    async def test_a_removal_that_waits_takes_the_wish_over(self, world: World) -> None:
        sync = await world.add_sync()
        waiting = await world.enqueue(sync, REMOVE)
        again = await world.enqueue(sync, REMOVE, delete_sync=True)
        assert again.uid == waiting.uid
        assert (await world.run(waiting)).delete_sync
        await world.start()
        await self._is_gone(world, sync.uid)

    async def test_meanwhile_changes_are_absorbed_and_people_are_told(self, world: World) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        sync = await world.add_sync()
        deletion = await world.enqueue(sync, REMOVE, delete_sync=True)
        await self._is_refused(world, deletion.name)
        await world.start()
        await gate.reached()
        await self._is_refused(world, deletion.name)
        assert (await world.enqueue(sync, trigger=CHANGE)).uid == deletion.uid
        assert (await world.enqueue(sync, REMOVE, delete_sync=True)).uid == deletion.uid
        gate.open()
        await self._is_gone(world, sync.uid)

    async def test_the_sync_stays_if_the_removal_fails(self, world: World) -> None:
        async def fail(_: object) -> None:
            raise RuntimeError

        world.memory.steps["begin"] = fail
        sync = await world.add_sync()
        await world.start()
        deletion = await world.enqueue(sync, REMOVE, delete_sync=True)
        assert (await world.ended(deletion)).state is RunState.FAILED
        assert await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid)) == sync

    async def test_the_sync_stays_if_something_could_not_be_removed(self, world: World) -> None:
        plugin = world.memory

        class Leaving(Destination):
            @hookimpl
            async def remove(self, request: RemoveRequest) -> RunResult:
                return RunResult(keys=(), ledger=request.ledger)

        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.registry._loaded.clear()
        world.registry._manager.unregister(plugin)
        world.registry.register(Leaving(), "memory")
        ended = await world.ended(await world.enqueue(sync, REMOVE, delete_sync=True))
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.REMOVAL_FAILED)
        assert [each.outcome for each in ended.attempts] == [AttemptOutcome.FAILED]
        assert ended.message.startswith("not everything could be removed: K may still be there.")
        assert await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
        assert [entry.name for entry in await world.ledger(sync)] == ["K"]

    async def _is_refused(self, world: World, deletion: str) -> None:
        sync = await world.disk.read(lambda tx: tx.syncs.by_uid("y-main"))
        assert sync
        with pytest.raises(Problem) as told:
            await world.enqueue(sync)
        assert told.value.reason is Reason.RESOURCE_IN_USE
        assert told.value.metadata["users"] == deletion

    async def _is_gone(self, world: World, uid: str) -> None:
        async def condition() -> bool:
            return await world.disk.read(lambda tx: tx.syncs.by_uid(uid)) is None

        await eventually(condition)
