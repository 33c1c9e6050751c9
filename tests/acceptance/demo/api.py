"""The demo's gRPC calls, on nothing but the generated stubs."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from checks import DemoFailedError
from google.protobuf.struct_pb2 import Struct

from secretsync.v1 import connection_service_pb2 as connections
from secretsync.v1 import project_service_pb2 as projects
from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync.v1.connection_service_pb2_grpc import ConnectionServiceStub
from secretsync.v1.project_service_pb2_grpc import ProjectServiceStub
from secretsync.v1.secret_service_pb2_grpc import SecretServiceStub
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub

PROJECT = "projects/web-shop"
CONNECTION = f"{PROJECT}/connections/octopus"
BATCH = 1000
WAIT_SECONDS = 60
ENDED = (syncs.RUN_STATE_SUCCEEDED, syncs.RUN_STATE_FAILED)


def struct(values: dict[str, Any]) -> Struct:
    """Return JSON-like values as a Struct."""
    message = Struct()
    message.update(values)
    return message


def environment_name(environment: str) -> str:
    """Return the resource name of an environment."""
    return f"{PROJECT}/environments/{environment}"


def sync_name(sync: str) -> str:
    """Return the resource name of a secret sync."""
    return f"{PROJECT}/secretSyncs/{sync}"


class Api:
    """The calls that the demo makes."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._projects = ProjectServiceStub(channel)
        self._secrets = SecretServiceStub(channel)
        self._connections = ConnectionServiceStub(channel)
        self._syncs = SecretSyncServiceStub(channel)

    def create_project(self, *environments: str) -> None:
        """Create the demo's project with environments."""
        self._projects.CreateProject(projects.CreateProjectRequest(project_id="web-shop"))
        for environment in environments:
            self._projects.CreateEnvironment(
                projects.CreateEnvironmentRequest(parent=PROJECT, environment_id=environment)
            )

    def set_secrets(self, environment: str, values: dict[str, str]) -> tuple[int, int]:
        """Set secrets in `/`; return how many were created and how many updated."""
        created = updated = 0
        items = [secrets.Secret(key=key, value=value) for key, value in values.items()]
        for start in range(0, len(items), BATCH):
            answer = self._secrets.SetSecrets(
                secrets.SetSecretsRequest(
                    parent=environment_name(environment),
                    path="/",
                    secrets=items[start : start + BATCH],
                )
            )
            created += answer.created_count
            updated += answer.updated_count
        return created, updated

    def delete_secret(self, environment: str, key: str) -> None:
        """Delete one secret of `/`."""
        self._secrets.DeleteSecrets(
            secrets.DeleteSecretsRequest(parent=environment_name(environment), path="/", keys=[key])
        )

    def create_connection(self, instance_url: str, api_key: str) -> connections.Connection:
        """Create the Octopus connection; the service proves the key against the server."""
        return self._connections.CreateConnection(
            connections.CreateConnectionRequest(
                parent=PROJECT,
                connection_id="octopus",
                connection=connections.Connection(
                    destination="destinations/octopus-deploy",
                    method="api-key",
                    credentials=struct({"instanceUrl": instance_url, "apiKey": api_key}),
                ),
            )
        )

    def options(self, option_list: str, **parameters: str) -> dict[str, str]:
        """Return the choices of a list, id to name, all pages of it."""
        found: dict[str, str] = {}
        token = ""
        while True:
            page = self._connections.ListConnectionOptions(
                connections.ListConnectionOptionsRequest(
                    name=CONNECTION,
                    option_list=option_list,
                    parameters=parameters,
                    page_token=token,
                )
            )
            found |= {option.id: option.display_name for option in page.options}
            token = page.next_page_token
            if not token:
                return found

    def create_sync(
        self, sync: str, environment: str, scope: str, *, auto_sync: bool = True
    ) -> None:
        """Create a sync of an environment into Projects-1, scoped to an Octopus environment."""
        self._syncs.CreateSecretSync(
            syncs.CreateSecretSyncRequest(
                parent=PROJECT,
                secret_sync_id=sync,
                secret_sync=syncs.SecretSync(
                    connection=CONNECTION,
                    source=syncs.SecretSource(environment=environment_name(environment)),
                    destination_config=struct(
                        {
                            "spaceId": "Spaces-1",
                            "scope": "project",
                            "projectId": "Projects-1",
                            "scopeValues": {"environments": [scope]},
                        }
                    ),
                    is_auto_sync_enabled=auto_sync,
                ),
            )
        )

    def start_sync(self, sync: str) -> str:
        """Ask for a run; return its name."""
        return self._syncs.SyncSecrets(syncs.SyncSecretsRequest(name=sync_name(sync))).name

    def start_removal(self, sync: str) -> str:
        """Ask for the removal of what a sync wrote; return the run's name."""
        return self._syncs.RemoveSecrets(syncs.RemoveSecretsRequest(name=sync_name(sync))).name

    def runs(self, sync: str) -> list[str]:
        """Return the names of a sync's runs, oldest first."""
        page = self._syncs.ListSyncRuns(
            syncs.ListSyncRunsRequest(parent=sync_name(sync), page_size=1000)
        )
        return [run.name for run in reversed(page.sync_runs)]

    def follow(self, run: str, show: Callable[[syncs.SyncRun], None]) -> syncs.SyncRun:
        """Show a run's progress until it ends, and return it."""
        for _ in _pauses():
            present = self._syncs.GetSyncRun(syncs.GetSyncRunRequest(name=run))
            show(present)
            if present.state in ENDED:
                return present
        raise DemoFailedError(f"{run} ends within {WAIT_SECONDS} s")


def _pauses() -> Iterator[None]:
    """Yield now and again, for as long as the demo waits."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.05)
