"""What every method answers to names that are malformed, or of resources that do not exist."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from mutations import prepare
from refusals import invalid_fields, refused
from service_kit import SHOP, Service, running

from secretsync.v1 import (
    connection_service_pb2,
    project_service_pb2,
    secret_service_pb2,
    secret_sync_service_pb2,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

UID = "00000000-0000-0000-0000-000000000000"
SHAPES = {
    "Project": "projects/{}",
    "Environment": "projects/{}/environments/{}",
    "SecretImport": "projects/{}/environments/{}/secretImports/{}",
    "Connection": "projects/{}/connections/{}",
    "SecretSync": "projects/{}/secretSyncs/{}",
    "FormerPlace": "projects/{}/secretSyncs/{}/formerPlaces/{}",
    "SyncRun": "projects/{}/secretSyncs/{}/runs/{}",
    "Destination": "destinations/{}",
}
KINDS = {
    # Whose methods' names do not end in what they name.
    "ValidateConnection": "Connection",
    "ListConnectionOptions": "Connection",
    "SyncSecrets": "SecretSync",
    "RemoveSecrets": "SecretSync",
    "ImportSecrets": "SecretSync",
    "PlanSecretSync": "SecretSync",
    "CheckDrift": "SecretSync",
    "CheckDestination": "SecretSync",
    "CancelSyncRun": "SyncRun",
    "PauseSyncing": "SecretSync",
    "ResumeSyncing": "SecretSync",
    "CleanUpSecretSync": "SecretSync",
    "ForgetFormerPlace": "FormerPlace",
}
PARENTS = {
    "SetSecrets": "Environment",
    "GetSecret": "Environment",
    "ListSecrets": "Environment",
    "DeleteSecrets": "Environment",
    "CreateSecretImport": "Environment",
    "ListSecretImports": "Environment",
    "ListSyncRuns": "SecretSync",
    "ListSyncKeys": "SecretSync",
    "WatchSecretSyncs": "SecretSync",
}
NONSENSE = (
    "",
    "shop",
    "projects",
    "projects/",
    "/projects/shop",
    "projects/shop/",
    "projects/Shop",
    "projects/-shop",
    "projects/shop-",
    "projects/s\u00e4",
    "projects/shop\n",
    "projects/" + "s" * 64,
    "projects/shop/environments/dev/more",
    "destinations/Octopus",
    "projects//environments/dev",
    "projects/shop/environments/DEV",
    "projects/shop/runs/x/y/z",
)


def methods() -> Iterator[MethodDescriptor]:
    for file in (
        connection_service_pb2,
        project_service_pb2,
        secret_service_pb2,
        secret_sync_service_pb2,
    ):
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def name_field(method: MethodDescriptor) -> str:
    """Return the path of the field that names what a method works on; empty if it has none."""
    fields = method.input_type.fields_by_name
    for name in ("name", "parent"):
        if name in fields:
            return name
    for name, descriptor in fields.items():
        if method.name.startswith("Update") and descriptor.type == FieldDescriptor.TYPE_MESSAGE:
            return f"{name}.name"
    return ""


def kind_of(method: MethodDescriptor) -> str:
    if name_field(method) == "parent":
        return PARENTS.get(method.name, "Project")
    kind = method.name.removeprefix("Get").removeprefix("Update").removeprefix("Delete")
    return KINDS.get(method.name, kind)


NAMED = [method for method in methods() if name_field(method)]
every_method = pytest.mark.parametrize("method", NAMED, ids=lambda method: method.name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A server with a bit of everything; no test here changes it."""
    async with running(tmp_path_factory.mktemp("names")) as service:
        await prepare(service)
        yield service


