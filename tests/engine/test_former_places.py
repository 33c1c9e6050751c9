"""What a sync leaves behind when it is led elsewhere, and how that is taken away."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from engine_kit import RETRY, Gate, World, eventually
from places_kit import (
    add_foreign,
    change,
    clean,
    clean_ups,
    failed_clean_up,
    lead,
    ours,
    places,
    quiet,
    stored,
)

from secretsync.adapter import AuthenticationFailed, RemoveRequest, RunRequest, Unavailable
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.guards import MaxDeletions
from secretsync.domain.key_states import KeyState
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.finish import finish_attempt
from secretsync.engine.queue import RunTerms
from secretsync.engine.report import RunReport
from secretsync.operations import former_places, pauses, runs, sync_settings, syncs
from secretsync.operations.former_places import PlaceStatus

VALUE = {"k@": "/ of K"}
LATER = replace(RETRY, later=300.0, later_ceiling=3600.0)


@pytest.fixture
async def sync(world: World) -> SecretSync:
    """A sync that has written to place `a`, where somebody else has rows, too."""
    add_foreign(world, "a")
    add_foreign(world, "b")
    made = await world.add_sync("main", place="a")
    await world.start(retry=LATER)
    await world.sync(made)
    assert ours(world, "a") == VALUE
    return made


async def lead_unproved(
    world: World,
    sync: SecretSync,
    place: str,
    **changes: Any,  # noqa: ANN401
) -> None:
    """Lead a sync to another place although its destination makes no plans."""
    settings = sync_settings.settings_of(await stored(world, sync))
    there = replace(settings, destination_config={"place": place, "scope": ""}, **changes)
    proved = sync_settings.ProvedSettings(settings=there, is_elsewhere=True)
    app = world.app
    await world.disk.write(
        lambda tx: syncs.update_secret_sync(app, tx, sync.name, "", settings, proved)
    )


class Broken:
    """A step of the destination that fails at one place, for as long as it is broken."""

    def __init__(self, place: str, error: Exception) -> None:
        self.place = place
        self.error: Exception | None = error

    async def __call__(self, request: RunRequest) -> None:
        if self.error and request.config.place == self.place:
            raise self.error


def refuse(world: World, place: str, error: Exception | None = None) -> Broken:
    broken = Broken(place, error or AuthenticationFailed("The key is gone."))
    world.memory.steps["begin"] = broken
    return broken


async def tick(world: World, seconds: float = 6 * 3600) -> None:
    """Let time pass, more than any pause unless told."""
    world.clock.advance(seconds)
    world.engine.wake()


class TestWithinOneDocument:
    """The ledger of the present place says what is to go; no former place is made."""

    async def test_a_new_key_schema_and_a_new_scope(self, world: World, sync: SecretSync) -> None:
        await change(world, sync, sync_options__key_schema="App.{{secretKey}}")
        await quiet(world, sync)
        assert ours(world, "a") == {"app.k@": "/ of K"}
        await lead(world, sync, "a", scope="prod")
        await quiet(world, sync)
        assert ours(world, "a") == {"app.k@prod": "/ of K"}
        assert await places(world, sync) == []

    async def test_the_same_document_through_another_connection(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.disk.write(lambda tx: world.add_connection(tx, "second"))
        await change(world, sync, connection="projects/shop/connections/second")
        await quiet(world, sync)
        assert ours(world, "a") == VALUE
        assert await places(world, sync) == []


class TestMove:
    async def test_nothing_of_ours_and_all_of_theirs_is_left(
        self, world: World, sync: SecretSync
    ) -> None:
        await lead(world, sync, "b")
        await clean(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == ({}, VALUE)
        [run] = await clean_ups(world, sync)
        assert (run.state, run.trigger, run.message) == (
            RunState.SUCCEEDED,
            RunTrigger.UPDATE,
            "1 deleted",
        )
        latest = await world.disk.read(lambda tx: tx.runs.latest([sync.uid]))
        assert latest[sync.uid, RunAction.SYNC].state is RunState.SUCCEEDED
        assert [entry.identity for entry in await world.ledger(sync)] == ["k@"]

    async def test_the_ledger_counts_and_not_what_the_source_holds_today(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.disk.write(lambda tx: tx.secrets.delete(["s-dev-/-K"]))
        await world.set_value("NEW", "1")
        await lead(world, sync, "b")
        await clean(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == ({}, {"new@": "1"})

    async def test_the_new_place_is_written_first(self, world: World, sync: SecretSync) -> None:
        gate = Gate()
        world.memory.steps["write"] = gate
        await lead(world, sync, "b")
        await gate.reached()
        [status] = await places(world, sync)
        assert (status.count, list(status.names), status.next_attempt_time) == (1, ["K"], None)
        assert status.message == "it is cleaned when the sync has written its new place"
        assert status.place.describe() == "place a (connection main)"
        assert ours(world, "a") == VALUE
        gate.open()
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_while_the_new_place_cannot_be_written_the_old_one_stays(
        self, world: World, sync: SecretSync
    ) -> None:
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        assert await clean_ups(world, sync) == []
        assert ours(world, "a") == VALUE

    async def test_nothing_to_clean_makes_no_former_place(self, world: World) -> None:
        made = await world.add_sync("empty", place="a")
        await world.start()
        await lead(world, made, "b")
        await quiet(world, made)
        assert await places(world, made) == []

    async def test_a_copy_within_one_instance_is_no_reason_to_leave_it(
        self, world: World, sync: SecretSync
    ) -> None:
        copied = world.memory.at("a").rows["k@"]
        world.memory.at("b").rows["k@"] = replace(copied)
        await lead(world, sync, "b")
        await clean(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == ({}, VALUE)

    async def test_many_moves(self, world: World, sync: SecretSync) -> None:
        broken = refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        await lead(world, sync, "c")
        await quiet(world, sync)
        [status] = await places(world, sync)
        assert status.place.target_key == "a"
        assert (ours(world, "b"), world.memory.at("c").values()) == ({}, VALUE)
        broken.error = None
        await tick(world)
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_not_while_a_run_is_under_way(self, world: World, sync: SecretSync) -> None:
        gate = Gate()
        world.memory.steps["begin"] = gate
        run = await world.enqueue(sync)
        await gate.reached()
        with pytest.raises(Problem, match="is under way") as caught:
            await lead(world, sync, "b")
        assert caught.value.reason is Reason.RESOURCE_IN_USE
        gate.open()
        await world.ended(run)
        assert (await stored(world, sync)).target_key == "a"

    async def test_not_while_it_is_being_deleted(self, world: World, sync: SecretSync) -> None:
        world.engine.stop_claiming()
        await world.enqueue(sync, RunAction.REMOVE, delete_sync=True)
        with pytest.raises(Problem, match="is to delete it") as caught:
            await lead(world, sync, "b")
        assert caught.value.reason is Reason.RESOURCE_IN_USE

    async def test_a_removal_that_waits_is_done_at_the_old_place(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.engine.stop(grace=0)
        await world.enqueue(sync, RunAction.REMOVE)
        await lead(world, sync, "b")
        await world.start(retry=LATER)
        await clean(world, sync)
        await quiet(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == ({}, {})

    async def test_a_removal_that_nobody_has_approved_is_not_done_there(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.engine.stop(grace=0)
        options = replace(sync.options, require_approval=True)
        now = await stored(world, sync)
        await world.disk.write(lambda tx: tx.syncs.update(replace(now, options=options)))
        await world.enqueue(sync, RunAction.REMOVE)
        await lead_unproved(world, sync, "b")
        await world.start(retry=LATER)
        await quiet(world, sync)
        assert await clean_ups(world, sync) == []
        assert ours(world, "a") == VALUE
        [status] = await places(world, sync)
        assert status.message.startswith("the sync requires approval")

    async def test_nor_if_approval_is_required_from_that_change_on(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.engine.stop(grace=0)
        await world.enqueue(sync, RunAction.REMOVE)
        settings = sync_settings.settings_of(await stored(world, sync))
        options = replace(settings.options, require_approval=True)
        await lead_unproved(world, sync, "b", options=options)
        await world.start(retry=LATER)
        await quiet(world, sync)
        assert await clean_ups(world, sync) == []
        assert ours(world, "a") == VALUE

    async def test_nor_is_one_that_keeps_to_a_plan(self, world: World, sync: SecretSync) -> None:
        await world.engine.stop(grace=0)
        terms = RunTerms(fingerprint=".".join(["0" * 32] * 3))
        await world.disk.write(
            lambda tx: world.engine.enqueue(
                tx, sync, RunAction.REMOVE, RunTrigger.MANUAL, terms=terms
            )
        )
        await lead(world, sync, "b")
        await world.start(retry=LATER)
        await clean(world, sync)
        # The plan is out of date. What follows is the sync at its new place, and then the clean-up.
        assert (ours(world, "a"), ours(world, "b")) == ({}, VALUE)
        assert [run.trigger for run in await clean_ups(world, sync)] == [RunTrigger.UPDATE]


class TestUnreachable:
    async def test_it_stays_listed_and_is_tried_again(self, world: World, sync: SecretSync) -> None:
        broken = refuse(world, "a")
        await lead(world, sync, "b")
        status = await failed_clean_up(world, sync)
        assert ours(world, "b") == VALUE
        assert list(status.names) == ["K"]
        assert status.error_reason is Reason.AUTHENTICATION_FAILED
        assert "The key is gone." in status.message
        assert status.next_attempt_time
        pause = (status.next_attempt_time - world.clock.now).total_seconds()
        assert 1800 <= pause <= 3600
        await tick(world, 3600)
        again = await failed_clean_up(world, sync, 2)
        assert again.next_attempt_time
        assert again.message == status.message
        # The sync itself is not concerned.
        assert (await world.sync(sync)).state is RunState.SUCCEEDED
        broken.error = None
        await tick(world, 3600)
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_errors_that_can_pass_are_tried_again_soon(
        self, world: World, sync: SecretSync
    ) -> None:
        broken = refuse(world, "a", Unavailable("Down."))
        await lead(world, sync, "b")

        async def attempted() -> bool:
            found = await clean_ups(world, sync)
            return bool(found and found[0].attempt == 1 and found[0].message)

        await eventually(attempted)
        broken.error = None
        await tick(world, 60)
        await clean(world, sync)
        assert len(await clean_ups(world, sync)) == 1

    async def test_somebody_asks_and_does_not_wait(self, world: World, sync: SecretSync) -> None:
        broken = refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        broken.error = None
        app = world.app
        [run] = await world.disk.write(lambda tx: former_places.clean_up(app, tx, sync.name))
        world.engine.wake()
        assert (await world.ended(run)).state is RunState.SUCCEEDED
        assert await places(world, sync) == []

    async def test_a_cancelled_clean_up_waits_for_the_next_sync(
        self, world: World, sync: SecretSync
    ) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        del world.memory.steps["begin"]
        waiting = (await clean_ups(world, sync))[-1]
        await world.disk.write(lambda tx: world.engine.cancel(tx, waiting))
        [status] = await places(world, sync)
        assert (status.next_attempt_time, status.error_reason) == (None, Reason.CANCELLED)
        await world.sync(sync)
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_it_can_be_forgotten(self, world: World, sync: SecretSync) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        place = (await failed_clean_up(world, sync)).place
        name = f"{sync.name}/formerPlaces/{place.uid}"
        app = world.app

        async def forget(*, leave: bool) -> None:
            await world.disk.write(
                lambda tx: former_places.forget(app, tx, name, leave_secrets_behind=leave)
            )

        with pytest.raises(Problem, match="may still be at place a") as caught:
            await forget(leave=False)
        assert caught.value.reason is Reason.SECRETS_LEFT_BEHIND
        await forget(leave=True)
        assert await places(world, sync) == []
        assert (await clean_ups(world, sync))[-1].error_reason is Reason.SUPERSEDED
        assert ours(world, "a") == VALUE
        with pytest.raises(Problem, match="does not exist"):
            await forget(leave=True)

    async def test_it_cannot_be_forgotten_while_it_is_cleaned(
        self, world: World, sync: SecretSync
    ) -> None:
        gate = Gate()
        await lead(world, sync, "a", scope="x")
        await quiet(world, sync)

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        await lead(world, sync, "b")
        await gate.reached()
        [status] = await places(world, sync)
        name, app = f"{sync.name}/formerPlaces/{status.place.uid}", world.app
        with pytest.raises(Problem, match="cancel that run first"):
            await world.disk.write(
                lambda tx: former_places.forget(app, tx, name, leave_secrets_behind=True)
            )
        # Nor can the sync be led back there, or be deleted.
        with pytest.raises(Problem, match="is under way"):
            await lead(world, sync, "a")
        with pytest.raises(Problem, match="is under way"):
            await world.disk.write(lambda tx: runs.delete_secret_sync(tx, sync.name, ""))
        gate.open()
        await clean(world, sync)


class TestReturn:
    async def test_what_is_wanted_again_is_never_away(self, world: World, sync: SecretSync) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        del world.memory.steps["begin"]
        row = world.memory.at("a").rows["k@"].id
        await lead(world, sync, "a")
        await clean(world, sync)
        await quiet(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == (VALUE, {})
        assert world.memory.at("a").rows["k@"].id == row
        # What waited for `a` has ended, and nothing of it comes back.
        await tick(world)
        await quiet(world, sync)
        assert ours(world, "a") == VALUE
        states = [(run.state, run.error_reason) for run in await clean_ups(world, sync)]
        assert states == [
            (RunState.FAILED, Reason.AUTHENTICATION_FAILED),
            (RunState.FAILED, Reason.SUPERSEDED),
            (RunState.SUCCEEDED, None),
        ]

    async def test_what_is_not_wanted_any_more_goes(self, world: World, sync: SecretSync) -> None:
        await world.set_value("L", "1")
        await world.sync(sync)
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        await world.disk.write(lambda tx: tx.secrets.delete(["s-dev-/-L"]))
        await lead(world, sync, "a")
        await quiet(world, sync)
        assert ours(world, "a") == VALUE
        assert await places(world, sync) == []

    async def test_no_value_is_taken_for_certain(self, world: World, sync: SecretSync) -> None:
        """Whoever wrote there meanwhile is not known to the ledger that is taken up again."""
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        world.memory.at("a").rows["k@"].value = "of somebody else"
        await lead(world, sync, "a")
        await quiet(world, sync)
        assert ours(world, "a") == VALUE

    async def test_back_and_forth(self, world: World, sync: SecretSync) -> None:
        for place in ("b", "a", "b", "a", "b"):
            await lead(world, sync, place)
            await quiet(world, sync)
            other = "a" if place == "b" else "b"
            assert (ours(world, place), ours(world, other)) == (VALUE, {})
            assert await places(world, sync) == []


class TestOthersAtTheOldPlace:
    async def test_a_sync_that_wants_the_same_takes_it_over(
        self, world: World, sync: SecretSync
    ) -> None:
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        del world.memory.steps["begin"]
        row = world.memory.at("a").rows["k@"].id
        second = await world.add_sync("second", place="a")
        assert (await world.sync(second)).message == "1 updated"
        assert await places(world, sync) == []
        await world.sync(sync)
        await tick(world)
        await quiet(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == (VALUE, VALUE)
        assert world.memory.at("a").rows["k@"].id == row

    async def test_what_they_do_not_want_is_not_theirs_and_is_cleaned(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.set_value("L", "1")
        await world.sync(sync)
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        del world.memory.steps["begin"]
        second = await world.add_sync("second", place="a", secret_path="/a")
        await world.sync(second)
        asked = world.memory.requests[-1]
        assert asked.claimed_by_others == {"l@": sync.name}
        [status] = await places(world, sync)
        assert list(status.names) == ["L"]
        await world.sync(sync)
        await clean(world, sync)
        assert ours(world, "a") == {"k@": "/a of K"}
        [cleaned] = [each for each in world.memory.requests if isinstance(each, RemoveRequest)]
        assert cleaned.claimed_by_others == {"k@": second.name}

    async def test_what_they_are_about_to_take_over_is_not_taken_away(
        self, world: World, sync: SecretSync
    ) -> None:
        """They have written it, and nobody has been told: it is in no ledger of theirs."""
        await world.set_value("L", "1")
        await world.sync(sync)
        refuse(world, "b")
        await lead(world, sync, "b")
        await quiet(world, sync)
        del world.memory.steps["begin"]

        async def lose(request: RunRequest) -> None:
            if request.config.place == "a" and not isinstance(request, RemoveRequest):
                raise Unavailable("The answer was lost.")

        world.memory.steps["written"] = lose
        second = await world.add_sync("second", place="a", secret_path="/a")
        waiting = await world.failed_attempt(await world.enqueue(second), 1)
        del world.memory.steps["written"]
        await world.sync(sync)
        await quiet(world, sync)
        assert ours(world, "a") == {"k@": "/a of K", "l@": "1"}
        [status] = await places(world, sync)
        assert f"{second.name} is about to write there" in status.message
        await tick(world, 60)
        assert (await world.ended(waiting)).state is RunState.SUCCEEDED
        await tick(world)
        await clean(world, sync)
        assert ours(world, "a") == {"k@": "/a of K"}

    async def test_runs_at_the_old_place_take_turns(self, world: World, sync: SecretSync) -> None:
        second = await world.add_sync("second", place="a", secret_path="/a")
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        run = await world.enqueue(second)
        await gate.reached()
        await lead(world, sync, "b")

        async def queued() -> bool:
            return bool(await clean_ups(world, sync))

        await eventually(queued)
        # The new place does not wait for the old one, and the clean-up waits for its turn.
        assert ours(world, "b") == VALUE
        await world.looked()
        assert gate.waiting == ["a"]
        gate.open()
        await world.ended(run)
        await quiet(world, sync)
        assert world.memory.overlaps == []

    async def test_a_clean_up_counts_for_its_connection(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.disk.write(lambda tx: world.add_connection(tx, "second"))
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        await change(
            world,
            sync,
            connection="projects/shop/connections/second",
            destination_config={"place": "b"},
        )
        await gate.reached()
        until = world.clock.now.replace(year=2027)
        other = await world.add_sync("other", place="z")
        await world.engine.stop(grace=0)
        assert gate.waiting == ["a"]
        await world.enqueue(other)

        found = await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, until, 1))
        assert found
        assert found.action is RunAction.CLEAN_UP
        # Its connection is the one of before, which the other sync uses.
        assert await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, until, 1)) is None
        assert await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, until, 2))


class TestDeletionDisabled:
    async def test_what_it_keeps_goes_when_deletion_is_enabled_again(
        self, world: World, sync: SecretSync
    ) -> None:
        await change(world, sync, sync_options__disable_secret_deletion=True)
        await quiet(world, sync)
        await change(world, sync, sync_options__key_schema="App.{{secretKey}}")
        await quiet(world, sync)
        # A new name does not take the old one away either.
        assert ours(world, "a") == {**VALUE, "app.k@": "/ of K"}
        await lead(world, sync, "b")
        await quiet(world, sync)
        [status] = await places(world, sync)
        assert list(status.names) == ["App.K", "K"]
        assert "disable_secret_deletion" in status.message
        assert await clean_ups(world, sync) == []
        assert ours(world, "a") == {**VALUE, "app.k@": "/ of K"}
        await change(world, sync, sync_options__disable_secret_deletion=False)
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_somebody_who_asks_gets_it(self, world: World, sync: SecretSync) -> None:
        await change(world, sync, sync_options__disable_secret_deletion=True)
        await quiet(world, sync)
        await lead(world, sync, "b")
        await quiet(world, sync)
        app = world.app
        await world.disk.write(lambda tx: runs.remove_secrets(app, tx, sync.name))
        world.engine.wake()
        await clean(world, sync)
        await quiet(world, sync)
        assert (ours(world, "a"), ours(world, "b")) == ({}, {})

    @pytest.mark.parametrize("option", ["sync_options__disable_secret_deletion", "is_enabled"])
    async def test_what_waits_is_called_off(
        self, world: World, sync: SecretSync, option: str
    ) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        del world.memory.steps["begin"]
        off = option == "is_enabled"
        await change(world, sync, **{option: not off})
        assert (await clean_ups(world, sync))[-1].finish_time
        await tick(world)
        await quiet(world, sync)
        [status] = await places(world, sync)
        assert (ours(world, "a"), status.next_attempt_time) == (VALUE, None)
        assert status.message.startswith("nothing is deleted by itself while")
        await change(world, sync, **{option: off})
        await clean(world, sync)
        assert ours(world, "a") == {}

    @pytest.mark.parametrize("option", ["sync_options__disable_secret_deletion", "is_enabled"])
    async def test_what_is_under_way_deletes_nothing_any_more(
        self, world: World, sync: SecretSync, option: str
    ) -> None:
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        await lead(world, sync, "b")
        await gate.reached()
        off = option == "is_enabled"
        await change(world, sync, **{option: not off})
        gate.open()
        await quiet(world, sync)
        [run] = await clean_ups(world, sync)
        assert (run.state, ours(world, "a")) == (RunState.FAILED, VALUE)
        assert run.message.startswith("nothing is deleted by itself while")
        await change(world, sync, **{option: off})
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_what_is_under_way_goes_on_if_somebody_asks(
        self, world: World, sync: SecretSync
    ) -> None:
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        await lead(world, sync, "b")
        await gate.reached()
        await change(world, sync, sync_options__disable_secret_deletion=True)
        app = world.app
        await world.disk.write(lambda tx: former_places.clean_up(app, tx, sync.name))
        gate.open()
        await clean(world, sync)
        assert ours(world, "a") == {}


class TestGuards:
    """A move must not let through what a guard stops where the sync is."""

    KEYS = tuple(f"K{number}" for number in range(11))

    @pytest.fixture
    async def full(self, world: World, sync: SecretSync) -> SecretSync:
        for key in self.KEYS:
            await world.set_value(key, "1")
        await world.sync(sync)
        assert len(ours(world, "a")) == 12
        return sync

    async def lose(self, world: World, *keys: str) -> None:
        await world.disk.write(lambda tx: tx.secrets.delete([f"s-dev-/-{key}" for key in keys]))

    async def stopped(self, world: World, sync: SecretSync) -> PlaceStatus:
        assert (await world.sync(sync)).error_reason is Reason.GUARD_TRIPPED
        held = ours(world, "a")
        await lead(world, sync, "b")
        status = await failed_clean_up(world, sync)
        await quiet(world, sync)
        assert status.error_reason is Reason.GUARD_TRIPPED
        assert ours(world, "a") == held
        return status

    async def test_an_empty_source(self, world: World, full: SecretSync) -> None:
        await self.lose(world, "K", *self.KEYS)
        status = await self.stopped(world, full)
        assert (
            "the sync has nothing at its present place, and 12 secrets would be deleted. Nothing"
            " was changed." in status.message
        )
        assert status.message.endswith("if it is meant, ask for the clean-up")
        [stopped, _] = [await world.run(run) for run in await clean_ups(world, full)]
        assert stopped.plan
        assert len(stopped.plan.changes) == 12

    async def test_most_of_the_source_is_gone(self, world: World, full: SecretSync) -> None:
        await self.lose(world, *self.KEYS)
        status = await self.stopped(world, full)
        assert (
            "11 secrets would be deleted of 12 and are not at the sync's present place, which is"
            " more than max_deletions (50 %, or 5 if that is more)." in status.message
        )

    async def test_it_is_cleaned_when_the_source_is_mended(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        for key in self.KEYS:
            await world.set_value(key, "1")
        await world.sync(full)
        await tick(world)
        await clean(world, full)
        assert (ours(world, "a"), len(ours(world, "b"))) == ({}, 12)

    async def test_somebody_who_asks_while_it_is_under_way_gets_it_at_once(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await world.stop_dispatching()
        now, app, rng = world.clock() + timedelta(days=1), world.app, random.Random(1)  # noqa: S311
        begun = await world.disk.write(lambda tx: tx.runs.claim(now, now, 5))
        assert begun
        await world.disk.write(lambda tx: former_places.clean_up(app, tx, full.name))
        report = RunReport(
            problem=Problem(Code.FAILED_PRECONDITION, Reason.GUARD_TRIPPED, "too many")
        )
        await world.disk.write(
            lambda tx: finish_attempt(tx, begun, report, policy=LATER, now=now, rng=rng)
        )
        following = (await clean_ups(world, full))[-1]
        assert (following.trigger, following.not_before) == (RunTrigger.MANUAL, now)

    async def test_a_removal_that_is_cancelled_asks_for_it_no_more(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await world.stop_dispatching()
        app = world.app
        removal = await world.disk.write(lambda tx: runs.remove_secrets(app, tx, full.name))
        await world.disk.write(lambda tx: runs.cancel_run(app, tx, removal.name))
        await world.start(retry=LATER)
        status = await failed_clean_up(world, full, 2)
        assert status.error_reason is Reason.GUARD_TRIPPED
        assert len(ours(world, "a")) == 12

    async def test_nor_for_one_that_was_under_way(self, world: World, full: SecretSync) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await world.stop_dispatching()
        now, app, rng = world.clock() + timedelta(days=1), world.app, random.Random(1)  # noqa: S311
        begun = await world.disk.write(lambda tx: tx.runs.claim(now, now, 5))
        assert begun
        removal = await world.disk.write(lambda tx: runs.remove_secrets(app, tx, full.name))
        await world.disk.write(lambda tx: runs.cancel_run(app, tx, removal.name))
        report = RunReport(
            problem=Problem(Code.FAILED_PRECONDITION, Reason.GUARD_TRIPPED, "too many")
        )
        await world.disk.write(
            lambda tx: finish_attempt(tx, begun, report, policy=LATER, now=now, rng=rng)
        )
        following = (await clean_ups(world, full))[-1]
        assert following.trigger is RunTrigger.RETRY
        assert following.not_before > now

    async def test_nor_for_one_whose_pause_was_asked_for_by_the_destination(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await world.stop_dispatching()
        waiting = (await clean_ups(world, full))[-1]
        limited = replace(
            waiting,
            error_reason=Reason.RATE_LIMITED,
            not_before=world.clock() - timedelta(seconds=1),
        )
        await world.disk.write(lambda tx: tx.runs.update(limited))
        app = world.app
        removal = await world.disk.write(lambda tx: runs.remove_secrets(app, tx, full.name))
        await world.disk.write(lambda tx: runs.cancel_run(app, tx, removal.name))
        assert (await clean_ups(world, full))[-1].trigger is not RunTrigger.MANUAL

    async def test_a_clean_up_that_was_asked_for_before_the_removal_stays_so(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await world.stop_dispatching()
        app = world.app
        await world.disk.write(lambda tx: former_places.clean_up(app, tx, full.name))
        world.clock.advance(1)
        removal = await world.enqueue(full, RunAction.REMOVE)
        await world.disk.write(lambda tx: runs.cancel_run(app, tx, removal.name))
        await world.start(retry=LATER)
        await clean(world, full)
        assert ours(world, "a") == {}

    async def test_somebody_who_asks_gets_it(self, world: World, full: SecretSync) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        app = world.app
        await world.disk.write(lambda tx: former_places.clean_up(app, tx, full.name))
        world.engine.wake()
        await clean(world, full)
        assert (ours(world, "a"), ours(world, "b")) == ({}, VALUE)

    async def test_a_removal_and_a_deletion_are_not_guarded(
        self, world: World, full: SecretSync
    ) -> None:
        await self.lose(world, *self.KEYS)
        await self.stopped(world, full)
        await runs.delete_with_secrets(world.app, full.name, "", validate_only=False)
        assert (ours(world, "a"), ours(world, "b")) == ({}, {})

    async def test_the_limit_is_that_of_the_sync(self, world: World, full: SecretSync) -> None:
        none = MaxDeletions(count=0)
        await change(world, full, sync_options__max_deletions=none)
        await quiet(world, full)
        await lead(world, full, "b")
        # Nothing of it is lost: all of it is at the new place.
        await clean(world, full)
        assert (ours(world, "a"), len(ours(world, "b"))) == ({}, 12)
        await self.lose(world, "K0")
        await lead(world, full, "a")
        await failed_clean_up(world, full)
        assert (len(ours(world, "a")), len(ours(world, "b"))) == (11, 12)


class TestDeletionOfTheSync:
    async def test_former_places_are_cleaned_first(self, world: World, sync: SecretSync) -> None:
        broken = refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        with pytest.raises(Problem, match="The key is gone") as caught:
            await runs.delete_with_secrets(world.app, sync.name, "", validate_only=False)
        assert caught.value.reason is Reason.REMOVAL_FAILED
        # The sync works as before, with all that it has at its present place.
        assert ours(world, "b") == VALUE
        await quiet(world, sync)
        broken.error = None
        await runs.delete_with_secrets(world.app, sync.name, "", validate_only=False)
        assert (ours(world, "a"), ours(world, "b")) == ({}, {})
        assert await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid)) is None

    async def test_no_change_writes_again_meanwhile(self, world: World, sync: SecretSync) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        gate = Gate()
        world.memory.steps["begin"] = gate
        deletion = asyncio.create_task(
            runs.delete_with_secrets(world.app, sync.name, "", validate_only=False)
        )
        await gate.reached()
        joined = await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        assert (joined.action, joined.delete_sync) == (RunAction.CLEAN_UP, True)
        with pytest.raises(Problem, match="is being deleted"):
            await world.enqueue(sync)
        with pytest.raises(Problem, match="is to delete it"):
            await lead(world, sync, "c")
        gate.open()
        await deletion
        assert (ours(world, "a"), ours(world, "b")) == ({}, {})

    async def deletion_of_two_places(
        self, world: World, sync: SecretSync
    ) -> tuple[asyncio.Task[None], Gate, SyncRun]:
        """Return a deletion that waits at place `a`, its gate, and its run that waits for `b`."""
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if isinstance(request, RemoveRequest) and request.config.place == "b":
                raise Unavailable("Down.")
            if isinstance(request, RemoveRequest):
                await gate(request)

        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        world.memory.steps["begin"] = wait_at_a
        await lead(world, sync, "c")
        deletion = asyncio.create_task(
            runs.delete_with_secrets(world.app, sync.name, "", validate_only=False)
        )
        await gate.reached()

        async def waits() -> SyncRun | None:
            found = [run for run in await clean_ups(world, sync) if run.delete_sync]
            pending = [run for run in found if run.state is RunState.PENDING and run.attempt]
            return pending[0] if pending else None

        return deletion, gate, await eventually(waits)

    async def test_what_came_while_a_deletion_failed_is_not_forgotten(
        self, world: World, sync: SecretSync
    ) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        gate = Gate()

        async def wait_and_fail(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)
                raise AuthenticationFailed("The key is gone.")

        world.memory.steps["begin"] = wait_and_fail
        deletion = asyncio.create_task(
            runs.delete_with_secrets(world.app, sync.name, "", validate_only=False)
        )
        await gate.reached()
        await world.set_value("K", "changed")
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        gate.open()
        with pytest.raises(Problem, match="The key is gone"):
            await deletion
        found = await quiet(world, sync)
        assert ours(world, "b") == {"k@": "changed"}
        assert found[-1].trigger is RunTrigger.SOURCE_CHANGE

    async def test_whoever_cancels_one_of_its_runs_keeps_the_sync(
        self, world: World, sync: SecretSync
    ) -> None:
        deletion, gate, waiting = await self.deletion_of_two_places(world, sync)
        await world.set_value("K", "changed")
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        app = world.app
        await world.disk.write(lambda tx: world.engine.cancel(tx, waiting))
        uids = {each.place.target_key: each.place.uid for each in await places(world, sync)}
        name = f"{sync.name}/formerPlaces/{uids['b']}"
        await world.disk.write(
            lambda tx: former_places.forget(app, tx, name, leave_secrets_behind=True)
        )
        gate.open()
        with pytest.raises(Problem, match="is kept"):
            await deletion
        await clean(world, sync)
        await quiet(world, sync)
        # The place that was being cleaned is clean, and the sync goes on.
        assert ours(world, "a") == {}
        assert world.memory.at("c").values() == {"k@": "changed"}

    async def test_without_its_secrets_all_is_forgotten(
        self, world: World, sync: SecretSync
    ) -> None:
        refuse(world, "a")
        await lead(world, sync, "b")
        await failed_clean_up(world, sync)
        await world.disk.write(lambda tx: runs.delete_secret_sync(tx, sync.name, ""))
        assert await world.disk.read(lambda tx: tx.former_places.of_syncs([sync.uid])) == []
        assert (ours(world, "a"), ours(world, "b")) == (VALUE, VALUE)


class TestPauses:
    @pytest.mark.parametrize("what", ["secretSyncs/main", "connections/main"])
    async def test_a_pause_holds_the_clean_up(
        self, world: World, sync: SecretSync, what: str
    ) -> None:
        """Of the sync, or of the connection that led to the old place."""
        await world.disk.write(lambda tx: world.add_connection(tx, "second"))
        broken = refuse(world, "a")
        await change(
            world,
            sync,
            connection="projects/shop/connections/second",
            destination_config={"place": "b"},
        )
        await failed_clean_up(world, sync)
        broken.error = None
        app, name = world.app, f"projects/shop/{what}"
        await world.disk.write(lambda tx: pauses.pause_syncing(app, tx, name, ""))
        await tick(world)
        until = world.clock.now + timedelta(days=1)
        assert await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, until, 5)) is None
        assert ours(world, "a") == VALUE
        await world.disk.write(lambda tx: pauses.resume_syncing(tx, name))
        await tick(world)
        await clean(world, sync)

    async def test_no_write_begins_after_a_pause(self, world: World, sync: SecretSync) -> None:
        gate = Gate()

        async def wait_at_a(request: RunRequest) -> None:
            if request.config.place == "a":
                await gate(request)

        world.memory.steps["begin"] = wait_at_a
        await lead(world, sync, "b")
        await gate.reached()
        app = world.app
        await world.disk.write(lambda tx: pauses.pause_syncing(app, tx, sync.name, ""))
        gate.open()

        async def held() -> bool:
            [run] = await clean_ups(world, sync)
            return run.error_reason is Reason.PAUSED

        await eventually(held)
        assert ours(world, "a") == VALUE
        await world.disk.write(lambda tx: pauses.resume_syncing(tx, sync.name))
        world.engine.wake()
        await clean(world, sync)
        assert ours(world, "a") == {}

    async def test_the_pause_of_the_new_connection_does_not_concern_the_old_place(
        self, world: World, sync: SecretSync
    ) -> None:
        await world.disk.write(lambda tx: world.add_connection(tx, "second"))
        broken = refuse(world, "a")
        second = "projects/shop/connections/second"
        await change(world, sync, connection=second, destination_config={"place": "b"})
        await failed_clean_up(world, sync)
        broken.error = None
        app = world.app
        await world.disk.write(lambda tx: pauses.pause_syncing(app, tx, second, ""))
        await tick(world)
        await clean(world, sync)
        assert ours(world, "a") == {}


async def test_a_clean_up_says_nothing_of_the_keys_at_the_present_place(
    world: World, sync: SecretSync
) -> None:
    await lead(world, sync, "b")
    await clean(world, sync)
    [key] = await world.disk.read(lambda tx: tx.key_states.of_sync(sync.uid))
    assert (key.name, key.state) == ("K", KeyState.SYNCED)
