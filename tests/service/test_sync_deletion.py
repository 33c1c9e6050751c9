"""SecretSyncService: deleting secret syncs, with and without their secrets."""

import asyncio

import grpc
import pytest
from recording_destination import Recorder
from refusals import refused
from service_kit import SYNC, Service

from secretsync.adapter import AuthenticationFailed, RateLimited, Unavailable
from secretsync.v1 import secret_sync_service_pb2 as pb

WITH_SECRETS = pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True)


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with a sync that has put a secret at its place."""
    await shop.put({"K": "v"})
    await shop.add_sync()
    await shop.quiet()
    return shop


async def test_deletion_leaves_the_secrets_at_the_destination(
    web: Service, recorder: Recorder
) -> None:
    await web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC))
    assert (await refused(web.sync())).code == grpc.StatusCode.NOT_FOUND
    left = web.dump()
    for table in ("secret_syncs", "runs", "run_details", "ledger"):
        assert left[table] == []
    assert recorder.held["web"] == {"K": "v"}
    assert recorder.calls("remove") == []


async def test_deletion_with_the_secrets(web: Service, recorder: Recorder) -> None:
    await web.syncs.DeleteSecretSync(WITH_SECRETS)
    assert recorder.held["web"] == {}
    assert (await refused(web.sync())).code == grpc.StatusCode.NOT_FOUND
    assert web.dump()["secret_syncs"] == []


async def test_a_sync_whose_removal_fails_is_kept(web: Service, recorder: Recorder) -> None:
    recorder.failures["remove"] = [AuthenticationFailed("The key is gone.")]
    refusal = await refused(web.syncs.DeleteSecretSync(WITH_SECRETS))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "REMOVAL_FAILED"
    assert refusal.message.startswith(f"{SYNC} is kept, because its secrets could not be removed")
    assert "The key is gone." in refusal.message
    failed = await web.run(refusal.metadata["run"])
    assert (failed.action, failed.state) == (pb.RUN_ACTION_REMOVE, pb.RUN_STATE_FAILED)
    assert (await web.sync()).remove_status.last_run == failed.name
    assert recorder.held["web"] == {"K": "v"}
    # It works as before, and is not deleted by a later removal.
    assert (await web.trigger()).counts.unchanged == 1
    await web.remove()
    assert (await web.sync()).name == SYNC


async def test_errors_that_can_pass_do_not_stop_a_deletion(
    web: Service, recorder: Recorder
) -> None:
    recorder.failures["remove"] = [Unavailable("Down."), Unavailable("Still down.")]
    await web.syncs.DeleteSecretSync(WITH_SECRETS)
    assert recorder.held["web"] == {}
    assert web.dump()["secret_syncs"] == []


async def test_validate_only_asks_nothing_of_the_destination(
    web: Service, recorder: Recorder
) -> None:
    before = web.dump()
    await web.syncs.DeleteSecretSync(
        pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True, validate_only=True)
    )
    assert web.dump() == before
    assert recorder.calls("remove") == []


async def test_a_sync_with_a_run_under_way_is_not_deleted(web: Service, recorder: Recorder) -> None:
    recorder.open.clear()
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.until(run.name, pb.RUN_STATE_RUNNING)
    refusal = await refused(web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC)))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": SYNC, "users": run.name}
    recorder.open.set()
    await web.quiet()
    await web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC))


async def test_while_a_sync_is_being_deleted(web: Service, recorder: Recorder) -> None:
    recorder.open.clear()
    deletion = asyncio.ensure_future(web.syncs.DeleteSecretSync(WITH_SECRETS))
    removal = ""
    while not removal:
        removal = (await web.sync()).remove_status.last_run
    await web.until(removal, pb.RUN_STATE_RUNNING)

    for attempt in (
        web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC)),
        web.syncs.RemoveSecrets(pb.RemoveSecretsRequest(name=SYNC)),
    ):
        refusal = await refused(attempt)
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "RESOURCE_IN_USE"
        assert refusal.metadata == {"resource": SYNC, "users": removal}
        assert "is being deleted" in refusal.message
    # A second wish for the same joins the first, and changes at the source do not stop it.
    again = asyncio.ensure_future(web.syncs.DeleteSecretSync(WITH_SECRETS))
    assert list((await web.put({"K": "new"})).runs) == [removal]
    recorder.open.set()
    await asyncio.gather(deletion, again)
    assert recorder.held["web"] == {}
    assert len(recorder.calls("remove")) == 1


async def test_a_deletion_goes_on_when_the_caller_has_left(
    web: Service, recorder: Recorder
) -> None:
    recorder.open.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await web.syncs.DeleteSecretSync(WITH_SECRETS, timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    recorder.open.set()
    await web.settled()
    assert recorder.held["web"] == {}
    assert web.dump()["secret_syncs"] == []


async def test_a_sync_is_kept_while_secrets_of_it_are_left(
    web: Service, recorder: Recorder
) -> None:
    await web.put({"SEEN": "v"})
    await web.quiet()
    recorder.hidden = {"K"}
    refusal = await refused(web.syncs.DeleteSecretSync(WITH_SECRETS))
    assert refusal.reason == "REMOVAL_FAILED"
    assert "not everything could be removed: K may still be there" in refusal.message
    assert recorder.held["web"] == {"K": "v"}
    recorder.hidden = set()
    await web.syncs.DeleteSecretSync(WITH_SECRETS)
    assert recorder.held["web"] == {}


async def test_a_deletion_that_waits_to_remove_is_not_overtaken_by_one_that_does_not(
    web: Service, recorder: Recorder
) -> None:
    recorder.failures["remove"] = [RateLimited("Slow down.", retry_after=0.5)]
    deletion = asyncio.ensure_future(web.syncs.DeleteSecretSync(WITH_SECRETS))
    removal = await web.removal()
    await web.failed_once(removal)
    refusal = await refused(web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC)))
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata["users"] == removal
    await deletion
    assert recorder.held["web"] == {}


async def test_a_repeat_of_a_deletion_with_the_secrets_gets_the_first_answer(
    web: Service, recorder: Recorder
) -> None:
    request = pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True, request_id="once")
    await web.syncs.DeleteSecretSync(request)
    await web.syncs.DeleteSecretSync(request)
    assert len(recorder.calls("remove")) == 1
    assert (await refused(web.syncs.DeleteSecretSync(WITH_SECRETS))).reason == "RESOURCE_NOT_FOUND"
