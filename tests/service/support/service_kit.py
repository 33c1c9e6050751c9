"""A client of the service under test, and what its answers and its database are compared by."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from recording_destination import Recorder

from secretsync.registry import Registry
from secretsync.server import RunningServer, running_server
from secretsync.settings import make_settings
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import pause_pb2 as pause_pb
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as sync_pb
from secretsync.v1.connection_service_pb2_grpc import ConnectionServiceStub
from secretsync.v1.project_service_pb2_grpc import ProjectServiceStub
from secretsync.v1.secret_service_pb2_grpc import SecretServiceStub
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub

SHOP = "projects/shop"
DEV = f"{SHOP}/environments/dev"
PROD = f"{SHOP}/environments/prod"
CONNECTION = f"{SHOP}/connections/main"
SYNC = f"{SHOP}/secretSyncs/web"
TOKEN = "token-that-nobody-may-see"
PATIENCE = 30.0
ENDED = (
    sync_pb.RUN_STATE_SUCCEEDED,
    sync_pb.RUN_STATE_FAILED,
    sync_pb.RUN_STATE_PARTIALLY_SUCCEEDED,
    sync_pb.RUN_STATE_AWAITING_APPROVAL,
)

T = TypeVar("T")


async def wait_for(condition: Callable[[], Awaitable[T | None]]) -> T:
    """Ask again and again until the answer is not None, and return it."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await condition()) is None:  # noqa: ASYNC110  the server changes, not we
            await asyncio.sleep(0.01)
        return answer


def struct(values: Mapping[str, Any]) -> Struct:
    """Return a Struct with these fields."""
    made = Struct()
    made.update(dict(values))
    return made


def wire(message: Message) -> bytes:
    """Return a message in bytes that are equal for equal messages."""
    return message.SerializeToString(deterministic=True)


def dump(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    database = sqlite3.connect(f"file:{data_dir / 'secretsync.db'}?mode=ro", uri=True)
    try:
        names = [
            name
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            )
        ]
        return {
            name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)  # noqa: S608
            for name in names
        }
    finally:
        database.close()


