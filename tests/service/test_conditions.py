"""The condition of a sync as its runs, its keys and its settings change it."""

from typing import TypeAlias

import pytest
from recording_destination import Recorder
from service_kit import CONNECTION, SHOP, SYNC, Service

from secretsync.adapter import AuthenticationFailed, RateLimited
from secretsync.v1 import secret_sync_service_pb2 as pb

Condition: TypeAlias = "pb.SyncCondition.ValueType"


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with two secrets and a sync that runs only when told to."""
    await shop.put({"A": "a", "B": "b"})
    await shop.add_sync(is_auto_sync_enabled=False)
    return shop


async def condition(web: Service) -> Condition:
    """Return the condition of the sync, the same as in a list."""
    sync = await web.sync()
    listed = await web.syncs.ListSecretSyncs(pb.ListSecretSyncsRequest(parent=SHOP))
    assert list(listed.secret_syncs) == [sync]
    assert sync.hint
    assert sync.hint.endswith(".")
    return sync.condition


async def test_the_life_of_a_sync(web: Service, recorder: Recorder) -> None:
    assert await condition(web) == pb.SYNC_CONDITION_NEVER_SYNCED
    assert list((await web.sync()).next_actions) == ["SecretSyncService.SyncSecrets"]
    await web.trigger()
    assert await condition(web) == pb.SYNC_CONDITION_SYNCED
    recorder.open.clear()
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.until(run.name, pb.RUN_STATE_RUNNING)
    assert await condition(web) == pb.SYNC_CONDITION_RUNNING
    await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    assert await condition(web) == pb.SYNC_CONDITION_PENDING
    await web.pause(CONNECTION, "upgrade")
    assert await condition(web) == pb.SYNC_CONDITION_PAUSED
    assert f"{CONNECTION} (upgrade) is resumed" in (await web.sync()).hint
    await web.resume(CONNECTION)
    recorder.open.set()
    await web.quiet()
    await web.remove()
    assert await condition(web) == pb.SYNC_CONDITION_REMOVED
    await web.trigger()
    await web.update_sync(is_enabled=False)
    assert await condition(web) == pb.SYNC_CONDITION_DISABLED


async def test_a_run_that_fails_says_what_to_do(web: Service, recorder: Recorder) -> None:
    recorder.always["sync"] = AuthenticationFailed("no")
    await web.trigger()
    assert await condition(web) == pb.SYNC_CONDITION_AUTH_FAILED
    sync = await web.sync()
    assert CONNECTION in sync.hint
    assert sync.next_actions[0] == "ConnectionService.UpdateConnection"
    del recorder.always["sync"]
    await web.trigger()
    assert await condition(web) == pb.SYNC_CONDITION_SYNCED


async def test_a_run_that_waits_for_another_attempt(web: Service, recorder: Recorder) -> None:
    recorder.failures["sync"] = [RateLimited("Slow down.", retry_after=3000)]
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.failed_once(run.name)
    assert await condition(web) == pb.SYNC_CONDITION_RATE_LIMITED
    await web.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=run.name))
    assert await condition(web) == pb.SYNC_CONDITION_CANCELLED


async def test_a_plan_that_waits_for_approval(web: Service) -> None:
    await web.update_sync(sync_options=pb.SyncOptions(require_approval=True))
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.until(run.name, pb.RUN_STATE_AWAITING_APPROVAL)
    assert await condition(web) == pb.SYNC_CONDITION_AWAITING_APPROVAL
    plan = (await web.run(run.name)).plan
    approved = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    await web.ended((await web.syncs.SyncSecrets(approved)).name)
    assert await condition(web) == pb.SYNC_CONDITION_SYNCED


async def test_a_guard_that_tripped(web: Service) -> None:
    await web.trigger()
    await web.delete("A", "B")
    await web.trigger()
    assert await condition(web) == pb.SYNC_CONDITION_GUARD_TRIPPED


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ({"A"}, pb.SYNC_CONDITION_PARTIALLY_SYNCED),
        ({"A", "B"}, pb.SYNC_CONDITION_BLOCKED),
    ],
)
async def test_keys_that_are_refused(
    web: Service, recorder: Recorder, refused: set[str], expected: Condition
) -> None:
    recorder.refused = refused
    await web.trigger()
    assert await condition(web) == expected
    assert "SecretSyncService.ListSyncKeys" in (await web.sync()).next_actions


async def test_an_answer_to_a_change_has_it_too(web: Service) -> None:
    updated = await web.update_sync(is_enabled=False)
    assert updated.condition == pb.SYNC_CONDITION_DISABLED
    made = await web.add_sync("other", is_enabled=False)
    assert made.condition == pb.SYNC_CONDITION_DISABLED
