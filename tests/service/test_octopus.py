"""The sample connection and sync that people know from other systems, against an Octopus."""

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, SYNC, Service, struct

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox
from secretsync_octopus_deploy.sandbox.seed import BUILD_ACTION

SET = "variableset-Projects-1"
SCOPE_VALUES = {
    "environments": ["Environments-1", "Environments-2"],
    "roles": ["web-server"],
    "machines": ["Machines-1", "Machines-2"],
    "processes": ["Runbooks-1", "Runbooks-2"],
    "actions": [BUILD_ACTION],
    "channels": ["Channels-2", "Channels-1"],
    "tenantTags": ["Region/EU"],
}
PLACE = {"spaceId": "Spaces-1", "scope": "project", "projectId": "Projects-1"}
LIBRARY_SET = "variableset-LibraryVariableSets-2"
LIBRARY = {
    "spaceId": "Spaces-1",
    "scope": "library-variable-set",
    "libraryVariableSetId": "LibraryVariableSets-2",
    "scopeValues": {"tenantTags": ["Region/EU"]},
}
GIT_PLACE = {"spaceId": "Spaces-1", "projectId": "Projects-3"}


async def options(service: Service, name: str, size: int = 0, **parameters: str) -> dict[str, str]:
    """Return a whole list of options, read in pages: names by id."""
    request = connection_pb.ListConnectionOptionsRequest(
        name=CONNECTION, option_list=name, parameters=parameters, page_size=size
    )
    found: dict[str, str] = {}
    while True:
        answer = await service.connections.ListConnectionOptions(request)
        assert not found.keys() & {each.id for each in answer.options}
        found |= {each.id: each.display_name for each in answer.options}
        request.page_token = answer.next_page_token
        if not request.page_token:
            return found


async def add_sync(service: Service, **fields: Any) -> pb.SecretSync:  # noqa: ANN401
    """Create a sync to the project `Web Shop`."""
    return await service.add_sync(**{"destination_config": struct(PLACE), **fields})


async def test_the_sample_connection(octopus: Service, sandbox: Sandbox) -> None:
    found = await octopus.connections.GetConnection(
        connection_pb.GetConnectionRequest(name=CONNECTION)
    )
    assert found.destination == "destinations/octopus-deploy"
    assert found.method == "api-key"
    shown = MessageToDict(found.public_credentials)
    assert shown == {"instanceUrl": sandbox.base_url, "allowInsecureHttp": False}
    assert sandbox.api_key not in str(found)
    assert (found.version, len(found.credentials_hash)) == (1, 64)
    request = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    answer = await octopus.connections.ValidateConnection(request)
    assert answer.summary.startswith("Octopus Deploy ")
    assert list(answer.warnings) == []


