"""Servers that can be killed at any moment, and what a client knows of a change it asked for."""

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

READY = "secretsync listening on "
READY_SECONDS = 60
QUIET_SECONDS = 60
CALL_SECONDS = 30
SCOPES = {"dev": "Environments-1", "prod": "Environments-2"}
KEYS = [*(f"Crash.Key{number}" for number in range(12)), "Site.Title", "Site.BaseUrl.Crash"]
ENDED = (syncs.RUN_STATE_SUCCEEDED, syncs.RUN_STATE_FAILED)

# The server takes a second or two to import its libraries. This process does that ahead of time
# and then is `secretsync serve`, as soon as it is told to go on.
_STANDBY = """
import sys
import secretsync.cli.serve, secretsync.server, secretsync_octopus_deploy.plugin
from secretsync.cli.main import main
sys.stdin.readline()
sys.exit(main(sys.argv[1:]))
"""


class Server:
    """A `secretsync serve` process that waits until it is told to begin."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self.log = log
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith("SECRETSYNC_")
        }
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _STANDBY),
                    *("serve", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir)),
                    # As many runs as there can be.
                    *("--change-interval", "0"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                env=kept,
            )

    def begin(self) -> str:
        """Let it serve, and return its address once it is ready."""
        assert self._process.stdin
        assert self._process.stdout
        # Should it have died while it waited, what it wrote says why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        watchdog = threading.Timer(READY_SECONDS, self.kill)
        watchdog.start()
        line = self._process.stdout.readline().decode()
        watchdog.cancel()
        assert line.startswith(READY), f"the server did not start: {line} {self.log.read_text()}"
        return line.removeprefix(READY).strip()

    def kill(self) -> None:
        """End it as the kernel does when memory runs out: at once, and without a word."""
        self._process.kill()
        self._process.wait()
        self._close()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self._process.terminate()
        code = self._process.wait(READY_SECONDS)
        self._close()
        return code

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


class Servers:
    """Servers on one data directory, one after another, the next ones always at the ready."""

    AHEAD = 2

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[Server] = deque()
        self.all: list[Server] = []
        while len(self._waiting) < self.AHEAD:
            self._add()

    def _add(self) -> None:
        server = Server(self._folder / "data", self._folder / f"log-{len(self.all):03}.txt")
        self._waiting.append(server)
        self.all.append(server)

    def next(self) -> Server:
        """Return the next server, not yet begun."""
        self._add()
        return self._waiting.popleft()

    def kill_all(self) -> None:
        """End whatever is left."""
        for server in self.all:
            server.kill()


class Client:
    """Calls of the API, for as long as the server lives."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.projects = ProjectServiceStub(channel)
        self.secrets = SecretServiceStub(channel)
        self.connections = ConnectionServiceStub(channel)
        self.syncs = SecretSyncServiceStub(channel)

    def set_up(self, sandbox: Sandbox) -> None:
        """Create project `shop` with two environments, and a sync of each into one set."""
        shop = "projects/shop"
        self.projects.CreateProject(projects.CreateProjectRequest(project_id="shop"))
        credentials = struct({"instanceUrl": sandbox.base_url, "apiKey": sandbox.api_key})
        connection = self.connections.CreateConnection(
            connections.CreateConnectionRequest(
                parent=shop,
                connection_id="octopus",
                connection=connections.Connection(
                    destination="destinations/octopus-deploy",
                    method="api-key",
                    credentials=credentials,
                ),
            )
        )
        for slug, scope in SCOPES.items():
            environment = self.projects.CreateEnvironment(
                projects.CreateEnvironmentRequest(parent=shop, environment_id=slug)
            )
            config = {
                "spaceId": "Spaces-1",
                "projectId": "Projects-1",
                "scopeValues": {"environments": [scope]},
            }
            self.syncs.CreateSecretSync(
                syncs.CreateSecretSyncRequest(
                    parent=shop,
                    secret_sync_id=slug,
                    secret_sync=syncs.SecretSync(
                        connection=connection.name,
                        source=syncs.SecretSource(environment=environment.name),
                        destination_config=struct(config),
                        sync_options=syncs.SyncOptions(
                            max_deletions=syncs.MaxDeletions(percent=100)
                        ),
                    ),
                )
            )

    def held(self, slug: str) -> dict[str, str]:
        """Return the secrets of an environment with their values."""
        request = secrets.ListSecretsRequest(
            parent=f"projects/shop/environments/{slug}", include_values=True, page_size=100
        )
        answer = self.secrets.ListSecrets(request, timeout=CALL_SECONDS)
        return {secret.key: secret.value for secret in answer.secrets}

    def runs(self, slug: str) -> list[syncs.SyncRun]:
        """Return all runs of a sync, newest first."""
        found: list[syncs.SyncRun] = []
        token = ""
        while True:
            request = syncs.ListSyncRunsRequest(
                parent=f"projects/shop/secretSyncs/{slug}", page_size=500, page_token=token
            )
            answer = self.syncs.ListSyncRuns(request, timeout=CALL_SECONDS)
            found += answer.sync_runs
            token = answer.next_page_token
            if not token:
                return found

    def quiet_runs(self, slug: str) -> list[syncs.SyncRun]:
        """Return all runs of a sync once every one has ended."""
        deadline = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < deadline:
            found = self.runs(slug)
            if all(run.state in ENDED for run in found):
                return found
            time.sleep(0.05)
        open_runs = [run for run in self.runs(slug) if run.state not in ENDED]
        raise AssertionError(f"not quiet within {QUIET_SECONDS} s: {open_runs}")

    def sync_now(self, slug: str) -> syncs.SyncRun:
        """Run a sync, and return its run when it has ended."""
        name = f"projects/shop/secretSyncs/{slug}"
        run = self.syncs.SyncSecrets(syncs.SyncSecretsRequest(name=name))
        self.quiet_runs(slug)
        return self.syncs.GetSyncRun(syncs.GetSyncRunRequest(name=run.name))


