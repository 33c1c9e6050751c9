"""The composition root: puts the parts together, serves, and shuts down in the right order."""

import asyncio
import contextlib
import logging
import os
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import httpx
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

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
from secretsync.grpc_server import SERVICE_NAMES, Grace, grpc_server, stop_serving
from secretsync.interceptors.calls import CallCounter
from secretsync.logs import configure, tell_unhandled
from secretsync.operations.app import App
from secretsync.operations.watchers import Watchers
from secretsync.registry import Registry, RegistryError
from secretsync.settings import Settings
from secretsync.store.protocol import StorageFullError
from secretsync.store.sqlite import DATABASE_FILE, SqliteStore, StoreError

log = logging.getLogger(__name__)


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
        server = grpc_server(app, health, calls, settings)
        address = _bind(server, settings.listen)
        await engine.start()
        grace = Grace(settings.shutdown_grace)
        stack.push_async_callback(lambda: engine.stop(grace.left()))
        await server.start()
        stack.push_async_callback(lambda: stop_serving(server, calls, grace))
        stack.callback(app.watchers.close)
        for name in ("", *SERVICE_NAMES):
            await health.set(name, health_pb2.HealthCheckResponse.SERVING)
        # Leaving goes the other way: say so, start no run, take no call, end the runs, close.
        stack.callback(engine.stop_claiming)
        stack.push_async_callback(health.enter_graceful_shutdown)
        yield RunningServer(address, app)


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
