"""A full disk: RESOURCE_EXHAUSTED, nothing changed, and all well again once there is room."""

import grpc
import pytest
from mutations import MUTATIONS, Mutation, prepare
from recording_destination import Recorder
from refusals import refused
from service_kit import SYNC, Service, wait_for

from secretsync.v1 import secret_sync_service_pb2 as pb


async def fill_disk(service: Service) -> None:
    """Let the database get no page more (SQLite takes the present size for the least)."""
    await service.tamper("PRAGMA max_page_count = 1")


async def free_disk(service: Service) -> None:
    """Let the database grow again."""
    await service.tamper("PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize(
    "mutation",
    [each for each in MUTATIONS if each.method in {"SetSecrets", "CreateConnection"}],
    ids=str,
)
async def test_a_change_that_finds_no_room(service: Service, mutation: Mutation) -> None:
    world = await prepare(service)
    request = mutation.request(world)
    # More than may fit into pages that are half full.
    if mutation.method == "SetSecrets":
        request.secrets[0].value = "x" * 60_000
    else:
        request.connection.credentials.update({"token": "x" * 60_000})
    await fill_disk(service)
    before = service.dump()

    refusal = await refused(service.call(mutation.method, request))

    assert refusal.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal.reason == "STORAGE_FULL"
    assert "nothing was changed; make room and try again" in refusal.message
    assert service.dump() == before
    assert await service.values()
    await free_disk(service)
    await service.call(mutation.method, request)


async def test_a_run_whose_result_finds_no_room_waits_for_it(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({f"K{i:03}": "v" * 200 for i in range(300)})
    await shop.add_sync(is_auto_sync_enabled=False)
    recorder.open.clear()
    queued = await shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))

    async def arrived() -> bool | None:
        return True if recorder.calls("sync") else None

    await wait_for(arrived)
    await fill_disk(shop)
    recorder.open.set()
    assert (await shop.run(queued.name)).state == pb.RUN_STATE_RUNNING
    await free_disk(shop)
    run = await shop.ended(queued.name)
    assert (run.state, run.counts.created) == (pb.RUN_STATE_SUCCEEDED, 300)
