"""SecretSyncService.CancelSyncRun: what it answers, and what becomes of the run and its sync."""

import asyncio
from pathlib import Path

import grpc
import pytest
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import SYNC, Service, running, wire

from secretsync.adapter import RateLimited
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb

CANCELLED = reasons.ERROR_REASON_CANCELLED


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with two secrets and a sync that runs only when told to."""
    await shop.put({"A": "a", "B": "b"})
    await shop.add_sync(is_auto_sync_enabled=False)
    return shop


async def start(web: Service) -> pb.SyncRun:
    """Return a run that is under way, and stays so until the recorder is opened."""
    web.recorder.open.clear()
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    return await web.until(run.name, pb.RUN_STATE_RUNNING)


async def cancel(web: Service, name: str, **fields: str | bool) -> pb.SyncRun:
    request = pb.CancelSyncRunRequest(name=name, **fields)  # type: ignore[arg-type]
    return await web.syncs.CancelSyncRun(request)


async def test_a_run_that_waits_ends_at_once(web: Service, recorder: Recorder) -> None:
    first = await start(web)
    waiting = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    cancelled = await cancel(web, waiting.name)
    assert (cancelled.state, cancelled.error_reason) == (pb.RUN_STATE_FAILED, CANCELLED)
    assert cancelled.cancel_requested
    assert cancelled.finish_time.seconds > 0
    assert cancelled.message == "cancelled while it waited"
    assert await web.run(waiting.name) == cancelled
    status = (await web.sync()).sync_status
    assert (status.state, status.last_run) == (pb.RUN_STATE_FAILED, waiting.name)
    recorder.open.set()
    assert (await web.ended(first.name)).state == pb.RUN_STATE_SUCCEEDED
    assert len(recorder.calls("sync")) == 1


async def test_a_run_under_way_is_stopped_and_blocks_nothing(
    web: Service, recorder: Recorder
) -> None:
    run = await start(web)
    asked = await cancel(web, run.name)
    assert asked.cancel_requested
    ended = await web.ended(run.name)
    assert (ended.state, ended.error_reason) == (pb.RUN_STATE_FAILED, CANCELLED)
    assert ended.message == "cancelled before this attempt had written anything"
    assert recorder.held["web"] == {}
    recorder.open.set()
    assert (await web.trigger()).counts.created == 2
    assert await web.run(run.name) == ended


async def test_a_run_that_waits_out_a_rate_limit(web: Service, recorder: Recorder) -> None:
    recorder.failures["sync"] = [RateLimited("Slow down.", retry_after=3000)]
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.failed_once(run.name)
    cancelled = await cancel(web, run.name)
    assert (cancelled.state, cancelled.attempt) == (pb.RUN_STATE_FAILED, 1)
    assert not cancelled.HasField("next_attempt_time")
    assert (await web.trigger()).state == pb.RUN_STATE_SUCCEEDED


async def test_a_run_that_has_ended_cannot_be_cancelled(web: Service) -> None:
    run = await web.trigger()
    before = web.dump()
    refusal = await refused(cancel(web, run.name))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "RUN_ENDED"
    assert refusal.metadata == {"resource": run.name}
    assert "has succeeded already" in refusal.message
    assert web.dump() == before


async def test_validate_only_cancels_nothing(web: Service, recorder: Recorder) -> None:
    run = await start(web)
    before = web.dump()["runs"]
    would_be = await cancel(web, run.name, validate_only=True, request_id="one")
    assert would_be.cancel_requested
    assert web.dump()["runs"] == before
    recorder.open.set()
    assert (await web.ended(run.name)).state == pb.RUN_STATE_SUCCEEDED


async def test_a_repeat_gets_the_first_answer(web: Service) -> None:
    run = await start(web)
    first = await cancel(web, run.name, request_id="one")
    await web.ended(run.name)
    assert wire(await cancel(web, run.name, request_id="one")) == wire(first)
    other = f"{SYNC}/runs/00000000-0000-0000-0000-000000000000"
    assert (await refused(cancel(web, other, request_id="one"))).reason == "REQUEST_ID_REUSED"
    fields = await invalid_fields(cancel(web, "nonsense", request_id="x" * 65))
    assert fields.keys() == {"name", "request_id"}


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_sync_that_was_to_be_deleted_is_kept(
    web: Service, recorder: Recorder, *, waiting: bool
) -> None:
    await web.trigger()
    if waiting:
        recorder.failures["remove"] = [RateLimited("Slow down.", retry_after=3000)]
    else:
        recorder.open.clear()
    deletion = asyncio.ensure_future(
        web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True))
    )
    removal = await web.removal()
    await (web.failed_once(removal) if waiting else web.until(removal, pb.RUN_STATE_RUNNING))
    await cancel(web, removal)
    refusal = await refused(deletion)
    assert refusal.reason == "REMOVAL_FAILED"
    assert refusal.metadata == {"run": removal}
    assert refusal.message.startswith(f"{SYNC} is kept")
    assert (await web.run(removal)).message.endswith(f"{SYNC} is kept")
    recorder.open.set()
    assert recorder.held["web"] == {"A": "a", "B": "b"}
    assert (await web.trigger()).counts.unchanged == 2


async def test_a_restart_does_not_bring_it_back(tmp_path: Path) -> None:
    async with running(tmp_path / "data", shutdown_grace=0) as web:
        await web.add_project()
        await web.connect()
        await web.put({"A": "a"})
        await web.add_sync(is_auto_sync_enabled=False)
        run = await start(web)
        web.server.app.engine.stop_claiming()  # so that the attempt is not told any more
        asked = await cancel(web, run.name)
        assert asked.state == pb.RUN_STATE_RUNNING
    assert web.recorder.held["web"] == {}
    async with running(tmp_path / "data") as after:
        ended = await after.run(run.name)
        assert (ended.state, ended.error_reason) == (pb.RUN_STATE_FAILED, CANCELLED)
        assert (await after.trigger()).state == pb.RUN_STATE_SUCCEEDED
        assert len(after.recorder.calls("sync")) == 1
        assert await after.run(run.name) == ended