async def test_the_sample_sync(octopus: Service, sandbox: Sandbox) -> None:
    foreign = sandbox.inspect(SET)["Variables"]
    values = {"DB.Password": "hunter2", "EMPTY": "", "LINES": "a\nb", "OCTO": "#{x}"}
    await octopus.put(values)
    config = {**PLACE, "scopeValues": SCOPE_VALUES}
    created = await add_sync(
        octopus,
        description="sync to octopus deploy project",
        source=pb.SecretSource(environment=DEV, secret_path="/"),
        is_enabled=True,
        is_auto_sync_enabled=True,
        sync_options=pb.SyncOptions(
            initial_sync_behavior=pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
            disable_secret_deletion=False,
        ),
        destination_config=struct(config),
    )
    assert created.destination == "destinations/octopus-deploy"
    assert created.destination_config == struct(config)
    (run,) = await octopus.quiet()
    run = await octopus.run(run.name)
    assert run.state == pb.RUN_STATE_SUCCEEDED, run.message
    assert run.counts == pb.KeyCounts(created=4)
    path = "/api/Spaces-1/projects/Projects-1/variables"
    requests = [(each.method, each.path, each.status_code) for each in run.http_requests]
    assert requests == [("GET", path, 200), ("PUT", path, 200), ("GET", path, 200)]
    assert all(each.response_bytes > 0 for each in run.http_requests)
    assert run.http_requests[1].request_bytes > 0
    sums = [run.http_request_count, run.request_bytes, run.response_bytes]
    assert sums == [
        3,
        sum(each.request_bytes for each in run.http_requests),
        sum(each.response_bytes for each in run.http_requests),
    ]
    [attempt] = run.attempts
    assert [attempt.http_request_count, attempt.request_bytes, attempt.response_bytes] == sums

    rows = sandbox.inspect(SET)["Variables"]
    ours = [row for row in rows if row["Id"] not in {each["Id"] for each in foreign}]
    assert [row for row in rows if row not in ours] == foreign
    wanted = {**values, "OCTO": "##{x}"}
    assert {row["Name"]: row["Value"] for row in ours} == wanted
    for row in ours:
        assert row["IsSensitive"]
        assert {name: set(ids) for name, ids in row["Scope"].items()} == {
            "Environment": {"Environments-1", "Environments-2"},
            "Role": {"web-server"},
            "Machine": {"Machines-1", "Machines-2"},
            "ProcessOwner": {"Runbooks-1", "Runbooks-2"},
            "Action": {BUILD_ACTION},
            "Channel": {"Channels-1", "Channels-2"},
            "TenantTag": {"Region/EU"},
        }

    shown = await octopus.sync()
    assert shown.sync_status.state == pb.RUN_STATE_SUCCEEDED
    assert shown.sync_status.last_run == run.name
    assert shown.import_status == shown.remove_status == pb.RunStatus()
    again = await octopus.trigger()
    assert [each.method for each in again.http_requests] == ["GET"]
    assert again.counts == pb.KeyCounts(unchanged=4)

    await octopus.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True))
    assert sandbox.inspect(SET)["Variables"] == foreign


async def test_a_library_variable_set(octopus: Service, sandbox: Sandbox) -> None:
    await octopus.put({"DB.Password": "hunter2"})
    created = await add_sync(octopus, destination_config=struct(LIBRARY))
    (run,) = await octopus.quiet()
    run = await octopus.run(run.name)

    assert created.destination_config == struct(LIBRARY)
    assert run.state == pb.RUN_STATE_SUCCEEDED, run.message
    path = f"/api/Spaces-1/variables/{LIBRARY_SET}"
    requests = [(each.method, each.path) for each in run.http_requests]
    assert requests == [("GET", path), ("PUT", path), ("GET", path)]
    (row,) = sandbox.inspect(LIBRARY_SET)["Variables"]
    assert (row["Name"], row["Value"]) == ("DB.Password", "hunter2")
    assert row["Scope"] == {"TenantTag": ["Region/EU"]}

    again = await octopus.trigger()
    assert [each.method for each in again.http_requests] == ["GET"]
    await octopus.remove()
    assert sandbox.inspect(LIBRARY_SET)["Variables"] == []


async def test_a_project_in_git_warns_of_variables_that_are_there_twice(
    octopus: Service, sandbox: Sandbox
) -> None:
    await octopus.put({"Inventory.BaseUrl": "https://secret.example.com"})
    await add_sync(octopus, destination_config=struct(GIT_PLACE))
    (run,) = await octopus.quiet()
    run = await octopus.run(run.name)

    assert run.state == pb.RUN_STATE_SUCCEEDED, run.message
    (warning,) = run.warnings
    assert "in Git (branch main): Inventory.BaseUrl." in warning
    rows = sandbox.inspect("variableset-Projects-3")["Variables"]
    assert [row["Name"] for row in rows if row["IsSensitive"]] == [
        "Inventory.ApiToken",
        "Inventory.BaseUrl",
    ]
    again = await octopus.trigger()
    assert [each.method for each in again.http_requests] == ["GET"]
    await octopus.remove()


