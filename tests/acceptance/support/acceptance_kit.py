"""The service, its commands and an Octopus sandbox, as processes that tests start and end."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.struct_pb2 import Struct

from secretsync.v1 import connection_service_pb2 as connections
from secretsync.v1 import project_service_pb2 as projects
from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync.v1.connection_service_pb2_grpc import ConnectionServiceStub
from secretsync.v1.project_service_pb2_grpc import ProjectServiceStub
from secretsync.v1.secret_service_pb2_grpc import SecretServiceStub
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub
from secretsync_octopus_deploy.sandbox.process import Sandbox

ROOT = Path(__file__).parents[3]
PROTOS = ROOT / "protos"
READY = "secretsync listening on "
READY_SECONDS = 60
STOP_SECONDS = 30
WAIT_SECONDS = 60
ENDED = (syncs.RUN_STATE_SUCCEEDED, syncs.RUN_STATE_FAILED)

Found = TypeVar("Found")


def installed(command: str) -> str:
    """Return the path of a command of the environment that runs the tests."""
    path = Path(sys.executable).parent / command
    assert path.exists(), f"{command} is not installed beside {sys.executable}"
    return str(path)


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for a process, without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SECRETSYNC_")}
    # The sessions in the documentation do not say who runs them.
    return kept | {"SECRETSYNC_REQUESTER": ""} | changes


def wait_until(check: Callable[[], Found | None], what: str) -> Found:
    """Return what a check finds, once it finds something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")


@dataclass(frozen=True)
class Service:
    """A running `secretsync serve`: where it listens, its process, and what it has written."""

    address: str
    process: subprocess.Popen[bytes]
    data_dir: Path
    stdout: Path
    stderr: Path

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def output(self) -> str:
        """Return all that it has written so far: its ready line and its log."""
        return self.stdout.read_text() + self.stderr.read_text()


@contextlib.contextmanager
def running_service(folder: Path, *options: str, **variables: str) -> Iterator[Service]:
    """Run a service on a free loopback port, and end it with the block.

    Args:
        folder: where it keeps its data (in `data`) and its output.
        options: more options of `secretsync serve`.
        variables: more environment variables.
    """
    data_dir = folder / "data"
    stdout, stderr = folder / "stdout.txt", folder / "log.txt"
    command = [installed("secretsync"), "serve", "--listen", "127.0.0.1:0"]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment(**variables),
        )
        try:
            yield Service(_address(process, stdout, stderr), process, data_dir, stdout, stderr)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], stdout: Path, stderr: Path) -> str:
    def ready_line() -> str | None:
        assert process.poll() is None, f"the service did not start: {stderr.read_text()}"
        text = stdout.read_text()
        return text if text.endswith("\n") else None

    line = wait_until(ready_line, "the ready line").strip()
    assert line.startswith(READY), line
    return line.removeprefix(READY)


def struct(values: dict[str, Any]) -> Struct:
    """Return JSON-like values as a Struct."""
    message = Struct()
    message.update(values)
    return message


@dataclass(frozen=True)
class OctopusProject:
    """An Octopus project of its own in a sandbox that tests share."""

    sandbox: Sandbox
    project_id: str
    set_id: str

    def held(self) -> dict[tuple[str, str], str]:
        """Return the stored values by name and environment."""
        return {
            (row["Name"], ",".join(row["Scope"].get("Environment", []))): row["Value"] or ""
            for row in self.sandbox.inspect(self.set_id)["Variables"]
        }

    def connection(self) -> connections.Connection:
        """Return a connection that leads here."""
        credentials = {"instanceUrl": self.sandbox.base_url, "apiKey": self.sandbox.api_key}
        return connections.Connection(
            destination="destinations/octopus-deploy",
            method="api-key",
            credentials=struct(credentials),
        )

    def config(self, environment_id: str) -> dict[str, Any]:
        """Return the configuration of a sync that writes here, scoped to an environment."""
        return {
            "spaceId": "Spaces-1",
            "scope": "project",
            "projectId": self.project_id,
            "scopeValues": {"environments": [environment_id]},
        }


class Api:
    """The generated stubs, and the calls that several tests make."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.projects = ProjectServiceStub(channel)
        self.secrets = SecretServiceStub(channel)
        self.connections = ConnectionServiceStub(channel)
        self.syncs = SecretSyncServiceStub(channel)

    def set_up(
        self,
        octopus: OctopusProject,
        values: Mapping[str, str],
        *,
        project: str = "shop",
        auto_sync: bool = True,
    ) -> str:
        """Create a project with environment, secrets and sync `dev`, and connection `octopus`.

        Args:
            octopus: where the sync writes, scoped to Environments-1.
            values: the secrets.
            project: the project's slug.
            auto_sync: whether the sync runs by itself.

        Returns:
            The name of the sync's first run, which waits or is under way; empty without auto-sync.
        """
        parent = f"projects/{project}"
        dev = f"{parent}/environments/dev"
        self.projects.CreateProject(projects.CreateProjectRequest(project_id=project))
        self.projects.CreateEnvironment(
            projects.CreateEnvironmentRequest(parent=parent, environment_id="dev")
        )
        items = [secrets.Secret(key=key, value=value) for key, value in values.items()]
        self.secrets.SetSecrets(secrets.SetSecretsRequest(parent=dev, secrets=items))
        connection = self.connections.CreateConnection(
            connections.CreateConnectionRequest(
                parent=parent,
                connection_id="octopus",
                connection=octopus.connection(),
            )
        )
        sync = self.syncs.CreateSecretSync(
            syncs.CreateSecretSyncRequest(
                parent=parent,
                secret_sync_id="dev",
                secret_sync=syncs.SecretSync(
                    connection=connection.name,
                    source=syncs.SecretSource(environment=dev),
                    destination_config=struct(octopus.config("Environments-1")),
                    is_auto_sync_enabled=auto_sync,
                ),
            )
        )
        return sync.sync_status.last_run

    def run(self, name: str) -> syncs.SyncRun:
        """Return a run as it is."""
        return self.syncs.GetSyncRun(syncs.GetSyncRunRequest(name=name))

    def ended_run(self, name: str) -> syncs.SyncRun:
        """Wait for a run to end, and return it."""

        def ended() -> syncs.SyncRun | None:
            run = self.run(name)
            return run if run.state in ENDED else None

        return wait_until(ended, f"the end of {name}")
