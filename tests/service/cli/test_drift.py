"""`secretsync sync`: drift."""

import json
import time

import grpc
import pytest
from cli_kit import OCTOPUS, Failure, FakeServer, Run
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.pause_pb2 import Pause
from secretsync.v1.secret_sync_service_pb2 import (
    DRIFT_POLICY_DETECT,
    DRIFT_POLICY_OFF,
    DRIFT_POLICY_REPAIR,
    KEY_STATE_DRIFTED,
    RUN_STATE_FAILED,
    RUN_STATE_PENDING,
    RUN_STATE_SUCCEEDED,
    CheckDriftRequest,
    CreateSecretSyncRequest,
    Drift,
    ListSyncKeysRequest,
    ListSyncKeysResponse,
    RunStatus,
    SecretSync,
    SyncKey,
    SyncOptions,
    SyncRun,
    UpdateSecretSyncRequest,
)

NAME = "projects/shop/secretSyncs/dev"
RUN = SyncRun(name=f"{NAME}/runs/r1", state=RUN_STATE_SUCCEEDED, message="1 drifted: A")
GONE = SyncKey(key="A", destination_name="A", state=KEY_STATE_DRIFTED, reason="it is gone")


@pytest.fixture(autouse=True)
def _runs(server: FakeServer) -> None:
    server.replies["GetConnection"] = Connection(destination="destinations/octopus-deploy")
    server.replies["GetDestination"] = OCTOPUS
    server.replies["CheckDrift"] = RUN
    server.replies["GetSyncRun"] = RUN


def test_a_check_tells_what_has_drifted(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncKeys"] = ListSyncKeysResponse(sync_keys=[GONE])
    result = run("sync", "check-drift", "dev")
    assert result.code == 2
    assert f"{RUN.name}: 1 drifted: A" in result.out
    assert "it is gone" in result.out
    assert server.only("CheckDrift", CheckDriftRequest).name == NAME
    request = server.only("ListSyncKeys", ListSyncKeysRequest)
    assert (request.parent, list(request.states)) == (NAME, [KEY_STATE_DRIFTED])


def test_without_drift_the_exit_code_is_0(run: Run) -> None:
    assert run("sync", "check-drift", "dev").code == 0


def test_programs_get_the_run_and_the_keys(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncKeys"] = ListSyncKeysResponse(sync_keys=[GONE])
    result = run("--json", "sync", "check-drift", "dev")
    told = json.loads(result.out)
    assert (told["syncRun"]["name"], told["syncKeys"][0]["reason"]) == (RUN.name, "it is gone")


@pytest.mark.parametrize(("seconds", "code"), [(5, 0), (1800, 1)])
def test_a_retry_that_waits_is_waited_for_unless_that_takes_too_long(
    server: FakeServer, run: Run, seconds: int, code: int
) -> None:
    due = Timestamp(seconds=int(time.time()) + seconds)
    retry = SyncRun(name=RUN.name, state=RUN_STATE_PENDING, next_attempt_time=due)
    server.replies["CheckDrift"] = retry
    result = run("sync", "check-drift", "dev")
    assert result.code == code
    assert (f"{RUN.name} waits for its time" in result.err) is (code == 1)


def test_nobody_waits_for_a_check_that_a_pause_holds(server: FakeServer, run: Run) -> None:
    held = SyncRun(name=RUN.name, state=RUN_STATE_PENDING, message="waits until everything is")
    server.replies["CheckDrift"] = held
    server.replies["GetSecretSync"] = SecretSync(name=NAME, pauses=[Pause(name="-")])
    result = run("sync", "check-drift", "dev")
    assert result.code == 1
    assert f"{RUN.name} is queued and waits for a resume: everything is paused" in result.err


def test_a_check_that_cannot_be_made_fails(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = SyncRun(name=RUN.name, state=RUN_STATE_FAILED, message="No.")
    result = run("sync", "check-drift", "dev")
    assert result.code == 1
    server.replies["CheckDrift"] = Failure(grpc.StatusCode.NOT_FOUND, "not found")
    assert run("sync", "check-drift", "dev").code == 1
    assert run("sync", "check-drift").code == 1


def test_the_policy_is_set_with_its_interval(server: FakeServer, run: Run) -> None:
    result = run(
        "sync", "create", "dev", "--connection", "octopus", "-e", "dev",
        "--drift-policy", "detect", "--drift-interval", "1d12h",
    )  # fmt: skip
    assert result.code == 0
    options = server.only("CreateSecretSync", CreateSecretSyncRequest).secret_sync.sync_options
    assert options == SyncOptions(
        drift_policy=DRIFT_POLICY_DETECT, drift_interval=Duration(seconds=129600)
    )
    assert run("sync", "update", "dev", "--drift-policy", "off").code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert request.update_mask.paths == ["sync_options.drift_policy"]
    assert request.secret_sync.sync_options.drift_policy == DRIFT_POLICY_OFF
    refused = run("sync", "update", "dev", "--drift-interval", "soon")
    assert "is no length of time" in refused.err


@pytest.mark.parametrize(
    ("options", "drift", "policy", "told"),
    [
        (None, None, "off", ["none known"]),
        (
            SyncOptions(drift_policy=DRIFT_POLICY_DETECT, drift_interval=Duration(seconds=5400)),
            Drift(
                drifted_key_count=2,
                start_time=Timestamp(seconds=1772368200),
                last_check=RunStatus(
                    state=RUN_STATE_FAILED, last_run="r", message="No.",
                    finish_time=Timestamp(seconds=1772368200),
                ),
                next_check_time=Timestamp(seconds=1772371800),
            ),
            "detect every 1 hour 30 minutes",
            ["2 keys since 2026-03-01", "last check failed 2026-03-01", ": No.", "next look"],
        ),
        (
            SyncOptions(drift_policy=DRIFT_POLICY_REPAIR, drift_interval=Duration(seconds=3600)),
            Drift(
                last_check=RunStatus(
                    state=RUN_STATE_FAILED, last_run="r", finish_time=Timestamp(seconds=1772368200)
                ),
                next_check_time=Timestamp(seconds=1772371800),
            ),
            "repair every 1 hour",
            ["none known; next look 2026-03-01", ", by a sync run"],
        ),
        (
            SyncOptions(drift_policy=DRIFT_POLICY_OFF),
            Drift(drifted_key_count=1, last_check=RunStatus(last_run="r")),
            "off",
            ["1 key since -", "last check -"],
        ),
    ],
)  # fmt: skip
def test_get_shows_it(
    server: FakeServer,
    run: Run,
    options: SyncOptions | None,
    drift: Drift | None,
    policy: str,
    told: list[str],
) -> None:
    server.replies["GetSecretSync"] = SecretSync(name=NAME, sync_options=options, drift=drift)
    lines = run("sync", "get", "dev").out.splitlines()
    [shown] = [line for line in lines if line.startswith("Drift policy ")]
    assert shown.removeprefix("Drift policy").strip() == policy
    [shown] = [line for line in lines if line.startswith("Drift  ")]
    for part in told:
        assert part in shown
