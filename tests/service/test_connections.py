"""ConnectionService: what is kept of a connection, and what is told of it."""

import json
from typing import Any

import grpc
import pytest
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, SHOP, TOKEN, Service, struct

from secretsync.adapter import AuthenticationFailed, Unavailable
from secretsync.v1 import connection_service_pb2 as pb

RIGHT = {"server": "one", "token": TOKEN}
OTHER = {"server": "one", "token": "another-token"}


async def get(service: Service) -> pb.Connection:
    return await service.connections.GetConnection(pb.GetConnectionRequest(name=CONNECTION))


async def update(service: Service, mask: tuple[str, ...] = (), **fields: Any) -> pb.Connection:  # noqa: ANN401
    request = pb.UpdateConnectionRequest(connection=pb.Connection(name=CONNECTION, **fields))
    request.update_mask.paths.extend(mask)
    return await service.connections.UpdateConnection(request)


def revealed(recorder: Recorder) -> list[str]:
    """Return the tokens that the destination was asked to prove."""
    return [request.credentials.token.reveal() for request in recorder.calls("validate")]


async def test_create_proves_the_credentials_and_never_shows_them(
    service: Service, recorder: Recorder
) -> None:
    await service.add_project()
    connection = pb.Connection(
        name="forged",
        description="The one",
        destination="destinations/recorder",
        method="token",
        credentials=struct(RIGHT),
        credentials_hash="forged",
        public_credentials=struct({"forged": True}),
        version=9,
    )
    created = await service.connections.CreateConnection(
        pb.CreateConnectionRequest(parent=SHOP, connection_id="main", connection=connection)
    )
    assert created.name == CONNECTION
    assert created.uid
    assert created.description == "The one"
    assert created.destination == "destinations/recorder"
    assert created.method == "token"
    assert not created.HasField("credentials")
    assert created.public_credentials == struct({"server": "one"})
    assert len(created.credentials_hash) == 64
    assert created.version == 1
    assert created.etag
    assert created.create_time == created.update_time
    assert await get(service) == created
    listed = await service.connections.ListConnections(pb.ListConnectionsRequest(parent=SHOP))
    assert list(listed.connections) == [created]
    (asked,) = recorder.calls("validate")
    assert asked.config is None
    assert revealed(recorder) == [TOKEN]


async def test_refused_credentials_are_not_kept(service: Service, recorder: Recorder) -> None:
    await service.add_project()
    before = service.dump()
    recorder.always["validate"] = AuthenticationFailed("Wrong.", hint="Take another.")
    refusal = await refused(service.connect())
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "AUTHENTICATION_FAILED"
    assert refusal.message == "Wrong. (Take another.)"
    assert service.dump() == before


async def test_nothing_is_proved_of_what_cannot_be_made(shop: Service, recorder: Recorder) -> None:
    before, asked = shop.dump(), len(recorder.requests)
    refusal = await refused(shop.connect())
    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "RESOURCE_ALREADY_EXISTS"
    assert refusal.metadata == {"resource": CONNECTION}
    refusal = await refused(shop.connect(parent="projects/missing"))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": "projects/missing"}
    assert shop.dump() == before
    assert len(recorder.requests) == asked


async def test_validate_only_proves_the_credentials_all_the_same(
    shop: Service, recorder: Recorder
) -> None:
    before = shop.dump()
    request = pb.CreateConnectionRequest(
        parent=SHOP,
        connection_id="new",
        connection=pb.Connection(
            destination="destinations/recorder", method="token", credentials=struct(OTHER)
        ),
        validate_only=True,
    )
    assert (await shop.connections.CreateConnection(request)).name.endswith("/new")
    assert revealed(recorder)[-1] == OTHER["token"]
    recorder.always["validate"] = AuthenticationFailed("Wrong.")
    assert (await refused(shop.connections.CreateConnection(request))).reason
    assert shop.dump() == before


async def test_unknown_destinations_and_methods(shop: Service) -> None:
    before = shop.dump()
    refusal = await refused(shop.connect("new", destination="missing"))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": "destinations/missing"}
    assert refusal.message.startswith("connection.destination: ")
    assert "octopus-deploy, recorder" in refusal.message
    fields = await invalid_fields(shop.connect("new", destination="Octopus"))
    assert fields["connection.destination"].startswith("is not a name of this kind: write dest")
    for method in ("", "password"):
        fields = await invalid_fields(shop.connect("new", method=method))
        assert fields == {"connection.method": "recorder offers the method(s) other, token"}
    assert shop.dump() == before


async def test_an_unknown_destination_does_not_hide_what_else_is_wrong(shop: Service) -> None:
    fields = await invalid_fields(shop.connect("New", destination="missing"))
    assert fields.keys() == {"connection_id"}


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ({}, {"server": "is required", "token": "is required"}),
        ({**RIGHT, "server": None}, {"server": "Input should be a valid string"}),
        ({**RIGHT, "token": 1}, {"token": "Input should be a valid string"}),
        ({**RIGHT, "sever": 1}, {"sever": "is not a field; known fields are: server, token"}),
        ({**RIGHT, "server": float("inf")}, {"": "must not hold infinite numbers"}),
    ],
)
async def test_malformed_credentials(
    shop: Service, credentials: dict[str, Any], expected: dict[str, str]
) -> None:
    before = shop.dump()
    fields = await invalid_fields(shop.connect("new", credentials=credentials))
    for name, rule in expected.items():
        assert fields[f"connection.credentials.{name}".rstrip(".")].startswith(rule)
    assert "another-token" not in str(fields)
    assert shop.dump() == before