async def test_values_arrive_as_the_source_has_them_and_the_run_says_what_it_did(
    octopus: Service, sandbox: Sandbox
) -> None:
    values = {
        "EMPTY": "",
        "SPACES": "  both ends \t ",
        "CRLF": "one\r\ntwo\r\n",
        "LF": "\none\ntwo\n",
        "UNICODE": "p\u00e4ss \N{PILE OF POO} e\u0301 \ufeff\u2028\x00",
        "SHORT": "abc",
        "OCTO": "#{Octopus.Environment.Name}",
    }
    await octopus.put(values)
    await add_sync(octopus, destination_config=struct({**GIT_PLACE, "projectId": "Projects-2"}))
    (run,) = await octopus.quiet()
    run = await octopus.run(run.name)

    rows = sandbox.inspect("variableset-Projects-2")["Variables"]
    wanted = {**values, "OCTO": "##{Octopus.Environment.Name}"}
    assert {row["Name"]: row["Value"] for row in rows} == wanted
    (warning,) = run.warnings
    assert "does not mask values of three characters or fewer" in warning
    assert warning.endswith(": SHORT.")
    reasons = {each.key: each.reason for each in run.key_results if each.reason}
    assert reasons == {"OCTO": "#{ in its value is escaped"}


async def test_disable_secret_deletion_keeps_what_the_source_lost(
    octopus: Service, sandbox: Sandbox
) -> None:
    foreign = sandbox.inspect(SET)["Variables"]
    await octopus.put({"NEW.A": "a", "NEW.B": "b"})
    await add_sync(octopus, sync_options=pb.SyncOptions(disable_secret_deletion=True))
    await octopus.quiet()
    await octopus.delete("NEW.A")
    await octopus.quiet()
    rows = sandbox.inspect(SET)["Variables"][len(foreign) :]
    assert {row["Name"]: row["Value"] for row in rows} == {"NEW.A": "a", "NEW.B": "b"}
    await octopus.update_sync(
        ["sync_options.disable_secret_deletion"], sync_options=pb.SyncOptions()
    )
    await octopus.quiet()
    rows = sandbox.inspect(SET)["Variables"][len(foreign) :]
    assert {row["Name"]: row["Value"] for row in rows} == {"NEW.B": "b"}
    await octopus.remove()
    assert sandbox.inspect(SET)["Variables"] == foreign


async def test_octopus_does_not_import(octopus: Service) -> None:
    options = pb.SyncOptions(
        initial_sync_behavior=pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE
    )
    await add_sync(octopus, is_auto_sync_enabled=False)
    for attempt in (
        octopus.add_sync("new", destination_config=struct(PLACE), sync_options=options),
        octopus.syncs.ImportSecrets(pb.ImportSecretsRequest(name=SYNC)),
    ):
        refusal = await refused(attempt)
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "UNSUPPORTED"
        assert "Octopus Deploy does not support importing secrets" in refusal.message
        assert refusal.metadata == {"destination": "octopus-deploy"}


@pytest.mark.parametrize("size", [0, 1, 2])
async def test_lists_of_choices(octopus: Service, size: int) -> None:
    assert await options(octopus, "spaces", size) == {"Spaces-1": "Default", "Spaces-2": "Platform"}
    projects = await options(octopus, "projects", size, spaceId="Spaces-1")
    assert list(projects.values())[:2] == ["Billing API", "Inventory"]
    assert projects["Projects-1"] == "Web Shop"
    for kind, wanted in SCOPE_VALUES.items():
        found = await options(octopus, kind, size, spaceId="Spaces-1", projectId="Projects-1")
        assert set(wanted) <= found.keys(), kind
        assert all(found.values())
    library = await options(octopus, "libraryVariableSets", size, spaceId="Spaces-1")
    assert "LibraryVariableSets-2" in library
    tags = await options(
        octopus,
        "libraryTenantTags",
        size,
        spaceId="Spaces-1",
        libraryVariableSetId="LibraryVariableSets-2",
    )
    assert {"Region/EU", "Region/US"} <= tags.keys()


async def test_lists_of_choices_that_cannot_be_had(octopus: Service) -> None:
    fields = await invalid_fields(options(octopus, "channels", spaceId="Spaces-1"))
    assert fields == {"parameters.projectId": "is required by this option list"}
    refusal = await refused(options(octopus, "projects", spaceId="default"))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "DESTINATION_CONFIG_INVALID"
    assert refusal.fields.keys() == {"parameters.spaceId"}
    request = connection_pb.ListConnectionOptionsRequest(
        name=CONNECTION,
        option_list="channels",
        parameters={"spaceId": "Spaces-1", "projectId": "Projects-99"},
    )
    refusal = await refused(octopus.connections.ListConnectionOptions(request))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "DESTINATION_NOT_FOUND"
    assert refusal.fields.keys() == {"parameters.projectId"}
