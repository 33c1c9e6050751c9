"""`secretsync sync get`, `clean-up` and `forget-place`: what a sync has left behind."""

import json

import grpc
import pytest
from cli_kit import Failure, FakeServer, Run, struct
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.error_reason_pb2 import ErrorReason
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_ACTION_CLEAN_UP,
    RUN_STATE_FAILED,
    RUN_STATE_PENDING,
    RUN_STATE_SUCCEEDED,
    CleanUpSecretSyncRequest,
    CleanUpSecretSyncResponse,
    ForgetFormerPlaceRequest,
    FormerPlace,
    GetSyncRunRequest,
    KeyCounts,
    SecretSync,
    SyncRun,
)

NAME = "projects/shop/secretSyncs/dev"
PLACE = f"{NAME}/formerPlaces/0a1b"
PRESENT = SecretSync(
    name=NAME,
    former_places=[
        FormerPlace(
            name=PLACE,
            destination="destinations/octopus-deploy",
            connection="projects/shop/connections/octopus",
            destination_config=struct({"spaceId": "Spaces-1", "projectId": "Projects-1"}),
            leave_time=Timestamp(seconds=1_700_000_000),
            name_count=3,
            destination_names=["DB", "KEY"],
            message="the key is gone",
        )
    ],
)


@pytest.fixture(autouse=True)
def _runs(server: FakeServer) -> None:
    server.replies["GetSecretSync"] = server.replies["ForgetFormerPlace"] = PRESENT
    queued = [run_of(number, RUN_STATE_PENDING) for number in (1, 2)]
    server.replies["CleanUpSecretSync"] = CleanUpSecretSyncResponse(sync_runs=queued)
    server.replies["GetSyncRun"] = ended


def run_of(number: int, state: int) -> SyncRun:
    return SyncRun(name=f"{NAME}/runs/r{number}", action=RUN_ACTION_CLEAN_UP, state=state)  # type: ignore[arg-type]


def ended(request: GetSyncRunRequest) -> SyncRun:
    """Return the second run as failed, and the first as succeeded."""
    if request.name.endswith("r1"):
        return SyncRun(
            name=request.name, action=RUN_ACTION_CLEAN_UP, state=RUN_STATE_SUCCEEDED,
            counts=KeyCounts(deleted=2),
        )  # fmt: skip
    return SyncRun(
        name=request.name, action=RUN_ACTION_CLEAN_UP, state=RUN_STATE_FAILED,
        message="the key is gone", error_reason=ErrorReason.ERROR_REASON_AUTHENTICATION_FAILED,
    )  # fmt: skip


def test_nobody_waits_for_a_clean_up_that_a_pause_holds(server: FakeServer, run: Run) -> None:
    held = run_of(1, RUN_STATE_PENDING)
    held.message = "waits until projects/shop/connections/octopus is resumed"
    server.replies["CleanUpSecretSync"] = CleanUpSecretSyncResponse(sync_runs=[held])
    moved = SecretSync()
    moved.CopyFrom(PRESENT)
    moved.former_places[0].last_run = held.name
    # The connection that it uses now does not concern what it has left.
    moved.pauses.add(name="projects/shop/connections/new")
    server.replies["GetSecretSync"] = moved
    old = Connection(name="projects/shop/connections/octopus")
    old.pauses.add(name=old.name)
    server.replies["GetConnection"] = old
    result = run("sync", "clean-up", "dev")
    assert result.code == 4
    told = f"{held.name} is queued and waits for a resume: {old.name} is paused"
    assert told in result.err
    moved.pauses.add(name=NAME)
    del old.pauses[:]
    assert f"waits for a resume: {NAME} is paused" in run("sync", "clean-up", "dev").err


def test_get_lists_them(server: FakeServer, run: Run) -> None:
    out = run("sync", "get", "dev").out
    row = out.splitlines()[-1]
    assert row.startswith("dev/0a1b ")
    assert "octopus-deploy via octopus (projectId=Projects-1, spaceId=Spaces-1)" in row
    assert "DB, KEY and 1 more" in row
    assert "2023-11-14 22:13:20" in row
    assert row.endswith("the key is gone")
    [place] = json.loads(run("sync", "get", "dev", "--json").out)["formerPlaces"]
    assert place["name"] == PLACE
    server.replies["GetSecretSync"] = SecretSync(name=NAME)
    assert "FORMER PLACE" not in run("sync", "get", "dev").out


def test_clean_up_waits_for_all_and_fails_if_one_did(server: FakeServer, run: Run) -> None:
    result = run("sync", "clean-up", "dev", "--request-id", "r")
    assert result.code == 1
    assert server.only("CleanUpSecretSync", CleanUpSecretSyncRequest) == CleanUpSecretSyncRequest(
        name=NAME, request_id="r"
    )
    assert "2 deleted" in result.out
    assert "clean-up" in result.out
    assert "reason: AUTHENTICATION_FAILED" in result.err


def test_clean_up_without_waiting(server: FakeServer, run: Run) -> None:
    result = run("sync", "clean-up", "dev", "--no-wait")
    assert (result.code, result.out) == (0, f"Queued {NAME}/runs/r1.\nQueued {NAME}/runs/r2.\n")
    assert "GetSyncRun" not in [method for method, _ in server.requests]
    told = json.loads(run("sync", "clean-up", "dev", "--no-wait", "--json").out)
    assert [each["name"] for each in told["syncRuns"]] == [f"{NAME}/runs/r1", f"{NAME}/runs/r2"]


def test_clean_up_of_nothing_and_for_show(server: FakeServer, run: Run) -> None:
    result = run("sync", "clean-up", "dev", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert "nothing was changed" in result.err
    server.replies["CleanUpSecretSync"] = CleanUpSecretSyncResponse()
    assert run("sync", "clean-up", "dev").out == f"{NAME} has no former places.\n"


@pytest.mark.parametrize("given", ["dev/0a1b", PLACE])
def test_forget(server: FakeServer, run: Run, given: str) -> None:
    result = run("sync", "forget-place", given, "--leave-secrets-behind")
    assert (result.code, result.out) == (0, "Forgot dev/0a1b.\n")
    assert server.only("ForgetFormerPlace", ForgetFormerPlaceRequest) == ForgetFormerPlaceRequest(
        name=PLACE, leave_secrets_behind=True
    )
    told = json.loads(run("sync", "forget-place", given, "--dry-run", "--json").out)
    assert told["name"] == NAME


def test_forget_says_what_is_wrong(server: FakeServer, run: Run) -> None:
    server.replies["ForgetFormerPlace"] = Failure(
        grpc.StatusCode.FAILED_PRECONDITION, "3 secret(s) may still be there"
    )
    result = run("sync", "forget-place", "dev/0a1b")
    assert result.code == 4
    assert "3 secret(s) may still be there" in result.err
    for nonsense in ("dev", "a/b/c", ""):
        result = run("sync", "forget-place", nonsense)
        assert result.code == 2
        assert "formerPlaces" in result.err