class Service:
    """A running server with one client, and shortcuts for what tests need to be there."""

    def __init__(
        self, server: RunningServer, channel: grpc.aio.Channel, recorder: Recorder, data_dir: Path
    ) -> None:
        self.server = server
        self.channel = channel
        self.recorder = recorder
        self.data_dir = data_dir
        self.projects = ProjectServiceStub(channel)
        self.secrets = SecretServiceStub(channel)
        self.connections = ConnectionServiceStub(channel)
        self.syncs = SecretSyncServiceStub(channel)

    def call(self, method: str, request: Message) -> Awaitable[Any]:
        """Call a method by its name, e.g. `CreateProject`."""
        for stub in (self.projects, self.secrets, self.connections, self.syncs):
            if hasattr(stub, method):
                called: Any = getattr(stub, method)(request)
                # Of a stream, the first message.
                streams = isinstance(called, grpc.aio.UnaryStreamCall)
                answer: Awaitable[Any] = called.read() if streams else called
                return answer
        raise AssertionError(f"no service has a method {method}")

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the database."""
        return dump(self.data_dir)

    async def tamper(self, statement: str) -> None:
        """Change the database behind the server's back, with its own connection."""
        await self.server.app.store.write(
            lambda tx: tx.database.execute(statement).fetchall()  # type: ignore[attr-defined]
        )

    async def add_project(self, slug: str = "shop", *environments: str) -> None:
        """Create a project with environments."""
        name = f"projects/{slug}"
        await self.projects.CreateProject(project_pb.CreateProjectRequest(project_id=slug))
        for environment in environments or ("dev", "prod"):
            await self.projects.CreateEnvironment(
                project_pb.CreateEnvironmentRequest(parent=name, environment_id=environment)
            )

    async def put(
        self, values: Mapping[str, str], *, parent: str = DEV, path: str = "/"
    ) -> secret_pb.SetSecretsResponse:
        """Set secrets."""
        secrets = [secret_pb.Secret(key=key, value=value) for key, value in values.items()]
        return await self.secrets.SetSecrets(
            secret_pb.SetSecretsRequest(parent=parent, path=path, secrets=secrets)
        )

    async def delete(self, *keys: str, parent: str = DEV, path: str = "/") -> None:
        """Delete secrets."""
        await self.secrets.DeleteSecrets(
            secret_pb.DeleteSecretsRequest(parent=parent, path=path, keys=keys)
        )

    async def values(
        self, parent: str = DEV, path: str = "/", *, recursive: bool = False
    ) -> dict[str, str]:
        """Return the values of a folder by path and key."""
        answer = await self.secrets.ListSecrets(
            secret_pb.ListSecretsRequest(
                parent=parent, path=path, recursive=recursive, include_values=True
            )
        )
        return {f"{each.path.rstrip('/')}/{each.key}": each.value for each in answer.secrets}

    async def add_import(
        self, into: str, out_of: str, *, parent: str = DEV, environment: str = ""
    ) -> secret_pb.SecretImport:
        """Let a folder of an environment import another, of the same one unless told."""
        return await self.secrets.CreateSecretImport(
            secret_pb.CreateSecretImportRequest(
                parent=parent,
                secret_import=secret_pb.SecretImport(
                    path=into, import_environment=environment or parent, import_path=out_of
                ),
            )
        )

    async def connect(
        self,
        slug: str = "main",
        *,
        parent: str = SHOP,
        destination: str = "recorder",
        method: str = "token",
        credentials: Mapping[str, Any] | None = None,
    ) -> connection_pb.Connection:
        """Create a connection, to the recorder unless told."""
        given = {"server": "one", "token": TOKEN} if credentials is None else credentials
        return await self.connections.CreateConnection(
            connection_pb.CreateConnectionRequest(
                parent=parent,
                connection_id=slug,
                connection=connection_pb.Connection(
                    destination=f"destinations/{destination}",
                    method=method,
                    credentials=struct(given),
                ),
            )
        )

    async def add_sync(
        self,
        slug: str = "web",
        *,
        parent: str = SHOP,
        **fields: Any,  # noqa: ANN401
    ) -> sync_pb.SecretSync:
        """Create a sync of dev's root to the recorder, unless fields of SecretSync say so."""
        given = {
            "connection": CONNECTION,
            "source": sync_pb.SecretSource(environment=DEV),
            "destination_config": struct({"place": slug}),
            **fields,
        }
        return await self.syncs.CreateSecretSync(
            sync_pb.CreateSecretSyncRequest(
                parent=parent, secret_sync_id=slug, secret_sync=sync_pb.SecretSync(**given)
            )
        )

    async def sync(self, name: str = SYNC) -> sync_pb.SecretSync:
        """Return a sync."""
        return await self.syncs.GetSecretSync(sync_pb.GetSecretSyncRequest(name=name))

    async def update_sync(
        self,
        mask: Sequence[str] = (),
        *,
        name: str = SYNC,
        etag: str = "",
        **fields: Any,  # noqa: ANN401
    ) -> sync_pb.SecretSync:
        """Change a sync."""
        request = sync_pb.UpdateSecretSyncRequest(
            secret_sync=sync_pb.SecretSync(name=name, etag=etag, **fields)
        )
        request.update_mask.paths.extend(mask)
        return await self.syncs.UpdateSecretSync(request)

    async def pause(self, name: str = SYNC, reason: str = "") -> pause_pb.Pause:
        """Pause a sync, a connection or everything."""
        request = sync_pb.PauseSyncingRequest(name=name, reason=reason)
        return await self.syncs.PauseSyncing(request)

    async def resume(self, name: str = SYNC) -> None:
        """Resume a sync, a connection or everything."""
        await self.syncs.ResumeSyncing(sync_pb.ResumeSyncingRequest(name=name))

    async def run(self, name: str) -> sync_pb.SyncRun:
        """Return a run."""
        return await self.syncs.GetSyncRun(sync_pb.GetSyncRunRequest(name=name))

    async def runs(self, name: str = SYNC) -> list[sync_pb.SyncRun]:
        """Return a sync's runs, oldest first."""
        answer = await self.syncs.ListSyncRuns(sync_pb.ListSyncRunsRequest(parent=name))
        return list(reversed(answer.sync_runs))

    async def ended(self, name: str) -> sync_pb.SyncRun:
        """Wait for a run to end, and return it."""
        return await self.until(name, *ENDED)

    async def until(self, name: str, *states: int) -> sync_pb.SyncRun:
        """Wait for a run to be in one of these states, and return it."""

        async def arrived() -> sync_pb.SyncRun | None:
            run = await self.run(name)
            return run if run.state in states else None

        return await wait_for(arrived)

    async def removal(self, name: str = SYNC) -> str:
        """Wait until a sync has a removal, and return its name."""

        async def arrived() -> str | None:
            return (await self.sync(name)).remove_status.last_run or None

        return await wait_for(arrived)

    async def failed_once(self, name: str) -> sync_pb.SyncRun:
        """Wait until a run's attempt has failed, and return the run."""

        async def arrived() -> sync_pb.SyncRun | None:
            run = await self.run(name)
            return run if run.message else None

        return await wait_for(arrived)

    async def quiet(self, name: str = SYNC) -> list[sync_pb.SyncRun]:
        """Wait until no run of a sync waits or is under way, and return its runs, oldest first."""

        async def arrived() -> list[sync_pb.SyncRun] | None:
            runs = await self.runs(name)
            return runs if all(run.state in ENDED for run in runs) else None

        return await wait_for(arrived)

    async def settled(self) -> None:
        """Wait until no run of any sync waits or is under way."""

        async def arrived() -> bool | None:
            open_runs = [row for row in self.dump()["runs"] if {"pending", "running"} & set(row)]
            return None if open_runs else True

        await wait_for(arrived)

    async def trigger(self, name: str = SYNC) -> sync_pb.SyncRun:
        """Run a sync and return its ended run."""
        run = await self.syncs.SyncSecrets(sync_pb.SyncSecretsRequest(name=name))
        return await self.ended(run.name)

    async def remove(self, name: str = SYNC) -> sync_pb.SyncRun:
        """Remove a sync's secrets and return the ended run."""
        run = await self.syncs.RemoveSecrets(sync_pb.RemoveSecretsRequest(name=name))
        return await self.ended(run.name)


@asynccontextmanager
async def running(data_dir: Path, **settings: object) -> AsyncIterator[Service]:
    """Run a server with the installed plugins and a recorder, and a client of it."""
    registry = Registry.from_entry_points()
    recorder = Recorder()
    registry.register(recorder, "recorder", "recorder-for-tests 1.0")
    values: dict[str, object] = {
        "listen": "127.0.0.1:0",
        "data_dir": data_dir,
        "shutdown_grace": 5.0,
        # Tests make changes one after the other, and wait for the run of each.
        "change_interval": 0.0,
        "retry_base": 0.01,
        "retry_ceiling": 0.02,
        # Retries later on have tests of their own; elsewhere nobody expects further runs.
        "retry_later": 0.0,
        **settings,
    }
    async with (
        running_server(make_settings(**values), registry) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        try:
            yield Service(server, channel, recorder, data_dir)
        finally:
            recorder.open.set()
            recorder.provable.set()
