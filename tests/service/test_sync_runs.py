"""SecretSyncService: runs, what queues them, what they tell, and the three status blocks."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import DEV, PROD, SHOP, SYNC, Service, wait_for

from secretsync.adapter import (
    AuthenticationFailed,
)
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as pb

SYNC_SECRETS = pb.SyncSecretsRequest(name=SYNC)
REMOVE_SECRETS = pb.RemoveSecretsRequest(name=SYNC)


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with two secrets and a sync that runs only when told to."""
    await shop.put({"A": "a", "B": "b"})
    await shop.add_sync(is_auto_sync_enabled=False)
    return shop


async def test_a_run_tells_what_became_of_each_key(web: Service, recorder: Recorder) -> None:
    recorder.warnings = ("Mind this.",)
    queued = await web.syncs.SyncSecrets(SYNC_SECRETS)
    assert queued.name.startswith(f"{SYNC}/runs/")
    assert (queued.action, queued.trigger) == (pb.RUN_ACTION_SYNC, pb.RUN_TRIGGER_MANUAL)
    assert (queued.state, queued.attempt, queued.max_attempts) == (pb.RUN_STATE_PENDING, 0, 5)
    first = await web.ended(queued.name)
    assert (first.state, first.attempt) == (pb.RUN_STATE_SUCCEEDED, 1)
    assert first.message == "2 created"
    assert first.error_reason == reasons.ERROR_REASON_UNSPECIFIED
    assert first.counts == pb.KeyCounts(created=2)
    created = pb.KEY_ACTION_CREATED
    assert list(first.key_results) == [
        pb.KeyResult(key="A", destination_name="A", action=created),
        pb.KeyResult(key="B", destination_name="B", action=created),
    ]
    assert list(first.warnings) == ["Mind this."]
    moments = (first.create_time, first.start_time, first.finish_time)
    times = [moment.ToNanoseconds() for moment in moments]
    assert 0 < times[0] <= times[1] <= times[2]
    assert not first.HasField("next_attempt_time")
    assert not first.HasField("progress")

    await web.put({"A": "changed", "C": "c"})
    await web.delete("B")
    second = await web.trigger()
    assert second.counts == pb.KeyCounts(created=1, updated=1, deleted=1)
    assert (await web.trigger()).counts == pb.KeyCounts(unchanged=2)
    removed = await web.remove()
    assert removed.action == pb.RUN_ACTION_REMOVE
    assert removed.counts == pb.KeyCounts(deleted=2)
    assert recorder.held["web"] == {}
    assert (await web.remove()).message == "nothing to do"


async def test_lists_of_runs_leave_details_out(web: Service) -> None:
    run = await web.trigger()
    assert run.key_results
    (listed,) = await web.runs()
    assert listed.key_results == []
    assert listed.counts == run.counts
    assert (listed.name, listed.state, listed.message) == (run.name, run.state, run.message)


async def listed(web: Service, **fields: Any) -> list[str]:  # noqa: ANN401
    """Return the names of the runs that a filter lets through, newest first."""
    request = pb.ListSyncRunsRequest(parent=SYNC, **fields)
    return [run.name for run in (await web.syncs.ListSyncRuns(request)).sync_runs]


async def test_runs_are_filtered_by_state_trigger_and_time(
    web: Service, recorder: Recorder
) -> None:
    good = await web.trigger()
    recorder.failures["sync"] = [AuthenticationFailed("No.")]
    bad = await web.trigger()
    await web.update_sync(is_auto_sync_enabled=True)
    (update,) = (await web.quiet())[2:]
    assert update.trigger == pb.RUN_TRIGGER_UPDATE
    succeeded, manual = [pb.RUN_STATE_SUCCEEDED], [pb.RUN_TRIGGER_MANUAL]
    assert await listed(web) == [update.name, bad.name, good.name]
    assert await listed(web, states=succeeded) == [update.name, good.name]
    assert await listed(web, triggers=manual) == [bad.name, good.name]
    assert await listed(web, states=succeeded, triggers=manual) == [good.name]
    assert await listed(web, states=[pb.RUN_STATE_PENDING, pb.RUN_STATE_FAILED]) == [bad.name]
    since = {"start_create_time": bad.create_time}
    assert await listed(web, **since) == [update.name, bad.name]
    assert await listed(web, end_create_time=bad.create_time) == [good.name]
    assert await listed(web, **since, end_create_time=update.create_time) == [bad.name]