@dataclass
class Source:
    """What a client knows of one environment.

    Attributes:
        acknowledged: what the server has confirmed.
        asked: what it was asked for and has not answered: None unless a change is open.
        runs: names of the runs that the server said it has queued.
    """

    slug: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] | None = None
    runs: set[str] = field(default_factory=set)

    def change(self, client: Client, chance: random.Random) -> None:
        """Set some secrets or delete some; raises RpcError when the server dies."""
        parent = f"projects/shop/environments/{self.slug}"
        keys = chance.sample(KEYS, chance.randint(1, 4))
        present = [key for key in keys if key in self.acknowledged]
        # Of an empty source a guard would delete nothing.
        if 0 < len(present) < len(self.acknowledged) and chance.random() < 0.3:
            self.asked = {k: v for k, v in self.acknowledged.items() if k not in present}
            gone = secrets.DeleteSecretsRequest(parent=parent, keys=present)
            client.secrets.DeleteSecrets(gone, timeout=CALL_SECONDS)
        else:
            values = {key: f"{self.slug} {chance.getrandbits(64):x} \u00fc\n" for key in keys}
            self.asked = self.acknowledged | values
            items = [secrets.Secret(key=key, value=value) for key, value in values.items()]
            request = secrets.SetSecretsRequest(parent=parent, secrets=items)
            self.runs.update(client.secrets.SetSecrets(request, timeout=CALL_SECONDS).runs)
        self.acknowledged, self.asked = self.asked, None

    def settle(self, held: dict[str, str]) -> None:
        """Compare with what the server holds: all of an open change, or nothing of it."""
        assert held in [self.acknowledged, self.asked or self.acknowledged]
        self.acknowledged, self.asked = held, None


def change_until_killed(
    client: Client, server: Server, sources: Sequence[Source], chance: random.Random
) -> None:
    """Change secrets of all sources in turn, while the server is killed after a random time."""
    killer = threading.Timer(chance.uniform(0.0, 0.35), server.kill)
    killer.start()
    try:
        with contextlib.suppress(grpc.RpcError):
            while True:
                for source in sources:
                    source.change(client, chance)
                time.sleep(chance.uniform(0.0, 0.12))
    finally:
        killer.join()


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Client]:
    """Let a server begin, and connect to it."""
    with grpc.insecure_channel(server.begin()) as channel:
        yield Client(channel)


def struct(values: dict[str, Any]) -> Struct:
    """Return JSON-like values as a Struct."""
    message = Struct()
    message.update(values)
    return message
