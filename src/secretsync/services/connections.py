"""ConnectionService."""

from collections.abc import Sequence

from google.protobuf.empty_pb2 import Empty

from secretsync.domain import entities
from secretsync.domain.etags import etag_of
from secretsync.domain.masks import select_fields
from secretsync.domain.pauses import Pause
from secretsync.domain.problems import Violations
from secretsync.operations import connections, lookups, options
from secretsync.operations.app import App
from secretsync.operations.destinations import destination_slug
from secretsync.operations.pauses import pauses_of, pauses_of_each
from secretsync.services.pauses import pause_messages
from secretsync.services.translate import (
    Context,
    call_of,
    page_of,
    plain,
    present_fields,
    struct,
    timestamp,
)
from secretsync.store.protocol import Transaction
from secretsync.v1 import connection_service_pb2 as pb
from secretsync.v1.connection_service_pb2_grpc import ConnectionServiceServicer

FIELDS = ("description", "method", "credentials")


class ConnectionServicer(ConnectionServiceServicer):
    """Translates between ConnectionService and `operations.connections`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def CreateConnection(
        self, request: pb.CreateConnectionRequest, context: Context
    ) -> pb.Connection:
        call = call_of(request, pb.Connection)
        earlier = await self._app.replay(call)
        if earlier is not None:
            return earlier
        wanted = request.connection
        violations = connections.check_new(
            request.parent, request.connection_id, wanted.description
        )
        call.check(violations)
        credentials = plain(wanted.credentials, "connection.credentials", violations)
        slug = destination_slug(self._app, wanted.destination, violations)
        proved = await connections.prove_credentials(
            self._app,
            slug,
            wanted.method,
            credentials,
            violations,
            lambda tx: connections.find_room(tx, request.parent, request.connection_id),
        )
        return await self._app.mutate(
            call,
            lambda tx: connection_message(
                tx,
                connections.create_connection(
                    self._app,
                    tx,
                    request.parent,
                    request.connection_id,
                    wanted.description,
                    proved,
                ),
            ),
        )

    async def GetConnection(
        self, request: pb.GetConnectionRequest, context: Context
    ) -> pb.Connection:
        return await self._app.read(
            lambda tx: connection_message(tx, lookups.connection(tx, "name", request.name))
        )

    async def ListConnections(
        self, request: pb.ListConnectionsRequest, context: Context
    ) -> pb.ListConnectionsResponse:
        def work(tx: Transaction) -> pb.ListConnectionsResponse:
            page = connections.list_connections(tx, request.parent, page_of(request))
            found = pauses_of_each(tx, page.items)
            return pb.ListConnectionsResponse(
                connections=[_message(each, found[each.uid]) for each in page.items],
                next_page_token=page.next_token,
            )

        return await self._app.read(work)

    async def UpdateConnection(
        self, request: pb.UpdateConnectionRequest, context: Context
    ) -> pb.Connection:
        call = call_of(request, pb.Connection)
        earlier = await self._app.replay(call)
        if earlier is not None:
            return earlier
        wanted = request.connection
        violations = Violations()
        call.check(violations)
        values = {
            "description": wanted.description,
            "method": wanted.method,
            "credentials": plain(wanted.credentials, "connection.credentials", violations),
        }
        changes = select_fields(
            request.update_mask.paths, values, present_fields(wanted, FIELDS), violations
        )
        proved = await connections.prove_changes(
            self._app, wanted.name, wanted.etag, changes, violations
        )
        return await self._app.mutate(
            call,
            lambda tx: connection_message(
                tx,
                connections.update_connection(
                    self._app, tx, wanted.name, wanted.etag, changes, proved
                ),
            ),
        )

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Context
    ) -> Empty:
        def work(tx: Transaction) -> Empty:
            connections.delete_connection(tx, request.name, request.etag)
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)

    async def ValidateConnection(
        self, request: pb.ValidateConnectionRequest, context: Context
    ) -> pb.ValidateConnectionResponse:
        result = await connections.validate_connection(self._app, request.name)
        return pb.ValidateConnectionResponse(summary=result.summary, warnings=result.warnings)

    async def ListConnectionOptions(
        self, request: pb.ListConnectionOptionsRequest, context: Context
    ) -> pb.ListConnectionOptionsResponse:
        page = await options.list_options(
            self._app,
            request.name,
            request.option_list,
            dict(request.parameters),
            page_of(request),
        )
        return pb.ListConnectionOptionsResponse(
            options=[
                pb.ConnectionOption(
                    id=option.id, display_name=option.name, description=option.description
                )
                for option in page.items
            ],
            next_page_token=page.next_token,
        )


def connection_message(tx: Transaction, connection: entities.Connection) -> pb.Connection:
    """Return a connection as the API shows it: without its credentials."""
    return _message(connection, pauses_of(tx, connection))


def _message(connection: entities.Connection, pauses: Sequence[Pause]) -> pb.Connection:
    return pb.Connection(
        name=connection.name,
        uid=connection.uid,
        description=connection.description,
        destination=f"destinations/{connection.destination}",
        method=connection.method,
        public_credentials=struct(connection.public_credentials),
        credentials_hash=connection.credentials_hash,
        version=connection.version,
        etag=etag_of(connection),
        create_time=timestamp(connection.create_time),
        update_time=timestamp(connection.update_time),
        pauses=pause_messages(pauses),
    )
