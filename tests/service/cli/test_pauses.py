"""`secretsync pause` and `secretsync resume`, and where pauses show."""

import json

import pytest
from cli_kit import FakeServer, Run
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.pause_pb2 import Pause
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_PENDING,
    RUN_STATE_SUCCEEDED,
    ListPausesResponse,
    PauseSyncingRequest,
    ResumeSyncingRequest,
    RunStatus,
    SecretSync,
    SyncRun,
)

SYNC = "projects/shop/secretSyncs/dev"
CONNECTION = "projects/shop/connections/octopus"
SINCE = Timestamp(seconds=1_700_000_000)
TARGETS = pytest.mark.parametrize(
    ("words", "name", "told"),
    [
        (["sync", "dev"], SYNC, SYNC),
        (["sync", SYNC], SYNC, SYNC),
        (["connection", "octopus"], CONNECTION, CONNECTION),
        (["all"], "-", "everything"),
    ],
)


@TARGETS
def test_pause(server: FakeServer, run: Run, words: list[str], name: str, told: str) -> None:
    server.replies["PauseSyncing"] = Pause(name=name)
    result = run("pause", *words, "--reason", "incident 42", "--request-id", "r")
    assert (result.code, result.out) == (0, f"Paused {told}.\n")
    request: PauseSyncingRequest = server.only("PauseSyncing", PauseSyncingRequest)
    assert request == PauseSyncingRequest(name=name, reason="incident 42", request_id="r")


def test_pause_for_programs_and_as_a_dry_run(server: FakeServer, run: Run) -> None:
    server.replies["PauseSyncing"] = Pause(name="-", reason="incident", create_time=SINCE)
    result = run("pause", "all", "--dry-run", "--json")
    assert json.loads(result.out) == {
        "name": "-",
        "reason": "incident",
        "createTime": "2023-11-14T22:13:20Z",
    }
    assert "Dry run" in result.err
    assert server.only("PauseSyncing", PauseSyncingRequest).validate_only
    result = run("pause", "all", "--dry-run")
    assert result.out == ""


@TARGETS
def test_resume_tells_what_is_paused_still(
    server: FakeServer, run: Run, words: list[str], name: str, told: str
) -> None:
    left = [Pause(name="projects/a/connections/b", reason="moving", create_time=SINCE)]
    server.replies["GetSecretSync"] = SecretSync(pauses=left)
    server.replies["GetConnection"] = Connection(pauses=left)
    server.replies["ListPauses"] = ListPausesResponse(pauses=left)
    result = run("resume", *words)
    assert (result.code, result.out) == (0, f"Resumed {told}.\n")
    assert "Still paused: projects/a/connections/b, 2023-11-14 22:13:20" in result.err
    assert result.err.endswith(": moving\n")
    request: ResumeSyncingRequest = server.only("ResumeSyncing", ResumeSyncingRequest)
    assert request == ResumeSyncingRequest(name=name)


def test_resume_for_programs_and_as_a_dry_run(server: FakeServer, run: Run) -> None:
    server.replies["ResumeSyncing"] = Empty()
    result = run("resume", "all", "--dry-run", "--json")
    assert json.loads(result.out) == {}
    assert "Dry run" in result.err
    result = run("resume", "all", "--dry-run")
    assert result.out == ""
    assert server.methods == ["ResumeSyncing", "ResumeSyncing"]


def test_list(server: FakeServer, run: Run) -> None:
    assert run("pause", "list").out == "Nothing is paused.\n"
    server.replies["ListPauses"] = ListPausesResponse(
        pauses=[Pause(name="-", reason="incident", create_time=SINCE), Pause(name=SYNC)]
    )
    lines = run("pause", "list").out.splitlines()
    assert lines[0].split() == ["PAUSED", "SINCE", "REASON"]
    assert lines[1].startswith("everything ")
    assert lines[1].endswith(" incident")
    assert lines[2].startswith(SYNC)
    assert [each["name"] for each in json.loads(run("pause", "list", "--json").out)["pauses"]] == [
        "-",
        SYNC,
    ]


def test_pauses_show_with_the_sync_and_the_connection(server: FakeServer, run: Run) -> None:
    pauses = [Pause(name=SYNC, create_time=SINCE), Pause(name="-", reason="incident")]
    server.replies["GetSecretSync"] = SecretSync(name=SYNC, pauses=pauses)
    server.replies["GetConnection"] = Connection(name=CONNECTION, pauses=pauses[1:])
    shown = [line for line in run("sync", "get", "dev").out.splitlines() if "Paused" in line]
    assert len(shown) == 2
    assert SYNC in shown[0]
    assert shown[1].endswith("everything, -: incident")
    assert "everything, -: incident" in run("connection", "get", "octopus").out
    server.replies["GetSecretSync"] = SecretSync(name=SYNC)
    assert "Paused" not in run("sync", "get", "dev").out


@pytest.mark.parametrize("command", ["run", "remove"])
def test_nobody_waits_for_a_run_that_waits_for_a_resume(
    server: FakeServer, run: Run, command: str
) -> None:
    queued = SyncRun(name=f"{SYNC}/runs/r1", state=RUN_STATE_PENDING, message="waits until ...")
    server.replies["SyncSecrets"] = server.replies["RemoveSecrets"] = queued
    server.replies["GetSecretSync"] = SecretSync(
        name=SYNC, pauses=[Pause(name=CONNECTION), Pause(name="-")]
    )
    words = ["--yes"] if command == "remove" else []
    result = run("sync", command, "dev", *words)
    assert result.code == 4
    assert f"{queued.name} is queued and waits for a resume" in result.err
    assert f"{CONNECTION} and everything are paused" in result.err
    assert "reason: PAUSED" in result.err
    assert "GetSyncRun" not in server.methods
    assert run("sync", command, "dev", "--no-wait", *words).code == 0


def test_a_run_that_waits_for_something_else_is_waited_for(server: FakeServer, run: Run) -> None:
    queued = SyncRun(name=f"{SYNC}/runs/r1", state=RUN_STATE_PENDING, message="attempt 1 of 5 ...")
    server.replies["SyncSecrets"] = queued
    server.replies["GetSyncRun"] = SyncRun(name=queued.name, state=RUN_STATE_SUCCEEDED)
    assert run("sync", "run", "dev").code == 0


def test_the_first_run_of_a_paused_sync(server: FakeServer, run: Run) -> None:
    server.replies["UpdateSecretSync"] = SecretSync(
        name=SYNC,
        sync_status=RunStatus(state=RUN_STATE_PENDING, last_run=f"{SYNC}/runs/r1"),
        pauses=[Pause(name="-", reason="incident")],
    )
    result = run("sync", "update", "dev", "--enabled", "--wait")
    assert result.code == 4
    assert result.out == f"Updated {SYNC}.\n"
    assert "everything is paused" in result.err
