"""SecretSyncService: the types of destination."""

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import Service

from secretsync.registry import Registry
from secretsync.server import running_server
from secretsync.settings import make_settings
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_sync_service_pb2 as pb


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[Service]:
    """A server with one plugin that loads, and one that does not."""
    points = [
        EntryPoint("octopus-deploy", "secretsync_octopus_deploy.plugin", "secretsync"),
        EntryPoint("broken", "secretsync_that_nobody_installed", "secretsync"),
    ]
    settings = make_settings(listen="127.0.0.1:0", data_dir=tmp_path)
    async with (
        running_server(settings, Registry.from_entry_points(points)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Service(server, channel, Recorder(), tmp_path)


async def test_get_octopus_deploy(service: Service) -> None:
    request = pb.GetDestinationRequest(name="destinations/octopus-deploy")
    found = await service.syncs.GetDestination(request)
    assert found.name == "destinations/octopus-deploy"
    assert found.title == "Octopus Deploy"
    assert found.description
    assert found.available
    assert found.unavailable_reason == ""
    assert found.distribution.startswith("secretsync-octopus-deploy ")
    assert list(found.capabilities) == ["discover", "plan"]
    config = MessageToDict(found.config_schema)
    assert set(config["required"]) == {"spaceId"}
    assert config["additionalProperties"] is False
    assert set(config["$defs"]["ScopeValues"]["properties"]) == {
        "environments",
        "roles",
        "machines",
        "processes",
        "actions",
        "channels",
        "tenantTags",
    }
    # In the plugin's order: the first is the usual one.
    assert [each.method for each in found.methods] == ["api-key", "oidc"]
    method = found.methods[0]
    properties = MessageToDict(method.credentials_schema)["properties"]
    assert properties["apiKey"]["writeOnly"] is True
    assert "writeOnly" not in properties["instanceUrl"]
    lists = {each.option_list: list(each.parameters) for each in found.option_lists}
    assert lists["spaces"] == []
    assert lists["projects"] == ["spaceId"]
    kinds = ("environments", "roles", "machines", "processes", "actions", "channels", "tenantTags")
    assert all(lists[kind] == ["spaceId", "projectId"] for kind in kinds)
    assert lists["libraryVariableSets"] == ["spaceId"]
    assert lists["libraryTenantTags"] == ["spaceId", "libraryVariableSetId"]
    assert all(each.description for each in found.option_lists)


async def test_list(service: Service) -> None:
    answer = await service.syncs.ListDestinations(pb.ListDestinationsRequest())
    names = [each.name for each in answer.destinations]
    assert names == ["destinations/octopus-deploy", "destinations/recorder"]
    for each in answer.destinations:
        request = pb.GetDestinationRequest(name=each.name)
        assert await service.syncs.GetDestination(request) == each


async def test_an_unknown_destination(service: Service) -> None:
    name = "destinations/missing"
    refusal = await refused(service.syncs.GetDestination(pb.GetDestinationRequest(name=name)))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": name}
    fields = await invalid_fields(service.syncs.GetDestination(pb.GetDestinationRequest()))
    assert fields == {"name": "is required: write destinations/{destination}, each part a slug"}


async def test_a_plugin_that_does_not_load_stops_only_its_own_destination(
    broken: Service,
) -> None:
    answer = await broken.syncs.ListDestinations(pb.ListDestinationsRequest())
    first, second = answer.destinations
    assert (first.name, first.available) == ("destinations/broken", False)
    assert "secretsync_that_nobody_installed" in first.unavailable_reason
    assert not first.HasField("config_schema")
    assert (second.name, second.available) == ("destinations/octopus-deploy", True)
    request = pb.GetDestinationRequest(name="destinations/broken")
    assert await broken.syncs.GetDestination(request) == first


async def test_a_connection_to_a_destination_that_did_not_load(broken: Service) -> None:
    await broken.projects.CreateProject(project_pb.CreateProjectRequest(project_id="shop"))
    before = broken.dump()
    refusal = await refused(broken.connect(destination="broken"))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "DESTINATION_NOT_LOADED"
    assert refusal.metadata == {"destination": "broken"}
    assert refusal.message.startswith("connection.destination: the plugin of destination 'broken'")
    assert broken.dump() == before
    listed = await broken.connections.ListConnections(
        connection_pb.ListConnectionsRequest(parent="projects/shop")
    )
    assert listed.connections == []