async def test_the_hash_changes_with_the_credentials_and_only_with_them(shop: Service) -> None:
    first = await get(shop)
    described = await update(shop, description="changed")
    assert described.credentials_hash == first.credentials_hash
    same = await update(shop, credentials=struct(dict(reversed(RIGHT.items()))))
    assert same == described
    changed = await update(shop, credentials=struct(OTHER))
    assert changed.credentials_hash != first.credentials_hash
    assert changed.version == described.version + 1
    back = await update(shop, credentials=struct(RIGHT))
    assert back.credentials_hash == first.credentials_hash


async def test_the_hash_tells_nothing_of_other_connections(shop: Service) -> None:
    first = await get(shop)
    second = await shop.connect("twin")
    assert second.credentials_hash != first.credentials_hash


async def test_new_credentials_are_proved_and_a_wrong_key_keeps_the_old(
    shop: Service, recorder: Recorder
) -> None:
    before = shop.dump()
    recorder.failures["validate"] = [AuthenticationFailed("Wrong.")]
    refusal = await refused(update(shop, credentials=struct(OTHER)))
    assert refusal.reason == "AUTHENTICATION_FAILED"
    assert shop.dump() == before
    await shop.connections.ValidateConnection(pb.ValidateConnectionRequest(name=CONNECTION))
    assert revealed(recorder)[-2:] == [OTHER["token"], TOKEN]

    await update(shop, credentials=struct(OTHER))
    await shop.connections.ValidateConnection(pb.ValidateConnectionRequest(name=CONNECTION))
    assert revealed(recorder)[-2:] == [OTHER["token"]] * 2


async def test_a_description_is_changed_without_the_destination(
    shop: Service, recorder: Recorder
) -> None:
    recorder.always["validate"] = Unavailable("Gone.")
    first = await get(shop)
    for mask in ((), ("description",)):
        changed = await update(shop, mask, description=f"changed {mask}")
        assert changed.description == f"changed {mask}"
        assert changed.credentials_hash == first.credentials_hash
    assert (await update(shop, ("description",))).description == ""
    # What was read can be sent back as it is.
    read = await get(shop)
    read.description = "edited"
    sent = await shop.connections.UpdateConnection(pb.UpdateConnectionRequest(connection=read))
    assert sent.description == "edited"


async def test_update_mask(shop: Service, recorder: Recorder) -> None:
    everything = await update(
        shop, ("*",), description="all", method="other", credentials=struct(OTHER)
    )
    assert (everything.description, everything.method) == ("all", "other")
    assert revealed(recorder)[-1] == OTHER["token"]
    only = await update(
        shop, ("credentials",), description="no", method="token", credentials=struct(RIGHT)
    )
    assert (only.description, only.method) == ("all", "other")
    assert revealed(recorder)[-1] == TOKEN
    both = await update(shop, ("method", "credentials"), method="token", credentials=struct(RIGHT))
    assert both.method == "token"
    assert both.credentials_hash == only.credentials_hash

    before = shop.dump()
    fields = await invalid_fields(update(shop, ("method",), method="other"))
    assert fields == {"connection.method": "can be changed only together with credentials"}
    fields = await invalid_fields(update(shop, ("destination", "credentials.token")))
    assert set(fields) == {"update_mask"}
    assert "fields are: credentials, description, method" in fields["update_mask"]
    fields = await invalid_fields(update(shop, ("*",)))
    assert fields.keys() == {"connection.credentials.server", "connection.credentials.token"}
    fields = await invalid_fields(update(shop, method="bad", credentials=struct(RIGHT)))
    assert fields == {"connection.method": "recorder offers the method(s) other, token"}
    assert shop.dump() == before


async def test_a_connection_in_use_is_not_deleted(shop: Service) -> None:
    for i in range(12):
        await shop.add_sync(f"sync-{i:02}", is_auto_sync_enabled=False)
    before = shop.dump()
    request = pb.DeleteConnectionRequest(name=CONNECTION)
    refusal = await refused(shop.connections.DeleteConnection(request))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata["resource"] == CONNECTION
    users = refusal.metadata["users"].split(", ")
    assert len(users) == 10
    assert all(user.startswith(f"{SHOP}/secretSyncs/sync-") for user in users)
    assert users[0] in refusal.message
    assert shop.dump() == before


async def test_delete(shop: Service) -> None:
    await shop.connections.DeleteConnection(pb.DeleteConnectionRequest(name=CONNECTION))
    assert (await refused(get(shop))).code == grpc.StatusCode.NOT_FOUND
    assert shop.dump()["connections"] == []


async def test_credentials_for_the_same_place_move_nothing(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "v"})
    await shop.add_sync()
    await shop.quiet()
    # A new key for the same place, and another spelling of its address.
    await update(shop, credentials=struct(OTHER))
    await update(shop, credentials=struct({**OTHER, "server": "one/"}))
    assert (await shop.trigger()).counts.unchanged == 1
    assert list((await shop.sync()).former_places) == []
    assert recorder.calls("remove") == []


async def test_credentials_have_a_size_that_lists_can_bear(service: Service) -> None:
    await service.add_project()
    given = {"server": "s" * 65_536, "token": TOKEN}
    fields = await invalid_fields(service.connect(credentials=given))
    size = len(json.dumps(given))
    assert fields == {
        "connection.credentials": f"must have at most 65536 bytes as JSON, has {size}"
    }
