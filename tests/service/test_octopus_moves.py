"""Syncs that are led elsewhere in Octopus: nothing of ours stays behind, all of theirs does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from service_kit import CONNECTION, DEV, SYNC, Service, struct, wait_for

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.error_reason_pb2 import ErrorReason
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

SHOP_SET = "variableset-Projects-1"
BILLING_SET = "variableset-Projects-2"
LIBRARY_SET = "variableset-LibraryVariableSets-1"
SHOP = {"spaceId": "Spaces-1", "projectId": "Projects-1"}
BILLING = {"spaceId": "Spaces-1", "projectId": "Projects-2"}
TOOLS = {"spaceId": "Spaces-2", "projectId": "Projects-4"}
LIBRARY = {
    "spaceId": "Spaces-1",
    "scope": "library-variable-set",
    "libraryVariableSetId": "LibraryVariableSets-1",
}
THEIRS = {
    "Id": "5eed0000-0000-4000-8000-000000000099",
    "Name": "TOKEN",
    "Value": "theirs",
    "Scope": {"Environment": ["Environments-3"]},
    "Type": "Sensitive",
    "IsSensitive": True,
}
Rows = list[dict[str, Any]]


class Sets:
    """Variable sets with rows of others in them, one of which has the name of ours.

    Attributes:
        foreign: what was there before the sync.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.before = {name: self._rows(name) for name in (SHOP_SET, BILLING_SET, LIBRARY_SET)}
        for name in self.before:
            sandbox.put_variables(name, [*self.before[name], THEIRS])
        self.foreign = {name: self._rows(name) for name in self.before}

    def _rows(self, name: str) -> Rows:
        found: Rows = self._sandbox.inspect(name)["Variables"]
        return found

    def ours(self, name: str) -> Rows:
        """Return the rows that are not theirs, which must all be as they were."""
        rows = self._rows(name)
        foreign = self.foreign.get(name, [])
        ids = {row["Id"] for row in foreign}
        assert [row for row in rows if row["Id"] in ids] == foreign
        return [row for row in rows if row["Id"] not in ids]

    def names(self, name: str) -> list[str]:
        """Return the names of the rows that are not theirs."""
        return sorted(row["Name"] for row in self.ours(name))

    def restore(self) -> None:
        """Put back what was there at first."""
        for name, rows in self.before.items():
            self._sandbox.put_variables(name, rows)


@pytest.fixture
def sets(sandbox: Sandbox) -> Iterator[Sets]:
    prepared = Sets(sandbox)
    yield prepared
    prepared.restore()


@pytest.fixture
async def synced(octopus: Service, sets: Sets) -> Service:
    """A server with a sync that has written to the project `Web Shop`."""
    await octopus.put({"TOKEN": "hunter2", "DB.Name": "shop"})
    await octopus.add_sync(destination_config=struct(SHOP))
    await octopus.quiet()
    assert sets.names(SHOP_SET) == ["DB.Name", "TOKEN"]
    return octopus


async def lead(service: Service, config: dict[str, Any]) -> None:
    """Lead the sync elsewhere, and wait until nothing is left to do."""
    await service.update_sync(["destination_config"], destination_config=struct(config))
    await settled(service)


async def settled(service: Service) -> None:
    """Wait until no run waits, and nothing is left at a former place."""

    async def arrived() -> bool | None:
        return None if (await service.sync()).former_places else True

    await wait_for(arrived)
    await service.quiet()


async def test_to_another_project_and_back(synced: Service, sets: Sets) -> None:
    await lead(synced, BILLING)
    assert (sets.names(SHOP_SET), sets.names(BILLING_SET)) == ([], ["DB.Name", "TOKEN"])
    (*_, run) = await synced.quiet()
    assert (run.action, run.state) == (pb.RUN_ACTION_CLEAN_UP, pb.RUN_STATE_SUCCEEDED)
    run = await synced.run(run.name)
    path = "/api/Spaces-1/projects/Projects-1/variables"
    requests = [(each.method, each.path) for each in run.http_requests]
    assert requests == [("GET", path), ("PUT", path), ("GET", path)]
    assert run.counts == pb.KeyCounts(deleted=2)

    await lead(synced, SHOP)
    assert (sets.names(SHOP_SET), sets.names(BILLING_SET)) == (["DB.Name", "TOKEN"], [])
    await synced.remove()
    assert sets.names(SHOP_SET) == []


