"""Pausing and resuming: what the methods answer, where it shows, and what waits meanwhile."""

import asyncio
from pathlib import Path

import grpc
import pytest
from recording_destination import Recorder
from refusals import refused
from service_kit import CONNECTION, DEV, SHOP, SYNC, Service, running, wait_for

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb

ALL = "-"
each_holder = pytest.mark.parametrize("name", [SYNC, CONNECTION, ALL])


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with two secrets and a sync of them that has run."""
    await shop.put({"A": "a", "B": "b"})
    await shop.add_sync()
    await shop.quiet()
    return shop


async def connection(web: Service) -> connection_pb.Connection:
    return await web.connections.GetConnection(connection_pb.GetConnectionRequest(name=CONNECTION))


async def listed(web: Service) -> list[str]:
    return [pause.name for pause in (await web.syncs.ListPauses(pb.ListPausesRequest())).pauses]


class TestMethods:
    async def test_a_pause_shows_wherever_it_holds(self, web: Service) -> None:
        await web.add_sync("other", is_auto_sync_enabled=False)
        everything = await web.pause(ALL, "incident")
        of_sync = await web.pause(SYNC)
        of_connection = await web.pause(CONNECTION, "key rotation")
        assert (everything.name, everything.reason) == (ALL, "incident")
        assert everything.create_time.seconds > 0
        assert list((await web.sync()).pauses) == [of_sync, of_connection, everything]
        other = await web.sync(f"{SHOP}/secretSyncs/other")
        assert list(other.pauses) == [of_connection, everything]
        syncs = await web.syncs.ListSecretSyncs(pb.ListSecretSyncsRequest(parent=SHOP))
        assert list(syncs.secret_syncs) == [other, await web.sync()]
        assert list((await connection(web)).pauses) == [of_connection, everything]
        connections = await web.connections.ListConnections(
            connection_pb.ListConnectionsRequest(parent=SHOP)
        )
        assert list(connections.connections) == [await connection(web)]
        assert await listed(web) == [ALL, CONNECTION, SYNC]

    async def test_pausing_again_changes_only_the_reason(self, web: Service) -> None:
        first = await web.pause(SYNC, "one")
        assert await web.pause(SYNC) == first
        second = await web.pause(SYNC, "two")
        assert (second.reason, second.create_time) == ("two", first.create_time)
        assert list((await web.sync()).pauses) == [second]

    async def test_resuming_ends_the_pause_of_that_name_alone(self, web: Service) -> None:
        for name in (SYNC, CONNECTION, ALL):
            await web.pause(name)
        await web.resume(ALL)
        await web.resume(ALL)
        assert await listed(web) == [CONNECTION, SYNC]
        await web.resume(CONNECTION)
        assert await listed(web) == [SYNC]

    async def test_it_changes_no_version_or_etag(self, web: Service) -> None:
        before = await web.sync()
        await web.pause(SYNC)
        assert (await web.sync()).etag == before.etag
        await web.resume(SYNC)
        assert await web.sync() == before

    async def test_it_ends_with_what_it_is_for(self, web: Service) -> None:
        await web.pause(SYNC)
        await web.pause(CONNECTION)
        await web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC))
        assert await listed(web) == [CONNECTION]
        await web.connections.DeleteConnection(
            connection_pb.DeleteConnectionRequest(name=CONNECTION)
        )
        assert await listed(web) == []
        await web.connect()
        assert list((await connection(web)).pauses) == []


class TestRuns:
    @each_holder
    async def test_what_is_asked_for_waits_and_says_so(self, web: Service, name: str) -> None:
        await web.pause(name, "incident")
        run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        what = "everything" if name == ALL else name
        told = f"waits until {what} (incident) is resumed"
        assert (run.state, run.message) == (pb.RUN_STATE_PENDING, told)
        assert (await web.run(run.name)).message == told
        assert (await web.runs())[-1].message == told
        again = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        assert again.name == run.name
        await web.resume(name)
        ended = await web.ended(run.name)
        assert (ended.state, ended.attempt) == (pb.RUN_STATE_SUCCEEDED, 1)

    async def test_a_removal_waits_as_well(self, web: Service, recorder: Recorder) -> None:
        await web.pause()
        run = await web.syncs.RemoveSecrets(pb.RemoveSecretsRequest(name=SYNC))
        assert run.message == f"waits until {SYNC} is resumed"
        assert recorder.held["web"] == {"A": "a", "B": "b"}
        await web.resume()
        assert (await web.ended(run.name)).counts.deleted == 2

    async def test_changes_at_the_source_wait_and_are_not_lost(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.pause(CONNECTION)
        for value in ("1", "2", "3"):
            await web.put({"A": value})
        waiting = [run for run in await web.runs() if run.state == pb.RUN_STATE_PENDING]
        assert len(waiting) == 1
        assert recorder.held["web"]["A"] == "a"
        await web.resume(CONNECTION)
        await web.quiet()
        assert recorder.held["web"]["A"] == "3"

    async def test_calls_that_only_read_the_destination_work(self, web: Service) -> None:
        await web.pause(ALL)
        await web.connections.ValidateConnection(
            connection_pb.ValidateConnectionRequest(name=CONNECTION)
        )
        await web.put({"C": "c"})
        plan = await web.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=SYNC))
        assert plan.counts.create == 1
        [warning] = plan.warnings
        assert warning == (
            "The sync is paused, so a run that does this waits until everything is resumed."
        )
        await web.update_sync(description="changed")
        await web.add_sync("new", source=pb.SecretSource(environment=DEV))


class TestDeletion:
    @each_holder
    async def test_with_its_secrets_it_is_refused(
        self, web: Service, recorder: Recorder, name: str
    ) -> None:
        await web.pause(name)
        before = web.dump()
        for validate_only in (True, False):
            refusal = await refused(
                web.syncs.DeleteSecretSync(
                    pb.DeleteSecretSyncRequest(
                        name=SYNC, remove_secrets=True, validate_only=validate_only
                    )
                )
            )
            assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
            assert refusal.reason == "PAUSED"
            assert refusal.metadata == {"resource": SYNC, "pauses": name}
            assert "resume it first, or delete the sync without removing" in refusal.message
        assert web.dump() == before
        assert recorder.held["web"] == {"A": "a", "B": "b"}

    async def test_whoever_waits_for_it_is_told_when_it_is_paused(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.open.clear()
        running_run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        await web.until(running_run.name, pb.RUN_STATE_RUNNING)
        deletion = asyncio.ensure_future(
            web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True))
        )
        removal = await web.removal()
        await web.pause()
        refusal = await refused(deletion)
        assert refusal.reason == "PAUSED"
        assert f"{removal} waits, and deletes the sync after the resume" in refusal.message
        recorder.open.set()
        await web.resume()

        async def deleted() -> bool | None:
            found = await web.syncs.ListSecretSyncs(pb.ListSecretSyncsRequest(parent=SHOP))
            return True if not found.secret_syncs else None

        await wait_for(deleted)
        assert recorder.held["web"] == {}


async def test_a_restart_keeps_the_pause_and_what_waits(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as web:
        await web.add_project()
        await web.connect()
        await web.put({"A": "a"})
        paused = await web.pause(ALL, "incident")
        await web.add_sync()
        [waiting] = await web.runs()
    async with running(tmp_path / "data") as after:
        assert list((await after.sync()).pauses) == [paused]
        assert (await after.run(waiting.name)) == waiting
        assert after.recorder.calls("sync") == []
        await after.resume(ALL)
        assert (await after.ended(waiting.name)).counts.created == 1
