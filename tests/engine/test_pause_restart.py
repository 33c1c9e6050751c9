"""A server that is killed while everything is paused writes nothing when it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_kit import Client, Server, connected

from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

DEV = "projects/shop/environments/dev"
SET = "variableset-Projects-1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox() as started:
        yield started


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on one data directory; the second begins after the first."""
    made = [Server(tmp_path / "data", tmp_path / f"log-{number}.txt") for number in range(2)]
    yield made
    for server in made:
        server.kill()


def waiting(client: Client) -> list[syncs.SyncRun]:
    return [run for run in client.runs("dev") if run.state == syncs.RUN_STATE_PENDING]


def test_kill_9_ends_no_pause(sandbox: Sandbox, servers: list[Server]) -> None:
    first, second = servers
    with connected(first) as client:
        client.set_up(sandbox)
        client.quiet_runs("dev")
        client.quiet_runs("prod")
        paused = client.syncs.PauseSyncing(syncs.PauseSyncingRequest(name="-", reason="incident"))
        held = sandbox.inspect(SET)
        items = [secrets.Secret(key="Paused.Key", value="value")]
        client.secrets.SetSecrets(secrets.SetSecretsRequest(parent=DEV, secrets=items))
        [run] = waiting(client)
        first.kill()
    with connected(second) as client:
        assert list(client.syncs.ListPauses(syncs.ListPausesRequest()).pauses) == [paused]
        assert waiting(client) == [run]
        assert sandbox.inspect(SET) == held
        client.syncs.ResumeSyncing(syncs.ResumeSyncingRequest(name="-"))
        done = {each.name: each for each in client.quiet_runs("dev")}[run.name]
        assert (done.state, done.attempt) == (syncs.RUN_STATE_SUCCEEDED, 1)
        rows = {row["Name"]: row["Value"] for row in sandbox.inspect(SET)["Variables"]}
        assert rows["Paused.Key"] == "value"
