"""Calls that meet: while the destination proves something, others go on changing things."""

import asyncio

import grpc
import pytest
from recording_destination import Recorder
from refusals import Refusal, parse_refusal, refused
from service_kit import CONNECTION, SHOP, SYNC, TOKEN, Service, struct, wait_for

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as pb


async def proofs(recorder: Recorder, count: int) -> None:
    """Wait until the destination has been asked for so many proofs."""

    async def arrived() -> bool | None:
        return len(recorder.calls("validate")) >= count or None

    await wait_for(arrived)


async def outcome(call: asyncio.Future[object]) -> Refusal | None:
    """Return what a call was refused with; None if it succeeded."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return parse_refusal(error)
    return None


async def test_a_sync_changed_while_another_change_is_proved(
    shop: Service, recorder: Recorder
) -> None:
    await shop.add_sync(is_auto_sync_enabled=False)
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    slow = asyncio.ensure_future(shop.update_sync(destination_config=struct({"place": "there"})))
    await proofs(recorder, asked + 1)
    await shop.update_sync(description="quick")
    before = shop.dump()
    recorder.provable.set()
    refusal = await refused(slow)
    assert refusal.code == grpc.StatusCode.ABORTED
    assert refusal.reason == "ETAG_MISMATCH"
    assert refusal.metadata == {"resource": SYNC}
    assert shop.dump() == before


async def test_what_a_new_sync_names_must_still_be_there_after_the_proof(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "v"}, path="/api")
    source = pb.SecretSource(environment=f"{SHOP}/environments/dev", secret_path="/api")
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    slow = asyncio.ensure_future(shop.add_sync(source=source))
    await proofs(recorder, asked + 1)
    await shop.delete("K", path="/api")
    before = shop.dump()
    recorder.provable.set()
    assert (await refused(slow)).code == grpc.StatusCode.NOT_FOUND
    assert shop.dump() == before


async def test_a_sync_is_not_moved_while_a_run_is_under_way(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "v"})
    recorder.open.clear()
    await shop.add_sync()
    (run,) = await shop.runs()
    await shop.until(run.name, pb.RUN_STATE_RUNNING)
    moved = connection_pb.Connection(
        name=CONNECTION, credentials=struct({"server": "two", "token": TOKEN})
    )
    for attempt in (
        shop.update_sync(destination_config=struct({"place": "there"})),
        shop.call("UpdateConnection", connection_pb.UpdateConnectionRequest(connection=moved)),
    ):
        refusal = await refused(attempt)
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "RESOURCE_IN_USE"
        assert refusal.metadata == {"resource": SYNC, "users": run.name}
        assert "wait for it to end" in refusal.message
    recorder.open.set()
    assert (await shop.ended(run.name)).state == pb.RUN_STATE_SUCCEEDED
    assert recorder.held == {"web": {"K": "v"}}


@pytest.mark.parametrize("kind", ["connection", "sync"])
async def test_two_of_one_name_at_once(shop: Service, recorder: Recorder, kind: str) -> None:
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    calls: list[asyncio.Future[object]] = [
        asyncio.ensure_future(shop.connect("new") if kind == "connection" else shop.add_sync("new"))
        for _ in range(2)
    ]
    await proofs(recorder, asked + 2)
    recorder.provable.set()
    outcomes = [await outcome(call) for call in calls]
    (refusal,) = (each for each in outcomes if each)
    assert refusal.reason == "RESOURCE_ALREADY_EXISTS"


async def test_one_request_sent_twice_at_once(shop: Service, recorder: Recorder) -> None:
    connection = connection_pb.Connection(
        destination="destinations/recorder",
        method="token",
        credentials=struct({"server": "one", "token": TOKEN}),
    )
    request = connection_pb.CreateConnectionRequest(
        parent=SHOP, connection_id="new", connection=connection, request_id="one"
    )
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    calls = [asyncio.ensure_future(shop.call("CreateConnection", request)) for _ in range(3)]
    await proofs(recorder, asked + 3)
    recorder.provable.set()
    first, second, third = await asyncio.gather(*calls)
    assert first == second == third
    assert first.name == f"{SHOP}/connections/new"


async def test_credentials_and_description_changed_at_once_are_both_kept(
    shop: Service, recorder: Recorder
) -> None:
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    changed = connection_pb.Connection(
        name=CONNECTION, credentials=struct({"server": "one", "token": "another-token"})
    )
    slow = asyncio.ensure_future(
        shop.call("UpdateConnection", connection_pb.UpdateConnectionRequest(connection=changed))
    )
    await proofs(recorder, asked + 1)
    described = connection_pb.Connection(name=CONNECTION, description="quick")
    quick = await shop.connections.UpdateConnection(
        connection_pb.UpdateConnectionRequest(connection=described)
    )
    recorder.provable.set()
    both = await slow
    assert both.description == "quick"
    assert both.credentials_hash != quick.credentials_hash
    assert both.version == 3


async def test_an_etag_that_went_stale_during_the_proof(shop: Service, recorder: Recorder) -> None:
    request = connection_pb.GetConnectionRequest(name=CONNECTION)
    present = await shop.connections.GetConnection(request)
    recorder.provable.clear()
    asked = len(recorder.calls("validate"))
    changed = connection_pb.Connection(
        name=CONNECTION,
        etag=present.etag,
        credentials=struct({"server": "one", "token": "another-token"}),
    )
    slow = asyncio.ensure_future(
        shop.call("UpdateConnection", connection_pb.UpdateConnectionRequest(connection=changed))
    )
    await proofs(recorder, asked + 1)
    described = connection_pb.Connection(name=CONNECTION, description="quick")
    await shop.connections.UpdateConnection(
        connection_pb.UpdateConnectionRequest(connection=described)
    )
    before = shop.dump()
    recorder.provable.set()
    assert (await refused(slow)).reason == "ETAG_MISMATCH"
    assert shop.dump() == before


async def test_many_batches_at_once_are_all_kept(shop: Service) -> None:
    await asyncio.gather(*(shop.put({"SHARED": str(i), f"K{i}": "v"}) for i in range(30)))
    values = await shop.values()
    assert len(values) == 31
    request = secret_pb.GetSecretRequest(parent=f"{SHOP}/environments/dev", key="SHARED")
    assert (await shop.secrets.GetSecret(request)).version == 30


async def test_request_ids_are_forgotten_after_a_day(shop: Service) -> None:
    def create(slug: str, request_id: str) -> project_pb.CreateProjectRequest:
        return project_pb.CreateProjectRequest(project_id=slug, request_id=request_id)

    await shop.projects.CreateProject(create("one", "first"))
    await shop.tamper("UPDATE idempotency SET create_time = '2020-01-01T00:00:00.000000Z'")
    await shop.projects.CreateProject(create("two", "second"))
    assert [row[1] for row in shop.dump()["idempotency"]] == ["second"]
    await shop.projects.CreateProject(create("three", "first"))