def among(names: Sequence[str]) -> set[str]:
    """Return what a filter says that it takes: all of an enum's values that are set."""
    _, first, *others = names
    return {f"must be among {first}", *others}


async def test_what_is_wrong_with_filters_is_told_together(web: Service) -> None:
    wrong = Timestamp(seconds=10**18)
    fields = await invalid_fields(
        listed(web, states=[0], triggers=[77], start_create_time=wrong, page_size=-1)
    )
    assert {field: set(told.split(", ")) for field, told in fields.items()} == {
        "states": among(pb.RunState.keys()),
        "triggers": among(pb.RunTrigger.keys()),
        "start_create_time": {"must be a time from the year 1 to 9999"},
        "page_size": {"must be 0 (for 50) to 1000"},
    }
    moment = Timestamp(seconds=5)
    fields = await invalid_fields(listed(web, start_create_time=moment, end_create_time=moment))
    assert fields == {"end_create_time": "must be later than start_create_time"}


async def test_a_run_of_another_sync_is_not_found(web: Service) -> None:
    await web.add_sync("other", is_auto_sync_enabled=False)
    run = await web.trigger()
    name = run.name.replace("secretSyncs/web", "secretSyncs/other")
    refusal = await refused(web.run(name))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": name}
    fields = await invalid_fields(web.run(f"{SYNC}/runs/X"))
    assert fields.keys() == {"name"}


async def test_triggers_join_the_run_that_waits(web: Service, recorder: Recorder) -> None:
    recorder.open.clear()
    first = await web.syncs.SyncSecrets(SYNC_SECRETS)
    running = await web.until(first.name, pb.RUN_STATE_RUNNING)
    assert running.attempt == 1
    second = await web.syncs.SyncSecrets(SYNC_SECRETS)
    assert second.name != first.name
    assert second.state == pb.RUN_STATE_PENDING
    for _ in range(3):
        assert (await web.syncs.SyncSecrets(SYNC_SECRETS)).name == second.name
    assert (await web.sync()).sync_status.last_run == second.name
    recorder.open.set()
    assert [run.name for run in await web.quiet()] == [first.name, second.name]
    assert len(recorder.calls("sync")) == 2


async def test_a_run_under_way_tells_its_progress(web: Service, recorder: Recorder) -> None:
    recorder.open.clear()
    queued = await web.syncs.SyncSecrets(SYNC_SECRETS)

    async def arrived() -> pb.SyncRun | None:
        run = await web.run(queued.name)
        return run if run.progress.step == "writing" else None

    run = await wait_for(arrived)
    assert run.state == pb.RUN_STATE_RUNNING
    assert (run.progress.done, run.progress.total) == (1, 2)
    assert run.start_time.seconds > 0
    recorder.open.set()
    assert not (await web.ended(queued.name)).HasField("progress")


async def test_a_removal_takes_the_place_of_a_sync_run_that_waits(
    web: Service, recorder: Recorder
) -> None:
    recorder.open.clear()
    first = await web.syncs.SyncSecrets(SYNC_SECRETS)
    await web.until(first.name, pb.RUN_STATE_RUNNING)
    waiting = await web.syncs.SyncSecrets(SYNC_SECRETS)
    removal = await web.syncs.RemoveSecrets(REMOVE_SECRETS)
    superseded = await web.run(waiting.name)
    assert superseded.state == pb.RUN_STATE_FAILED
    assert superseded.error_reason == reasons.ERROR_REASON_SUPERSEDED
    assert removal.name in superseded.message
    # A change at the source does not overrule the removal; somebody who asks does.
    await web.update_sync(is_auto_sync_enabled=True)
    assert list((await web.put({"A": "new"})).runs) == [removal.name]
    recorder.open.set()
    await web.quiet()
    assert recorder.held["web"] == {}