async def test_a_wrong_move_and_back_deletes_nothing_of_others(
    octopus: Service, sandbox: Sandbox, sets: Sets
) -> None:
    """A key schema claims what it matches on the first run at a place, not on each return."""
    await octopus.put({"TOKEN": "hunter2"})
    options = pb.SyncOptions(key_schema="App.{{secretKey}}")
    await octopus.add_sync(destination_config=struct(SHOP), sync_options=options)
    await octopus.quiet()
    theirs = {**THEIRS, "Id": "5eed0000-0000-4000-8000-000000000098", "Scope": {}}
    rows = sandbox.inspect(SHOP_SET)["Variables"]
    sandbox.put_variables(SHOP_SET, [*rows, {**theirs, "Name": "App.BY_HAND"}])
    sandbox.fault("status", status=403, method="PUT", path="Projects-2/variables$", times=None)
    for config in (BILLING, SHOP, BILLING, SHOP):
        await octopus.update_sync(["destination_config"], destination_config=struct(config))
        await octopus.quiet()
    assert sets.names(SHOP_SET) == ["App.BY_HAND", "App.TOKEN"]
    sandbox.clear_faults()
    rows = sandbox.inspect(BILLING_SET)["Variables"]
    sandbox.put_variables(BILLING_SET, [*rows, {**theirs, "Name": "App.OLD"}])
    await lead(octopus, BILLING)
    # Where it has never been, its first run overwrites what the schema says is its own.
    assert (sets.names(SHOP_SET), sets.names(BILLING_SET)) == (["App.BY_HAND"], ["App.TOKEN"])


async def test_to_a_library_set_and_back(synced: Service, sets: Sets) -> None:
    await lead(synced, LIBRARY)
    assert (sets.names(SHOP_SET), sets.names(LIBRARY_SET)) == ([], ["DB.Name", "TOKEN"])
    await lead(synced, SHOP)
    assert (sets.names(SHOP_SET), sets.names(LIBRARY_SET)) == (["DB.Name", "TOKEN"], [])


async def test_to_another_space(synced: Service, sets: Sets) -> None:
    await lead(synced, TOOLS)
    assert sets.names(SHOP_SET) == []
    assert sets.names("variableset-Projects-4") == ["DB.Name", "TOKEN"]
    await synced.remove()
    assert sets.names("variableset-Projects-4") == []


async def test_scope_and_key_schema_in_one_write(synced: Service, sets: Sets) -> None:
    scope = {"environments": ["Environments-1"]}
    await lead(synced, {**SHOP, "scopeValues": scope})
    assert {str(row["Scope"]) for row in sets.ours(SHOP_SET)} == {
        "{'Environment': ['Environments-1']}"
    }
    options = pb.SyncOptions(key_schema="Shop.{{secretKey}}")
    await synced.update_sync(["sync_options.key_schema"], sync_options=options)
    await settled(synced)
    assert sets.names(SHOP_SET) == ["Shop.DB.Name", "Shop.TOKEN"]
    runs = await synced.quiet()
    assert {run.action for run in runs} == {pb.RUN_ACTION_SYNC}
    last = await synced.run(runs[-1].name)
    assert [each.method for each in last.http_requests] == ["GET", "PUT", "GET"]


async def test_place_scope_and_key_schema_at_once(synced: Service, sets: Sets) -> None:
    config = {**BILLING, "scopeValues": {"environments": ["Environments-1"]}}
    await synced.update_sync(
        ["destination_config", "sync_options.key_schema"],
        destination_config=struct(config),
        sync_options=pb.SyncOptions(key_schema="Shop.{{secretKey}}"),
    )
    await settled(synced)
    assert sets.names(SHOP_SET) == []
    assert sets.names(BILLING_SET) == ["Shop.DB.Name", "Shop.TOKEN"]


async def test_an_import_that_was_deleted(octopus: Service, sets: Sets) -> None:
    await octopus.put({"TOKEN": "hunter2"})
    await octopus.put({"Shared.Key": "imported"}, path="/shared")
    made = await octopus.add_import("/", "/shared")
    await octopus.add_sync(destination_config=struct(SHOP))
    await octopus.quiet()
    assert sets.names(SHOP_SET) == ["Shared.Key", "TOKEN"]
    await octopus.secrets.DeleteSecretImport(secret_pb.DeleteSecretImportRequest(name=made.name))
    await octopus.quiet()
    assert sets.names(SHOP_SET) == ["TOKEN"]


async def test_a_variable_that_somebody_made_theirs_stays(
    synced: Service, sandbox: Sandbox, sets: Sets
) -> None:
    rows = sandbox.inspect(SHOP_SET)["Variables"]
    mine = [{**row, "Name": "RENAMED"} if row["Name"] == "DB.Name" else row for row in rows]
    sandbox.put_variables(SHOP_SET, mine)
    await lead(synced, BILLING)
    assert sets.names(SHOP_SET) == ["RENAMED"]


