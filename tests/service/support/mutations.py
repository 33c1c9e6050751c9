"""Every method that changes something, with a request that works in one prepared world."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, TOKEN, Service, struct

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as sync_pb


@dataclass(frozen=True)
class World:
    """What is there before a mutation; `secret_import` is a name."""

    service: Service
    secret_import: str


@dataclass(frozen=True)
class Mutation:
    """One method.

    Attributes:
        method: its name.
        request: makes a request that works.
        differ: makes another request of it.
        resource: the field that holds the resource with its etag; `` if etag is the request's own;
            None if the method has none.
    """

    method: str
    request: Callable[[World], Any]
    differ: Callable[[Any], None]
    resource: str | None = None

    def __str__(self) -> str:
        return self.method


async def prepare(service: Service) -> World:
    """Make projects, environments, secrets, an import, connections and a sync without runs.

    The spare connection, which nothing uses, is paused.
    """
    await service.add_project()
    await service.add_project("spare", "one")
    await service.projects.CreateEnvironment(
        project_pb.CreateEnvironmentRequest(parent=SHOP, environment_id="spare")
    )
    await service.put({"A": "a", "B": "b"})
    await service.put({"C": "c"}, parent=PROD)
    secret_import = await service.add_import("/", "/", environment=PROD)
    await service.connect()
    await service.connect("spare")
    await service.add_sync(is_auto_sync_enabled=False)
    await service.add_sync("other", is_auto_sync_enabled=False)
    await service.pause(f"{SHOP}/connections/spare")
    return World(service, secret_import.name)


def _set(path: str, value: object) -> Callable[[Any], None]:
    def differ(request: Message) -> None:
        *heads, last = path.split(".")
        target: Any = request
        for head in heads:
            target = getattr(target, head)
        setattr(target, last, value)

    return differ


def _recorder_connection() -> connection_pb.Connection:
    return connection_pb.Connection(
        destination="destinations/recorder",
        method="token",
        credentials=struct({"server": "one", "token": TOKEN}),
    )


MUTATIONS = (
    Mutation(
        "CreateProject",
        lambda _: project_pb.CreateProjectRequest(project_id="new"),
        _set("project.display_name", "New"),
    ),
    Mutation(
        "UpdateProject",
        lambda _: project_pb.UpdateProjectRequest(
            project=project_pb.Project(name=SHOP, display_name="The shop")
        ),
        _set("project.display_name", "New"),
        "project",
    ),
    Mutation(
        "DeleteProject",
        lambda _: project_pb.DeleteProjectRequest(name="projects/spare", force=True),
        _set("name", "projects/missing"),
        "",
    ),
    Mutation(
        "CreateEnvironment",
        lambda _: project_pb.CreateEnvironmentRequest(parent=SHOP, environment_id="new"),
        _set("environment.display_name", "New"),
    ),
    Mutation(
        "UpdateEnvironment",
        lambda _: project_pb.UpdateEnvironmentRequest(
            environment=project_pb.Environment(name=DEV, description="Where it begins")
        ),
        _set("environment.display_name", "New"),
        "environment",
    ),
    Mutation(
        "DeleteEnvironment",
        lambda _: project_pb.DeleteEnvironmentRequest(name=f"{SHOP}/environments/spare"),
        _set("force", value=True),
        "",
    ),
    Mutation(
        "SetSecrets",
        lambda _: secret_pb.SetSecretsRequest(
            parent=DEV,
            secrets=[
                secret_pb.Secret(key="A", value="changed"),
                secret_pb.Secret(key="D", value="d", comment="new"),
            ],
        ),
        _set("path", "/elsewhere"),
    ),
    Mutation(
        "DeleteSecrets",
        lambda _: secret_pb.DeleteSecretsRequest(parent=DEV, keys=["A", "B"]),
        _set("allow_missing", value=True),
    ),
    Mutation(
        "CreateSecretImport",
        lambda _: secret_pb.CreateSecretImportRequest(
            parent=DEV,
            secret_import=secret_pb.SecretImport(path="/api", import_environment=PROD),
        ),
        _set("secret_import.path", "/elsewhere"),
    ),
    Mutation(
        "DeleteSecretImport",
        lambda world: secret_pb.DeleteSecretImportRequest(name=world.secret_import),
        _set("name", f"{DEV}/secretImports/0"),
    ),
    Mutation(
        "CreateConnection",
        lambda _: connection_pb.CreateConnectionRequest(
            parent=SHOP, connection_id="new", connection=_recorder_connection()
        ),
        _set("connection.description", "other"),
    ),
    Mutation(
        "UpdateConnection",
        lambda _: connection_pb.UpdateConnectionRequest(
            connection=connection_pb.Connection(
                name=CONNECTION, credentials=struct({"server": "one", "token": "another-token"})
            )
        ),
        _set("connection.description", "other"),
        "connection",
    ),
    Mutation(
        "DeleteConnection",
        lambda _: connection_pb.DeleteConnectionRequest(name=f"{SHOP}/connections/spare"),
        _set("name", CONNECTION),
        "",
    ),
    Mutation(
        "CreateSecretSync",
        lambda _: sync_pb.CreateSecretSyncRequest(
            parent=SHOP,
            secret_sync_id="new",
            secret_sync=sync_pb.SecretSync(
                connection=CONNECTION,
                source=sync_pb.SecretSource(environment=DEV),
                destination_config=struct({"place": "new"}),
            ),
        ),
        _set("secret_sync.description", "other"),
    ),
    Mutation(
        "UpdateSecretSync",
        lambda _: sync_pb.UpdateSecretSyncRequest(
            secret_sync=sync_pb.SecretSync(name=SYNC, is_auto_sync_enabled=True)
        ),
        _set("secret_sync.description", "other"),
        "secret_sync",
    ),
    Mutation(
        "DeleteSecretSync",
        lambda _: sync_pb.DeleteSecretSyncRequest(name=SYNC),
        _set("name", f"{SHOP}/secretSyncs/other"),
        "",
    ),
    Mutation(
        "SyncSecrets",
        lambda _: sync_pb.SyncSecretsRequest(name=SYNC),
        _set("name", f"{SHOP}/secretSyncs/other"),
    ),
    Mutation(
        "CheckDrift",
        lambda _: sync_pb.CheckDriftRequest(name=SYNC),
        _set("name", f"{SHOP}/secretSyncs/other"),
    ),
    Mutation(
        "RemoveSecrets",
        lambda _: sync_pb.RemoveSecretsRequest(name=SYNC),
        _set("name", f"{SHOP}/secretSyncs/other"),
    ),
    Mutation(
        "PauseSyncing",
        lambda _: sync_pb.PauseSyncingRequest(name="-", reason="incident"),
        _set("name", SYNC),
    ),
    Mutation(
        "ResumeSyncing",
        lambda _: sync_pb.ResumeSyncingRequest(name=f"{SHOP}/connections/spare"),
        _set("name", "-"),
    ),
)
