"""The composition root: puts the parts together, serves, and shuts down in the right order."""

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from secretsync.crypto import (
    KEY_VARIABLE,
    CryptoError,
    EnvironmentKeyProvider,
    FileKeyProvider,
    KeyProvider,
    Vault,
    check_key,
    is_new_database,
)
from secretsync.domain.runs import HistoryPolicy, RetryPolicy
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.engine_settings import EngineSettings
from secretsync.engine.http import HttpPool
from secretsync.engine.runner import Runner
from secretsync.interceptors.calls import CallCounter
from secretsync.interceptors.errors import ErrorInterceptor
from secretsync.logs import configure, tell_unhandled
from secretsync.operations.app import App
from secretsync.operations.watchers import Watchers
from secretsync.registry import Registry, RegistryError
from secretsync.services.connections import ConnectionServicer
from secretsync.services.projects import ProjectServicer
from secretsync.services.secret_syncs import SecretSyncServicer
from secretsync.services.secrets import SecretServicer
from secretsync.settings import Settings
from secretsync.store.protocol import StorageFullError
from secretsync.store.sqlite import DATABASE_FILE, SqliteStore, StoreError
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

log = logging.getLogger(__name__)

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


class StartupError(Exception):
    """The server cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts calls.

    Attributes:
        address: HOST:PORT that it serves at, with the port it got.
        app: its parts.
    """

    address: str
    app: App


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; print one line when ready.

    Raises:
        StartupError: the server cannot start.
    """
    configure(settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unhandled)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running_server(settings) as server:
        print(f"secretsync listening on {server.address}", flush=True)  # noqa: T201  the one line
        await stopped.wait()
        log.info("shutting down")


@contextlib.asynccontextmanager
async def running_server(
    settings: Settings, registry: Registry | None = None
) -> AsyncIterator[RunningServer]:
    """Start a server, and shut it down at the end.

    Args:
        settings: the settings.
        registry: the destinations; default: the installed plugins.

    Raises:
        StartupError: the server cannot start.
    """
    async with contextlib.AsyncExitStack() as stack:
        if registry is None:
            registry = _load_plugins()
        store = _open_store(settings)
        stack.push_async_callback(store.close)
        provider = await _open_key(settings, store)
        vault = Vault(provider)
        timeout = _timeout(settings)
        http = HttpPool(timeout)
        stack.push_async_callback(http.close)
        engine = _engine(settings, store, registry, vault, http)
        app = App(
            store=store,
            engine=engine,
            registry=registry,
            vault=vault,
            clock=utc_now,
            http_timeout=timeout,
            call_timeout=settings.call_timeout,
            watchers=Watchers(settings.max_watchers, settings.watch_keep_alive),
        )
        store.notify(app.watchers.events)
        engine.notify(app.watchers.ring)
        health = HealthServicer()
        calls = CallCounter()
        server = _grpc_server(app, health, calls, settings)
        address = _bind(server, settings.listen)
        await engine.start()
        grace = _Grace(settings.shutdown_grace)
        stack.push_async_callback(lambda: engine.stop(grace.left()))
        await server.start()
        stack.push_async_callback(lambda: _stop_serving(server, calls, grace))
        stack.callback(app.watchers.close)
        for name in ("", *SERVICE_NAMES):
            await health.set(name, health_pb2.HealthCheckResponse.SERVING)
        # Leaving goes the other way: say so, start no run, take no call, end the runs, close.
        stack.callback(engine.stop_claiming)
        stack.push_async_callback(health.enter_graceful_shutdown)
        yield RunningServer(address, app)


class _Grace:
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


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def _load_plugins() -> Registry:
    try:
        return Registry.from_entry_points()
    except RegistryError as error:
        raise StartupError(str(error)) from error


def _open_store(settings: Settings) -> SqliteStore:
    try:
        return SqliteStore.open(settings.data_dir)
    except (StoreError, StorageFullError) as error:
        raise StartupError(str(error)) from error


async def _open_key(settings: Settings, store: SqliteStore) -> KeyProvider:
    """Return the key provider, after it was proved to be the one that the database needs."""
    new = await store.read(is_new_database)
    provider: KeyProvider
    try:
        if KEY_VARIABLE in os.environ:
            provider = EnvironmentKeyProvider.open(KEY_VARIABLE)
            source = f"variable {KEY_VARIABLE}"
        else:
            provider = FileKeyProvider.open(settings.key_path, create=new)
            source = f"key file {settings.key_path}"
    except CryptoError as error:
        raise StartupError(str(error)) from error
    try:
        await store.write(lambda tx: check_key(tx, provider))
    except StorageFullError as error:
        raise StartupError(f"{error}: make room in {settings.data_dir}") from error
    except CryptoError as error:
        database = settings.data_dir / DATABASE_FILE
        raise StartupError(f"{error} ({source}, database {database})") from error
    return provider


def _timeout(settings: Settings) -> httpx.Timeout:
    """Return the limits of one request; for a free connection it waits as long as its attempt."""
    return httpx.Timeout(
        connect=settings.http_connect_timeout,
        read=settings.http_read_timeout,
        write=settings.http_write_timeout,
        pool=None,
    )


def _engine(
    settings: Settings, store: SqliteStore, registry: Registry, vault: Vault, http: HttpPool
) -> EmbeddedEngine:
    retry = RetryPolicy(
        max_attempts=settings.retry_attempts,
        base=settings.retry_base,
        ceiling=settings.retry_ceiling,
        later=settings.retry_later,
        later_ceiling=settings.retry_later_ceiling,
    )
    return EmbeddedEngine(
        store,
        Runner(store, registry, vault, http, utc_now),
        utc_now,
        EngineSettings(
            max_runs=settings.max_runs,
            max_runs_per_connection=settings.max_runs_per_connection,
            change_interval=settings.change_interval,
            attempt_timeout=settings.attempt_timeout,
            retry=retry,
            history=HistoryPolicy(
                max_age=timedelta(days=settings.run_history_days),
                max_count=settings.run_history_count,
            ),
        ),
        random.Random(),  # noqa: S311  jitter, not a secret
    )


async def _stop_serving(server: grpc.aio.Server, calls: CallCounter, grace: _Grace) -> None:
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


def _grpc_server(
    app: App, health: HealthServicer, calls: CallCounter, settings: Settings
) -> grpc.aio.Server:
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


def _bind(server: grpc.aio.Server, listen: str) -> str:
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise StartupError(
            f"cannot listen on {listen}: the port is in use, or the address is not this machine's."
            " Stop what uses it, or choose another with --listen (port 0 takes any free one)"
        ) from error
    host, _, _ = listen.rpartition(":")
    return f"{host}:{port}"
