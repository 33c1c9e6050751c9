"""SecretSyncService: looking for drift, by hand and at an interval."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import SHOP, SYNC, Service, struct, wait_for

from secretsync.adapter import PermissionDenied
from secretsync.v1 import secret_sync_service_pb2 as pb

DETECT = pb.SyncOptions(drift_policy=pb.DRIFT_POLICY_DETECT)
REPAIR = pb.SyncOptions(drift_policy=pb.DRIFT_POLICY_REPAIR, drift_interval=Duration(seconds=86400))


async def ask(service: Service) -> pb.SyncRun:
    return await service.syncs.CheckDrift(pb.CheckDriftRequest(name=SYNC))


async def check(service: Service) -> pb.SyncRun:
    return await service.ended((await ask(service)).name)


async def when_it_is_time(service: Service, runs: int) -> pb.SyncRun:
    """Let the time of the next look have come, and return the run that follows."""
    await service.tamper("UPDATE secret_syncs SET next_check_time = '2020-01-01T00:00:00.000000Z'")
    service.server.app.engine.wake()

    async def looked() -> pb.SyncRun | None:
        found = await service.runs()
        return found[-1] if len(found) > runs else None

    return await service.ended((await wait_for(looked)).name)


async def test_the_default_is_off_and_an_hour(shop: Service) -> None:
    made = await shop.add_sync()
    assert made.sync_options.drift_policy == pb.DRIFT_POLICY_OFF
    assert made.sync_options.drift_interval == Duration(seconds=3600)
    assert made.drift == pb.Drift(last_check=pb.RunStatus())


async def test_a_policy_sets_a_time_within_the_interval(shop: Service) -> None:
    before = datetime.now(UTC)
    made = await shop.add_sync(sync_options=REPAIR)
    due = made.drift.next_check_time.ToDatetime(tzinfo=UTC)
    assert before < due <= datetime.now(UTC) + timedelta(days=1)
    assert (await shop.update_sync(description="new")).drift == made.drift
    off = await shop.update_sync(["sync_options.drift_policy"])
    assert not off.drift.HasField("next_check_time")
    again = await shop.update_sync(["sync_options"], sync_options=DETECT)
    assert again.drift.HasField("next_check_time")
    assert not (await shop.update_sync(is_enabled=False)).drift.HasField("next_check_time")


async def test_drift_is_found_when_it_is_time(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1", "B": "2"})
    await shop.add_sync(sync_options=DETECT)
    await shop.quiet()
    del recorder.held["web"]["A"]
    recorder.looks = True
    run = await when_it_is_time(shop, 1)
    assert (run.trigger, run.action) == (pb.RUN_TRIGGER_DRIFT, pb.RUN_ACTION_CHECK)
    assert (run.state, run.message) == (pb.RUN_STATE_SUCCEEDED, "1 drifted: A")
    sync = await shop.sync()
    assert sync.key_state_counts == pb.KeyStateCounts(synced=1, drifted=1)
    assert (sync.drift.drifted_key_count, sync.drift.start_time) == (1, run.finish_time)
    assert (sync.drift.last_check.state, sync.drift.last_check.last_run) == (run.state, run.name)
    assert sync.condition == pb.SYNC_CONDITION_DRIFTED
    # A check is no sync.
    assert sync.sync_status.last_run != run.name
    assert len(recorder.calls("sync")) == 1


async def test_it_is_repaired_when_it_is_time(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1"})
    await shop.add_sync(sync_options=REPAIR)
    await shop.quiet()
    run = await when_it_is_time(shop, 1)
    assert (run.trigger, run.action) == (pb.RUN_TRIGGER_DRIFT, pb.RUN_ACTION_SYNC)
    assert (await shop.sync()).sync_status.last_run == run.name
    assert recorder.calls("plan") == []


async def test_a_check_can_be_asked_for(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1"})
    await shop.add_sync()
    await shop.quiet()
    run = await check(shop)
    assert (run.trigger, run.message) == (pb.RUN_TRIGGER_MANUAL, "nothing has drifted")
    assert len(recorder.calls("plan")) == 1
    shown = (await shop.sync()).drift
    assert shown.last_check.last_run == run.name
    assert not shown.HasField("next_check_time")


async def test_a_check_that_fails_says_why_and_leaves_the_rest(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"A": "1"})
    await shop.add_sync(sync_options=DETECT)
    await shop.quiet()
    before = await shop.sync()
    recorder.failures["plan"] = [PermissionDenied("No.")]
    assert (await check(shop)).state == pb.RUN_STATE_FAILED
    after = await shop.sync()
    assert after.drift.last_check.state == pb.RUN_STATE_FAILED
    assert "No." in after.drift.last_check.message
    assert before.condition == pb.SYNC_CONDITION_SYNCED
    assert after.condition == pb.SYNC_CONDITION_PERMISSION_DENIED
    assert after.hint.startswith("It could not be seen whether the destination has changed, since")
    assert (after.sync_status, after.key_state_counts) == (
        before.sync_status,
        before.key_state_counts,
    )


async def test_a_sync_that_is_disabled_cannot_be_checked(shop: Service) -> None:
    await shop.add_sync(is_enabled=False)
    refusal = await refused(ask(shop))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "SYNC_DISABLED",
    )


async def test_a_destination_without_plans_cannot_be_looked_at(shop: Service) -> None:
    shop.server.app.registry.register(Recorder("plain", discovers=False), "plain")
    await shop.connect("plain", destination="plain")
    connection = f"{SHOP}/connections/plain"
    for options in (DETECT, REPAIR):
        refusal = await refused(shop.add_sync(connection=connection, sync_options=options))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNSUPPORTED",
        )
        assert refusal.metadata == {"destination": "plain"}
    await shop.add_sync(connection=connection)
    await shop.quiet()
    before = shop.dump()
    assert (await refused(shop.update_sync(sync_options=DETECT))).reason == "UNSUPPORTED"
    assert (await refused(ask(shop))).reason == "UNSUPPORTED"
    assert shop.dump() == before


@pytest.mark.parametrize("seconds", [0, 59, -3600, 366 * 86400 + 1, 2**62])
async def test_what_is_wrong_with_the_options_is_told_at_once(shop: Service, seconds: int) -> None:
    options = pb.SyncOptions(drift_policy=9, drift_interval=Duration(seconds=seconds))  # type: ignore[arg-type]
    found = await invalid_fields(
        shop.add_sync(sync_options=options, destination_config=struct({"place": "web"}))
    )
    assert found.keys() == {
        "secret_sync.sync_options.drift_policy",
        "secret_sync.sync_options.drift_interval",
    }


async def test_a_plan_of_a_check_is_refused(shop: Service) -> None:
    await shop.add_sync()
    request = pb.PlanSecretSyncRequest(name=SYNC, action=pb.RUN_ACTION_CHECK)
    found = await invalid_fields(shop.syncs.PlanSecretSync(request))
    assert found == {"action": "must be one of RUN_ACTION_SYNC, RUN_ACTION_REMOVE"}
