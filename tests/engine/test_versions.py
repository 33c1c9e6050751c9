"""Values that cannot be read back: what makes it certain that they are as they were written."""

import contextlib
from dataclasses import replace

import httpx
import pytest
from engine_kit import Gate, World

from secretsync.adapter import PermissionDenied, RunRequest, SyncRequest, Unavailable
from secretsync.domain.entities import RunAction, RunState, SecretSync
from secretsync.domain.problems import Reason
from secretsync.engine.certainty import AT_A_TIME, known_versions


async def two_syncs(world: World) -> tuple[SecretSync, SecretSync]:
    """Return two syncs that write to one document."""
    first = await world.add_sync("first", destination_config={"place": "x", "scope": "1"})
    second = await world.add_sync("second", destination_config={"place": "x", "scope": "2"})
    await world.start()
    await world.sync(first)
    await world.sync(second)
    return first, second


async def test_an_unchanged_destination_is_not_written_again(world: World) -> None:
    sync = await world.add_sync()
    await world.start()
    assert (await world.sync(sync)).message == "1 created"
    for _ in range(2):
        assert (await world.sync(sync)).message == "1 unchanged"
    assert world.memory.at("main").writes == 1


async def test_two_syncs_do_not_make_each_other_write_again(world: World) -> None:
    first, second = await two_syncs(world)
    for _ in range(3):
        for sync in (first, second):
            assert (await world.sync(sync)).message == "1 unchanged"
    assert world.memory.at("x").writes == 2


async def test_a_change_of_one_is_no_reason_for_the_other_to_write(world: World) -> None:
    first, second = await two_syncs(world)
    for number in range(5):
        await world.set_value("K", f"value {number}")
        assert (await world.sync(first)).message == "1 updated"
    await world.set_value("K", "/ of K")
    # What the other one desires is what it wrote, at a version five of our own writes ago.
    assert (await world.sync(second)).message == "1 unchanged"


async def test_a_change_by_somebody_else_makes_everyone_write_again_once(world: World) -> None:
    first, second = await two_syncs(world)
    world.memory.at("x").change_by_somebody_else()
    for sync in (first, second):
        assert (await world.sync(sync)).message == "1 updated"
    for sync in (first, second):
        assert (await world.sync(sync)).message == "1 unchanged"


async def test_a_change_by_somebody_else_is_not_hidden_by_one_of_ours(world: World) -> None:
    first, second = await two_syncs(world)
    world.memory.at("x").change_by_somebody_else()
    await world.set_value("K", "newer")
    assert (await world.sync(first)).message == "1 updated"
    await world.set_value("K", "/ of K")
    assert (await world.sync(second)).message == "1 updated"


async def test_a_write_whose_result_was_lost_makes_values_uncertain(world: World) -> None:
    first, second = await two_syncs(world)

    async def fail(_: object) -> None:
        raise RuntimeError

    await world.set_value("K", "newer")
    world.memory.steps["written"] = fail
    assert (await world.sync(first)).state is RunState.FAILED
    del world.memory.steps["written"]
    await world.set_value("K", "/ of K")
    assert (await world.sync(second)).message == "1 updated"
    assert world.memory.at("x").values() == {"k@1": "newer", "k@2": "/ of K"}
    assert (await world.sync(first)).message == "1 updated"
    assert world.memory.at("x").values() == {"k@1": "/ of K", "k@2": "/ of K"}


