"""Gets single resources that several commands need."""

from secretsync.cli.client import Client
from secretsync.v1.connection_service_pb2 import Connection, GetConnectionRequest
from secretsync.v1.secret_sync_service_pb2 import (
    Destination,
    GetDestinationRequest,
    GetSecretSyncRequest,
    SecretSync,
)


def get_connection(client: Client, name: str) -> Connection:
    """Return a connection by its resource name; raises CliError if the call fails."""
    return client.call(client.connections.GetConnection, GetConnectionRequest(name=name))


def get_destination(client: Client, name: str) -> Destination:
    """Return a type of destination by its resource name; raises CliError if the call fails."""
    return client.call(client.syncs.GetDestination, GetDestinationRequest(name=name))


def get_sync(client: Client, name: str) -> SecretSync:
    """Return a secret sync by its resource name; raises CliError if the call fails."""
    return client.call(client.syncs.GetSecretSync, GetSecretSyncRequest(name=name))
