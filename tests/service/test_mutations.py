"""What every change has in common: validate_only, request_id, etag."""

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from mutations import MUTATIONS, Mutation, World, prepare
from refusals import invalid_fields, refused
from service_kit import SYNC, Service, wire

from secretsync.v1 import (
    connection_service_pb2,
    project_service_pb2,
    secret_service_pb2,
    secret_sync_service_pb2,
)
from secretsync.v1.secret_sync_service_pb2 import DeleteSecretSyncRequest

SERVICES = [
    service
    for file in (
        connection_service_pb2,
        project_service_pb2,
        secret_service_pb2,
        secret_sync_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
]
every_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
with_etag = pytest.mark.parametrize(
    "mutation", [each for each in MUTATIONS if each.resource is not None], ids=str
)


@pytest.fixture
async def world(service: Service) -> World:
    return await prepare(service)


def test_the_table_has_every_method_that_takes_a_request_id() -> None:
    def takes_one(method: MethodDescriptor) -> bool:
        return "request_id" in method.input_type.fields_by_name

    methods = {each.name for service in SERVICES for each in service.methods if takes_one(each)}
    # ImportSecrets always fails: no destination can import yet. CancelSyncRun needs a run that has
    # not ended, with which the other methods would not be at rest: test_cancel_sync_run.py has it.
    # A former place is no more at rest: test_former_places.py has what is about one.
    assert {each.method for each in MUTATIONS} == methods - {
        "ImportSecrets",
        "CancelSyncRun",
        "CleanUpSecretSync",
        "ForgetFormerPlace",
    }


@every_mutation
async def test_validate_only_changes_nothing_and_is_not_remembered(
    world: World, mutation: Mutation
) -> None:
    service = world.service
    before = service.dump()
    request = mutation.request(world)
    request.request_id, request.validate_only = "one", True

    would_be = await service.call(mutation.method, request)

    assert service.dump() == before
    request.validate_only = False
    answer = await service.call(mutation.method, request)
    assert type(answer) is type(would_be)
    assert service.dump() != before


@every_mutation
async def test_a_repeat_returns_the_first_result_and_changes_nothing(
    world: World, mutation: Mutation
) -> None:
    service = world.service
    request = mutation.request(world)
    request.request_id = "7d6a6f0e-0c60-4a4b-9f0e-4d7b0b1f1f5b"
    first = await service.call(mutation.method, request)
    await service.settled()
    before, asked = service.dump(), len(service.recorder.requests)

    again = await service.call(mutation.method, request)

    assert wire(again) == wire(first)
    assert service.dump() == before
    assert len(service.recorder.requests) == asked


@every_mutation
async def test_a_request_id_cannot_be_used_for_a_different_request(
    world: World, mutation: Mutation
) -> None:
    service = world.service
    request = mutation.request(world)
    request.request_id = "one"
    await service.call(mutation.method, request)
    await service.settled()
    before = service.dump()
    mutation.differ(request)

    refusal = await refused(service.call(mutation.method, request))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "REQUEST_ID_REUSED"
    assert refusal.message.startswith("request_id: ")
    assert refusal.metadata == {}
    assert service.dump() == before


@every_mutation
async def test_a_request_id_of_65_characters_is_refused(world: World, mutation: Mutation) -> None:
    service = world.service
    before = service.dump()
    request = mutation.request(world)
    request.request_id = "x" * 65

    fields = await invalid_fields(service.call(mutation.method, request))

    assert fields == {"request_id": "must have at most 64 characters, has 65"}
    assert service.dump() == before
    request.request_id = "\U0001f511" * 64
    await service.call(mutation.method, request)


@every_mutation
async def test_a_request_id_is_refused_together_with_the_rest(
    world: World, mutation: Mutation
) -> None:
    request = mutation.request(world)
    request.request_id = "x" * 65
    for name in ("parent", "name"):
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, "nonsense")
    if mutation.resource:
        getattr(request, mutation.resource).name = "nonsense"
    if mutation.method == "CreateProject":
        request.project_id = "Nonsense"

    fields = await invalid_fields(world.service.call(mutation.method, request))

    assert "request_id" in fields
    assert len(fields) == 2


async def test_request_ids_are_told_apart_by_method(world: World) -> None:
    for mutation in MUTATIONS:
        if mutation.method.startswith("Create"):
            request = mutation.request(world)
            request.request_id = "one"
            await world.service.call(mutation.method, request)


@with_etag
async def test_a_stale_etag_aborts_and_changes_nothing(world: World, mutation: Mutation) -> None:
    service = world.service
    before, asked = service.dump(), len(service.recorder.requests)
    request = mutation.request(world)
    target = getattr(request, mutation.resource) if mutation.resource else request
    target.etag = "0123456789abcdef01234567"

    refusal = await refused(service.call(mutation.method, request))

    assert refusal.code == grpc.StatusCode.ABORTED
    assert refusal.reason == "ETAG_MISMATCH"
    assert refusal.metadata == {"resource": target.name}
    assert "read it again" in refusal.message
    assert service.dump() == before
    assert len(service.recorder.requests) == asked


@with_etag
async def test_the_present_etag_lets_a_change_pass(world: World, mutation: Mutation) -> None:
    service = world.service
    request = mutation.request(world)
    target = getattr(request, mutation.resource) if mutation.resource else request
    kind = mutation.method.removeprefix("Update").removeprefix("Delete")
    (get,) = (each for s in SERVICES for each in s.methods if each.name == f"Get{kind}")
    present = await service.call(get.name, GetMessageClass(get.input_type)(name=target.name))
    target.etag = present.etag

    answer = await service.call(mutation.method, request)

    if mutation.resource:
        assert answer.etag
        assert answer.etag != present.etag


async def test_a_stale_etag_stops_a_deletion_that_removes_secrets(world: World) -> None:
    service = world.service
    before = service.dump()

    for validate_only in (True, False):
        request = DeleteSecretSyncRequest(
            name=SYNC, etag="stale", remove_secrets=True, validate_only=validate_only
        )
        assert (await refused(service.syncs.DeleteSecretSync(request))).reason == "ETAG_MISMATCH"

    assert service.dump() == before
    assert service.recorder.calls("remove") == []