class TestWritesThatMayStillArrive:
    """A write of an attempt without a result can reach the destination after the next has read."""

    @pytest.mark.parametrize(
        ("step", "message"), [("begin", "1 unchanged"), ("write", "1 updated")]
    )
    async def test_after_an_attempt_it_depends_on_whether_it_was_about_to_write(
        self, world: World, step: str, message: str
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)

        async def fail_once(_: RunRequest) -> None:
            del world.memory.steps[step]
            raise Unavailable("no answer")

        await world.set_value("K", "newer" if step == "write" else "/ of K")
        world.memory.steps[step] = fail_once
        run = await world.enqueue(sync)
        await world.failed_attempt(run, 1)
        await world.set_value("K", "/ of K")
        world.clock.advance(60)
        world.engine.wake()
        assert (await world.ended(run)).message == message
        assert (await world.sync(sync)).message == "1 unchanged"

    async def test_after_a_run_that_was_cut_short_everything_is_written(self, world: World) -> None:
        gate = Gate()
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.steps["begin"] = gate
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        await world.engine.stop(grace=0)
        assert (await world.run(first)).error_reason is Reason.SUPERSEDED
        gate.open()
        await world.start()
        assert (await world.ended(second)).message == "1 updated"
        assert (await world.sync(sync)).message == "1 unchanged"

    @pytest.mark.parametrize(("method", "message"), [("GET", "1 unchanged"), ("PUT", "1 updated")])
    async def test_after_a_failure_it_depends_on_whether_it_had_sent_a_write(
        self, world: World, method: str, message: str
    ) -> None:
        async def call_and_fail(request: RunRequest) -> None:
            del world.memory.steps["begin"]
            with contextlib.suppress(httpx.ConnectError):
                await request.http.request(method, "http://127.0.0.1:9/")
            raise PermissionDenied("no")

        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.steps["begin"] = call_and_fail
        assert (await world.sync(sync)).state is RunState.FAILED
        assert (await world.sync(sync)).message == message

    async def test_a_run_that_never_began_says_nothing(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        await world.engine.stop(grace=0)
        removal = await world.enqueue(sync, RunAction.REMOVE)
        run = await world.enqueue(sync)
        assert (await world.run(removal)).error_reason is Reason.SUPERSEDED
        await world.start()
        assert (await world.ended(run)).message == "1 unchanged"

    async def test_it_counts_however_many_runs_have_failed_since(self, world: World) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)

        async def fail(_: object) -> None:
            raise PermissionDenied("no")

        world.memory.steps["write"] = fail
        await world.set_value("K", "newer")
        assert (await world.sync(sync)).may_have_written
        del world.memory.steps["write"]
        await world.set_value("K", "/ of K")
        world.memory.steps["begin"] = fail
        for _ in range(AT_A_TIME + 1):
            assert not (await world.sync(sync)).may_have_written
        del world.memory.steps["begin"]
        assert (await world.sync(sync)).message == "1 updated"

    async def test_an_older_run_that_is_not_released_yet_counts(self, world: World) -> None:
        gate = Gate()
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        world.memory.steps["begin"] = gate
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        assert (await world.run(first)).state is RunState.RUNNING
        ledger = await world.ledger(sync)
        known = await world.disk.read(lambda tx: known_versions(tx, second, sync, ledger))
        assert known == frozenset()


async def test_each_sync_is_told_what_others_claim_at_its_target(world: World) -> None:
    first, second = await two_syncs(world)
    await world.add_sync("elsewhere")
    await world.sync(first)
    request = world.memory.requests[-1]
    assert request.claimed_by_others == {"k@2": second.name}


async def test_an_entry_of_uncertain_value_says_nothing_of_the_others(world: World) -> None:
    sync = await world.add_sync()
    await world.start()
    await world.sync(sync)
    [entry] = await world.ledger(sync)
    kept = replace(entry, key="OLD", name="OLD", identity="old@", version=None)
    await world.disk.write(lambda tx: tx.ledger.replace(sync.uid, [entry, kept]))
    await world.sync(sync)
    assert world.memory.requests[-1].known_versions == {"2"}


@pytest.mark.parametrize(("version", "certain"), [("1", {"2"}), ("elsewhere", set())])
async def test_of_entries_of_several_versions_what_all_lead_to_is_certain(
    world: World, version: str, certain: set[str]
) -> None:
    sync = await world.add_sync()
    await world.start()
    await world.sync(sync)
    [entry] = await world.ledger(sync)
    other = replace(entry, key="OLD", name="OLD", identity="old@", version=version)
    await world.disk.write(lambda tx: tx.ledger.replace(sync.uid, [entry, other]))
    await world.sync(sync)
    assert world.memory.requests[-1].known_versions == certain


async def test_digests_are_keyed_and_bound_to_sync_and_identity(world: World) -> None:
    first, second = await two_syncs(world)
    requests = {
        request.config.scope: request
        for request in world.memory.requests
        if isinstance(request, SyncRequest)
    }
    value = requests["1"].desired[0].value
    digests = {
        requests[scope].digest(identity, value) for scope in ("1", "2") for identity in ("a", "b")
    }
    assert len(digests) == 4
    assert not [digest for digest in digests if value.reveal() in digest]
    del first, second


async def test_the_request_says_how_deletion_is_meant(world: World) -> None:
    options = (await world.add_sync("plain")).options
    keep = replace(options, disable_secret_deletion=True)
    claim = replace(options, key_schema="APP_{{secretKey}}")
    syncs = [
        await world.add_sync("keep", options=keep),
        await world.add_sync("claim", options=claim),
    ]
    await world.start()
    for sync in syncs:
        await world.sync(sync)
    kept, claimed = (
        request for request in world.memory.requests if isinstance(request, SyncRequest)
    )
    assert (kept.delete_missing, claimed.delete_missing) == (False, True)
    assert not kept.claims("OLD")
    assert claimed.claims("APP_OLD")
    assert claimed.desired[0].name == "APP_K"
    await world.sync(syncs[1])
    [*_, later] = world.memory.requests
    assert isinstance(later, SyncRequest)
    assert not later.claims("APP_OLD")