async def test_another_sync_takes_over_what_it_wants(synced: Service, sets: Sets) -> None:
    await synced.put({"TOKEN": "of the other"}, path="/other")
    sandbox_rows = {row["Name"]: row["Id"] for row in sets.ours(SHOP_SET)}
    await synced.update_sync(is_enabled=False)
    await synced.update_sync(["destination_config"], destination_config=struct(BILLING))
    source = pb.SecretSource(environment=DEV, secret_path="/other")
    await synced.add_sync("other", destination_config=struct(SHOP), source=source)
    await synced.quiet(SYNC.replace("web", "other"))
    (place,) = (await synced.sync()).former_places
    assert list(place.destination_names) == ["DB.Name"]
    await synced.update_sync(is_enabled=True)
    await settled(synced)
    (row,) = sets.ours(SHOP_SET)
    assert (row["Id"], row["Value"]) == (sandbox_rows["TOKEN"], "of the other")
    assert sets.names(BILLING_SET) == ["DB.Name", "TOKEN"]


@pytest.fixture(scope="module")
def second() -> Iterator[Sandbox]:
    """Another server, which has a project of the same id."""
    with start_sandbox(seed="empty") as started:
        started.add_projects(1)
        yield started


def hide_identity(server: Sandbox) -> None:
    """Let a server not tell any more by its own id who it is."""
    root = json.dumps({"Application": "Octopus Deploy", "Version": "1"})
    server.fault("status", path="/api$", times=None, status=200, body="given", text=root)


async def reach_by(service: Service, server: Sandbox, address: str) -> None:
    """Let the connection reach its server by another address."""
    changed = connection_pb.Connection(
        name=CONNECTION,
        credentials=struct({"instanceUrl": address, "apiKey": server.api_key}),
    )
    request = connection_pb.UpdateConnectionRequest(connection=changed)
    await service.connections.UpdateConnection(request)


@pytest.mark.parametrize("what", ["another address", "an id of its own"])
async def test_the_same_server_under_another_name(
    octopus: Service, sandbox: Sandbox, sets: Sets, what: str
) -> None:
    """Its variables must not be taken for something that was left elsewhere."""
    hide_identity(sandbox)
    await reach_by(octopus, sandbox, sandbox.base_url)
    await octopus.put({"TOKEN": "hunter2", "DB.Name": "shop"})
    await octopus.add_sync(destination_config=struct(SHOP))
    await octopus.quiet()
    if what == "another address":
        await reach_by(octopus, sandbox, sandbox.base_url.replace("127.0.0.1", "localhost"))
    else:
        sandbox.clear_faults()
        await reach_by(octopus, sandbox, f"{sandbox.base_url}/")

    async def stopped() -> pb.FormerPlace | None:
        (place,) = (await octopus.sync()).former_places
        return place if place.error_reason else None

    place = await wait_for(stopped)
    assert place.error_reason == ErrorReason.ERROR_REASON_GUARD_TRIPPED
    assert "that is the same place under another name, or a copy of it." in place.message
    assert sets.names(SHOP_SET) == ["DB.Name", "TOKEN"]
    forget = pb.ForgetFormerPlaceRequest(name=place.name, leave_secrets_behind=True)
    await octopus.syncs.ForgetFormerPlace(forget)
    await octopus.remove()
    assert sets.names(SHOP_SET) == []


async def lead_connection(service: Service, server: Sandbox) -> None:
    """Lead the connection to another server."""
    server.put_variables(SHOP_SET, [])
    changed = connection_pb.Connection(
        name=CONNECTION,
        credentials=struct({"instanceUrl": server.base_url, "apiKey": server.api_key}),
    )
    request = connection_pb.UpdateConnectionRequest(connection=changed)
    await service.connections.UpdateConnection(request)


async def test_a_connection_that_leads_to_another_server(
    synced: Service, second: Sandbox, sets: Sets
) -> None:
    await lead_connection(synced, second)
    await settled(synced)
    rows = second.inspect(SHOP_SET)["Variables"]
    assert sorted(row["Name"] for row in rows) == ["DB.Name", "TOKEN"]
    assert sets.names(SHOP_SET) == []
    # Nothing of the old credentials is kept once it is done.
    assert synced.dump()["former_places"] == []


async def test_a_pause_that_the_old_server_asks_for_is_not_the_new_ones(
    synced: Service, sandbox: Sandbox, second: Sandbox, sets: Sets
) -> None:
    sandbox.fault("rate_limit", retry_after=300, path="/variables$")
    await lead_connection(synced, second)

    async def asked_to_pause() -> bool | None:
        (place,) = (await synced.sync()).former_places
        return place.error_reason == ErrorReason.ERROR_REASON_RATE_LIMITED or None

    await wait_for(asked_to_pause)
    assert (await synced.trigger()).counts.unchanged == 2
    assert sets.names(SHOP_SET) == ["DB.Name", "TOKEN"]
