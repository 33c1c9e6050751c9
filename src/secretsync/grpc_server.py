"""The gRPC server: its services, the limits that it keeps, and how it is stopped."""

import asyncio
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from secretsync.interceptors.calls import CallCounter
from secretsync.interceptors.errors import ErrorInterceptor
from secretsync.operations.app import App
from secretsync.services.connections import ConnectionServicer
from secretsync.services.projects import ProjectServicer
from secretsync.services.secret_syncs import SecretSyncServicer
from secretsync.services.secrets import SecretServicer
from secretsync.settings import Settings
from secretsync.v1 import (
    connection_service_pb2,
    connection_service_pb2_grpc,
    project_service_pb2,
    project_service_pb2_grpc,
    secret_service_pb2,
    secret_service_pb2_grpc,
    secret_sync_service_pb2,
    secret_sync_service_pb2_grpc,
)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
FAREWELL = 0.5
"""Seconds in which streams can take notice of their end."""
KEEPALIVE_MILLISECONDS = 60_000
"""How long a connection may be silent before the server pings the client."""
MIN_PING_MILLISECONDS = 10_000
"""How often clients may ping at most."""
SERVICE_NAMES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (project_service_pb2, "ProjectService"),
        (secret_service_pb2, "SecretService"),
        (connection_service_pb2, "ConnectionService"),
        (secret_sync_service_pb2, "SecretSyncService"),
    )
)


def grpc_server(
    app: App, health: HealthServicer, calls: CallCounter, settings: Settings
) -> grpc.aio.Server:
    """Return a server with all services, which is bound to no address yet.

    Args:
        app: the parts that the services work with.
        health: answers for the services.
        calls: counts the calls that are under way.
        settings: the settings.
    """
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(calls)],
        options=[
            # Two servers must not share a port: each would get some of the calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            # Streams can be quiet for long. A client that has vanished without a word is noticed,
            # and one that asks for a sign of life now and then is not taken for an attacker.
            ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_MILLISECONDS // 3),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MILLISECONDS),
        ],
    )
    project_service_pb2_grpc.add_ProjectServiceServicer_to_server(ProjectServicer(app), server)
    secret_service_pb2_grpc.add_SecretServiceServicer_to_server(SecretServicer(app), server)
    connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(
        ConnectionServicer(app), server
    )
    secret_sync_service_pb2_grpc.add_SecretSyncServiceServicer_to_server(
        SecretSyncServicer(app, settings.retry_attempts), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(
        (
            *SERVICE_NAMES,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            reflection.SERVICE_NAME,
        ),
        server,
    )
    return server


class Grace:
    """The seconds that shutting down may take, shared by all of its steps."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: float | None = None

    def left(self) -> float:
        """Return how many are left; they begin to run with the first call."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        return max(0.0, self._seconds - (now - self._begun))


async def stop_serving(server: grpc.aio.Server, calls: CallCounter, grace: Grace) -> None:
    """Take no further call, and give those under way their time.

    Streams have been told, and need no time but to say so: a reader that takes nothing any more
    cannot be told, and must not keep the rest waiting.
    """
    stopping = asyncio.create_task(server.stop(grace.left()), name="secretsync-server-stop")
    while not stopping.done():
        await calls.idle(grace.left())
        await asyncio.wait({stopping}, timeout=min(FAREWELL, grace.left()))
        if calls.is_idle or not grace.left():
            break
    await server.stop(None)
    await stopping