async def test_the_status_blocks(web: Service, recorder: Recorder) -> None:
    done = await web.trigger()
    status = (await web.sync()).sync_status
    assert (status.state, status.last_run) == (pb.RUN_STATE_SUCCEEDED, done.name)
    assert (status.message, status.finish_time) == ("", done.finish_time)

    recorder.failures["remove"] = [AuthenticationFailed("No more.")]
    failed = await web.remove()
    shown = await web.sync()
    assert shown.sync_status == status
    assert shown.remove_status == pb.RunStatus(
        state=pb.RUN_STATE_FAILED,
        last_run=failed.name,
        message="No more.",
        finish_time=failed.finish_time,
    )
    assert shown.import_status == pb.RunStatus()
    again = await web.remove()
    assert (await web.sync()).remove_status.message == ""
    assert (await web.sync()).remove_status.last_run == again.name


async def test_a_disabled_sync_does_not_run_but_removes(web: Service, recorder: Recorder) -> None:
    await web.trigger()
    await web.update_sync(is_enabled=False)
    before = web.dump()
    refusal = await refused(web.syncs.SyncSecrets(SYNC_SECRETS))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "SYNC_DISABLED"
    assert refusal.metadata == {"resource": SYNC}
    assert "is_enabled" in refusal.message
    assert web.dump() == before
    assert (await web.remove()).state == pb.RUN_STATE_SUCCEEDED
    assert recorder.held["web"] == {}


@pytest.mark.parametrize(("enabled", "auto"), [(True, False), (False, True), (False, False)])
async def test_changes_at_the_source_do_not_run_syncs_that_are_off(
    shop: Service, *, enabled: bool, auto: bool
) -> None:
    await shop.add_sync(is_enabled=enabled, is_auto_sync_enabled=auto)
    assert (await shop.put({"A": "1"})).runs == []
    await shop.delete("A")
    await shop.add_import("/", "/", environment=PROD)
    assert await shop.runs() == []


async def test_a_change_at_the_source_is_carried_over_once(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"A": "1", "B": "1"})
    await shop.put({"N": "1"}, path="/nested")
    await shop.add_sync()
    await shop.add_sync("all", source=pb.SecretSource(environment=DEV, recursive=True))
    await shop.settled()
    answer = await shop.put({"A": "2", "B": "1"})
    assert [name.rpartition("/runs/")[0] for name in sorted(answer.runs)] == [
        f"{SHOP}/secretSyncs/all",
        SYNC,
    ]
    assert (await shop.ended(answer.runs[0])).trigger == pb.RUN_TRIGGER_SOURCE_CHANGE
    await shop.settled()
    assert recorder.held == {"web": {"A": "2", "B": "1"}, "all": {"A": "2", "B": "1", "N": "1"}}
    count = len(await shop.runs())
    # What is already as asked for is no change; nor is another environment or folder.
    assert (await shop.put({"A": "2"})).runs == []
    assert (await shop.put({"A": "3"}, parent=PROD)).runs == []
    (only,) = (await shop.put({"N": "2"}, path="/nested")).runs
    assert only.startswith(f"{SHOP}/secretSyncs/all/runs/")
    nothing = secret_pb.DeleteSecretsRequest(parent=DEV, keys=["missing"], allow_missing=True)
    await shop.secrets.DeleteSecrets(nothing)
    await shop.settled()
    assert len(await shop.runs()) == count
    await shop.delete("A")
    await shop.settled()
    assert recorder.held["web"] == {"B": "1"}