def make_request(method: MethodDescriptor, name: str) -> Any:  # noqa: ANN401
    """Return a request that is right but for the name in it."""
    request: Any = GetMessageClass(method.input_type)()
    target = request
    if name_field(method).endswith(".name"):
        target = getattr(request, name_field(method).partition(".")[0])
        target.name = name
        target.description = "changed"
    else:
        setattr(target, name_field(method), name)
    for field_name, value in {"key": "A", "option_list": "places"}.items():
        if field_name in method.input_type.fields_by_name:
            setattr(request, field_name, value)
    if method.name == "SetSecrets":
        request.secrets.add(key="A")
    if method.name == "DeleteSecrets":
        request.keys.append("A")
    if method.name == "CreateEnvironment":
        request.environment_id = "new"
    if method.name == "CreateConnection":
        request.connection_id = "new"
        request.connection.destination = "destinations/recorder"
        request.connection.method = "token"
        request.connection.credentials.update({"server": "one", "token": "t"})
    return request


async def test_only_methods_without_a_resource_have_no_name() -> None:
    unnamed = {method.name for method in methods()} - {method.name for method in NAMED}
    assert unnamed == {"CreateProject", "ListProjects", "ListDestinations", "ListPauses"}


@every_method
async def test_a_malformed_name_is_refused_with_the_right_shape(
    prepared: Service, method: MethodDescriptor
) -> None:
    before = prepared.dump()
    for name in NONSENSE:
        fields = await invalid_fields(prepared.call(method.name, make_request(method, name)))
        rule = fields[name_field(method)]
        assert rule.startswith("is required: " if not name else "is not a name of this kind: ")
        assert f"write {SHAPES[kind_of(method)].split('{', maxsplit=1)[0]}" in rule
    assert prepared.dump() == before


@every_method
async def test_a_name_of_nothing_is_not_found(prepared: Service, method: MethodDescriptor) -> None:
    before = prepared.dump()
    shape = SHAPES[kind_of(method)]
    parts = ["shop", "dev" if "environments" in shape else "web", UID][: shape.count("{}")]
    ends = {"SecretImport", "SyncRun", "FormerPlace"}
    last = UID if kind_of(method) in ends else "missing"
    names = [shape.format(*parts[:-1], last)]
    if len(parts) > 1:
        names.append(shape.format("missing", *parts[1:]))
    for name in names:
        request = make_request(method, name)
        if method.name == "CreateSecretImport":
            request.secret_import.import_environment = name
        if method.name == "CreateSecretSync":
            fill_sync(request, name)
        refusal = await refused(prepared.call(method.name, request))
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        assert name.startswith(refusal.metadata["resource"])
        assert refusal.metadata["resource"] in refusal.message
    assert prepared.dump() == before


def fill_sync(request: Any, parent: str) -> None:  # noqa: ANN401
    request.secret_sync_id = "new"
    request.secret_sync.connection = f"{parent}/connections/main"
    request.secret_sync.source.environment = f"{parent}/environments/dev"
    request.secret_sync.destination_config.update({"place": "new"})


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("CreateProject", "project_id"),
        ("CreateEnvironment", "environment_id"),
        ("CreateConnection", "connection_id"),
        ("CreateSecretSync", "secret_sync_id"),
    ],
)
async def test_slugs(prepared: Service, method: str, field: str) -> None:
    before = prepared.dump()
    descriptor = next(each for each in methods() if each.name == method)
    for slug in ("", "A", "-a", "a-", "a_b", "a.b", "a b", "\u00e4", "a\n", "a" * 64, "a/b"):
        request: Any = GetMessageClass(descriptor.input_type)()
        if method != "CreateProject":
            request = make_request(descriptor, SHOP)
        if method == "CreateSecretSync":
            fill_sync(request, SHOP)
        setattr(request, field, slug)
        fields = await invalid_fields(prepared.call(method, request))
        assert fields.keys() == {field}
        assert "1 to 63 lowercase letters, digits and hyphens" in fields[field]
        assert "e.g. web-shop" in fields[field]
    for slug in ("a", "0", "a-b", "a--b", "a" * 63):
        setattr(request, field, slug)
        request.validate_only = True
        assert (await prepared.call(method, request)).name.endswith(f"/{slug}")
    assert prepared.dump() == before
