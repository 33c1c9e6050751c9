"""Guards: a run that would delete too much changes nothing, tells what, and can be let through."""

import pytest
from recording_destination import Recorder
from refusals import invalid_fields
from service_kit import DEV, SYNC, Service

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb

KEYS = [f"K{number:02}" for number in range(12)]
ALL = {key: f"value of {key}" for key in KEYS}


async def override(service: Service) -> pb.SyncRun:
    request = pb.SyncSecretsRequest(name=SYNC, override_guards=True)
    return await service.ended((await service.syncs.SyncSecrets(request)).name)


def check_tripped(run: pb.SyncRun, deletions: int) -> None:
    assert (run.state, run.error_reason) == (
        pb.RUN_STATE_FAILED,
        reasons.ERROR_REASON_GUARD_TRIPPED,
    )
    assert run.attempt == 1
    assert run.plan.counts.delete == deletions
    assert run.plan.refusal == run.message
    assert run.message.endswith("run the sync once with override_guards")
    assert not run.key_results


@pytest.fixture
async def full(shop: Service) -> Service:
    """A server with a sync that has written twelve secrets, and runs only when told to."""
    await shop.put(ALL)
    await shop.add_sync(is_auto_sync_enabled=False)
    await shop.trigger()
    return shop


async def test_a_wipe_is_stopped_and_can_be_let_through(full: Service, recorder: Recorder) -> None:
    await full.put({"NEW": "n"})
    await full.delete(*KEYS[1:])
    run = await full.trigger()
    check_tripped(run, 11)
    assert run.message.startswith(
        "11 secrets would be deleted of 12, which is more than max_deletions (50 %, or 5"
    )
    names = {each.destination_name for each in run.plan.changes}
    assert names == {"NEW", *KEYS}
    assert recorder.held["web"] == ALL
    listed = (await full.runs())[-1]
    assert (listed.name, listed.HasField("plan")) == (run.name, False)
    # The next run is stopped too: an override is for one run.
    check_tripped(await full.trigger(), 11)

    through = await override(full)
    assert (through.state, through.override_guards) == (pb.RUN_STATE_SUCCEEDED, True)
    assert not through.HasField("plan")
    assert recorder.held["web"] == {"NEW": "n", "K00": ALL["K00"]}
    assert (await full.trigger()).state == pb.RUN_STATE_SUCCEEDED


async def test_no_value_is_in_the_plan_that_is_attached(full: Service) -> None:
    await full.delete(*KEYS[1:])
    run = await full.trigger()
    check_tripped(run, 11)
    assert "value of" not in str(run)
    assert run.plan.fingerprint


async def test_normal_work_is_let_through(full: Service, recorder: Recorder) -> None:
    await full.delete(*KEYS[:6])
    assert (await full.trigger()).counts.deleted == 6
    await full.delete(*KEYS[6:11])
    assert (await full.trigger()).counts.deleted == 5
    assert recorder.held["web"] == {"K11": ALL["K11"]}


async def test_a_limit_of_ones_own(full: Service, recorder: Recorder) -> None:
    async def limit(**limit: int) -> None:
        options = pb.SyncOptions(max_deletions=pb.MaxDeletions(**limit))
        sync = await full.update_sync(["sync_options.max_deletions"], sync_options=options)
        assert sync.sync_options.max_deletions == options.max_deletions

    await limit(count=0)
    await full.delete("K00")
    check_tripped(await full.trigger(), 1)
    await limit(percent=8)
    check_tripped(await full.trigger(), 1)
    await limit(percent=9)
    assert (await full.trigger()).counts.deleted == 1
    await limit(percent=100)
    await full.delete(*KEYS[1:11])
    assert (await full.trigger()).counts.deleted == 10
    await full.update_sync(["sync_options"], sync_options=pb.SyncOptions())
    assert not (await full.sync()).sync_options.HasField("max_deletions")
    assert recorder.held["web"] == {"K11": ALL["K11"]}


async def test_bad_limits(full: Service) -> None:
    for limit, rule in (
        (pb.MaxDeletions(count=-1), "count must be 0 or more; 0 allows none"),
        (pb.MaxDeletions(percent=101), "percent must be between 0 and 100, which allows all"),
    ):
        options = pb.SyncOptions(max_deletions=limit)
        assert await invalid_fields(full.update_sync(sync_options=options)) == {
            "secret_sync.sync_options.max_deletions": rule
        }


async def test_an_empty_source(full: Service, recorder: Recorder) -> None:
    await full.delete(*KEYS)
    run = await full.trigger()
    check_tripped(run, 12)
    assert run.message.startswith("the source is empty, and 12 secrets would be deleted. Nothing")
    assert recorder.held["web"] == ALL
    assert (await override(full)).counts.deleted == 12
    assert recorder.held["web"] == {}
    # With nothing left to delete, an empty source is as good as any.
    assert (await full.trigger()).state == pb.RUN_STATE_SUCCEEDED


async def test_a_source_folder_that_is_gone(shop: Service, recorder: Recorder) -> None:
    await shop.put({"K": "1"}, path="/api")
    source = pb.SecretSource(environment=DEV, secret_path="/api")
    await shop.add_sync(source=source, is_auto_sync_enabled=False)
    await shop.delete("K", path="/api")
    run = await shop.trigger()
    # It has never written anything, so there is nothing to guard.
    assert run.error_reason == reasons.ERROR_REASON_SOURCE_NOT_FOUND
    await shop.put({"K": "1"}, path="/api")
    await shop.trigger()
    await shop.delete("K", path="/api")
    run = await shop.trigger()
    check_tripped(run, 1)
    assert run.message.startswith("the source folder dev:/api does not exist, and 1 secret would")
    assert recorder.held["web"] == {"K": "1"}
    plan = await shop.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=SYNC))
    assert (plan.refusal, plan.fingerprint) == (run.plan.refusal, run.plan.fingerprint)
    assert (await override(shop)).counts.deleted == 1
    assert recorder.held["web"] == {}


async def test_where_deletion_is_disabled_only_a_missing_source_is_told(
    full: Service, recorder: Recorder
) -> None:
    await full.update_sync(sync_options=pb.SyncOptions(disable_secret_deletion=True))
    await full.delete(*KEYS)
    run = await full.trigger()
    assert run.state == pb.RUN_STATE_SUCCEEDED
    assert recorder.held["web"] == ALL


async def test_a_removal_is_meant(full: Service, recorder: Recorder) -> None:
    limit = pb.SyncOptions(max_deletions=pb.MaxDeletions(count=0))
    await full.update_sync(sync_options=limit)
    assert (await full.remove()).counts.deleted == 12
    assert recorder.held["web"] == {}


async def test_a_destination_that_makes_no_plans_is_guarded_by_its_ledger(
    planless: Service, planless_recorder: Recorder
) -> None:
    await planless.put(ALL)
    await planless.add_sync(is_auto_sync_enabled=False)
    await planless.trigger()
    await planless.put({"k00": "other case", "NEW": "n"})
    await planless.delete(*KEYS)
    run = await planless.trigger()
    check_tripped(run, 11)
    assert (run.plan.counts.update, run.plan.counts.create) == (1, 1)
    assert len(planless_recorder.calls("sync")) == 1
    assert planless_recorder.held["web"] == ALL
    assert (await override(planless)).state == pb.RUN_STATE_SUCCEEDED
    await planless.update_sync(sync_options=pb.SyncOptions(disable_secret_deletion=True))
    await planless.delete("k00", "NEW")
    assert (await planless.trigger()).state == pb.RUN_STATE_SUCCEEDED
