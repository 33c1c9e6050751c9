"""Runs: queued, waited for, shown."""

import json
import threading
import time

import grpc
import pytest
from cli_kit import SYNCED, Failure, FakeServer, Run, Terminal, run_changed, struct
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.cli import waiting
from secretsync.v1.error_reason_pb2 import (
    ERROR_REASON_AUTHENTICATION_FAILED,
    ERROR_REASON_CANCELLED,
    ERROR_REASON_DESTINATION_UNAVAILABLE,
    ERROR_REASON_KEYS_FAILED,
)
from secretsync.v1.secret_sync_service_pb2 import (
    ATTEMPT_OUTCOME_CUT_SHORT,
    ATTEMPT_OUTCOME_SUCCEEDED,
    KEY_ACTION_CREATED,
    KEY_ACTION_FAILED,
    KEY_ACTION_SKIPPED,
    KEY_ACTION_UNCHANGED,
    RUN_ACTION_REMOVE,
    RUN_ACTION_SYNC,
    RUN_STATE_FAILED,
    RUN_STATE_PARTIALLY_SUCCEEDED,
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    RUN_STATE_SUCCEEDED,
    RUN_TRIGGER_MANUAL,
    RUN_TRIGGER_SOURCE_CHANGE,
    CancelSyncRunRequest,
    GetSyncRunRequest,
    HttpRequest,
    ImportSecretsRequest,
    KeyCounts,
    KeyResult,
    ListSyncRunsRequest,
    ListSyncRunsResponse,
    RemoveSecretsRequest,
    RunAttempt,
    RunProgress,
    SecretSync,
    SyncRun,
    SyncSecretsRequest,
)

SYNC = "projects/shop/secretSyncs/dev"
NAME = f"{SYNC}/runs/r1"
RUNNING = SyncRun(name=NAME, state=RUN_STATE_RUNNING, attempt=1, max_attempts=5)
QUEUED = SyncRun(name=NAME, state=RUN_STATE_PENDING, action=RUN_ACTION_SYNC, max_attempts=5)
DONE = SyncRun(
    name=NAME,
    action=RUN_ACTION_SYNC,
    trigger=RUN_TRIGGER_MANUAL,
    state=RUN_STATE_SUCCEEDED,
    attempt=1,
    max_attempts=5,
    create_time=Timestamp(seconds=1_700_000_000),
    start_time=Timestamp(seconds=1_700_000_000, nanos=500_000_000),
    finish_time=Timestamp(seconds=1_700_000_125, nanos=500_000_000),
    counts=KeyCounts(created=1, unchanged=2, skipped=1),
    key_results=[
        KeyResult(key="A", destination_name="X_A", action=KEY_ACTION_CREATED),
        KeyResult(key="B", destination_name="X_B", action=KEY_ACTION_UNCHANGED),
        KeyResult(key="C", destination_name="X_C", action=KEY_ACTION_UNCHANGED),
        KeyResult(destination_name="X_D", action=KEY_ACTION_SKIPPED, reason="changed by others"),
    ],
    warnings=["X_D was left alone"],
    http_requests=[
        HttpRequest(
            method="GET",
            path="/api/variables",
            status_code=200,
            duration=Duration(nanos=35_000_000),
            response_bytes=2048,
        ),
        HttpRequest(
            method="PUT",
            path="/api/variables",
            duration=Duration(seconds=1, nanos=200_000_000),
            request_bytes=3_000_000,
            response_bytes=12,
        ),
    ],
)
FAILED = SyncRun(
    name=NAME,
    state=RUN_STATE_FAILED,
    message="the API key is not accepted",
    error_reason=ERROR_REASON_AUTHENTICATION_FAILED,
    attempt=1,
    max_attempts=5,
)


@pytest.fixture(autouse=True)
def _sync(server: FakeServer) -> None:
    server.replies["GetSecretSync"] = SecretSync(
        name=SYNC,
        destination="destinations/octopus-deploy",
        connection="projects/shop/connections/octopus",
        destination_config=struct({"spaceId": "Spaces-1", "limit": 5}),
    )
    server.replies["SyncSecrets"] = QUEUED
    server.replies["RemoveSecrets"] = QUEUED
    server.replies["GetSyncRun"] = DONE


def test_run_waits_and_shows_what_was_done(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = [QUEUED, DONE]
    server.streams["WatchSecretSyncs"] = [[SYNCED, run_changed(RUNNING), run_changed(DONE)]]
    result = run("sync", "run", "dev", "--request-id", "r")
    assert result.code == 0
    assert server.only("SyncSecrets", SyncSecretsRequest) == SyncSecretsRequest(
        name=SYNC, request_id="r"
    )
    assert [item.name for item in server.all("GetSyncRun", GetSyncRunRequest)] == [NAME, NAME]
    assert "State          succeeded" in result.out
    assert "Duration       2 min 5 s" in result.out
    assert "Keys           1 created, 2 unchanged, 1 skipped" in result.out
    assert "HTTP requests  2 in 1.2 s" in result.out
    lines = [line.split() for line in result.out.splitlines()]
    assert ["A", "X_A", "created"] in lines
    assert ["-", "X_D", "skipped", "changed", "by", "others"] in lines
    assert ["B", "X_B", "unchanged"] not in lines
    assert "2 unchanged (--all lists them)" in result.out
    assert "warning: X_D was left alone" in result.out
    assert ["GET", "/api/variables", "200", "35", "ms", "0", "B", "2.0", "KiB"] in lines
    assert ["PUT", "/api/variables", "none", "1.2", "s", "2.9", "MiB", "12", "B"] in lines


def test_all_lists_unchanged_keys_too(run: Run) -> None:
    out = run("sync", "run", "dev", "--all").out
    assert ["B", "X_B", "unchanged"] in [line.split() for line in out.splitlines()]
    assert "--all lists them" not in out


def test_a_run_as_json(run: Run) -> None:
    shown = json.loads(run("sync", "run", "dev", "--json").out)
    assert shown["counts"]["created"] == 1
    assert shown["keyResults"][1]["action"] == "KEY_ACTION_UNCHANGED"
    assert shown["httpRequests"][0]["duration"] == "0.035s"


def test_no_wait_only_queues(server: FakeServer, run: Run) -> None:
    assert run("sync", "run", "dev", "--no-wait").out == f"Queued {NAME}.\n"
    shown = json.loads(run("sync", "run", "dev", "--no-wait", "--json").out)
    assert shown["state"] == "RUN_STATE_PENDING"
    assert server.methods == ["SyncSecrets", "SyncSecrets"]


def test_a_dry_run_queues_nothing(server: FakeServer, run: Run) -> None:
    result = run("sync", "run", "dev", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert server.only("SyncSecrets", SyncSecretsRequest).validate_only
    assert server.methods == ["SyncSecrets"]


def test_a_failed_run_is_shown_and_fails(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = FAILED
    result = run("sync", "run", "dev")
    assert result.code == 1
    assert "Reason    AUTHENTICATION_FAILED" in result.out
    assert "Keys      no keys" in result.out
    assert "the run r1 failed: the API key is not accepted" in result.err
    assert "reason: AUTHENTICATION_FAILED" in result.err
    result = run("sync", "run", "dev", "--json")
    assert result.code == 1
    assert json.loads(result.out)["state"] == "RUN_STATE_FAILED"
    assert json.loads(result.err)["error"]["reason"] == "AUTHENTICATION_FAILED"


def test_the_wait_is_bounded(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = QUEUED
    result = run("sync", "run", "dev", "--timeout", "0.3")
    assert result.code == 7
    assert "did not end within 0.3 s" in result.err
    assert "the run goes on; see `secretsync run get dev/r1`" in result.err


def test_a_server_that_stays_away_ends_the_wait(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.3)
    server.streams["WatchSecretSyncs"] = [[Failure(grpc.StatusCode.UNAVAILABLE, "shutting down")]]
    result = run("sync", "run", "dev")
    assert result.code == 6
    assert "is not available: shutting down" in result.err


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_the_run_alone(server: FakeServer) -> None:
    polled = threading.Event()

    def reply(request: GetSyncRunRequest) -> SyncRun:
        polled.set()
        return SyncRun(
            name=request.name,
            state=RUN_STATE_RUNNING,
            attempt=2,
            max_attempts=5,
            progress=RunProgress(step="writing", done=3, total=200),
        )

    server.replies["GetSyncRun"] = reply
    with Terminal("sync", "run", "dev", address=server.address) as terminal:
        terminal.expect("writing 3/200, attempt 2 of 5")
        assert polled.is_set()
        terminal.interrupt()
        assert terminal.finish() == 130
        assert "the run goes on" in terminal.seen


def test_remove_asks_and_says_what_goes_where(server: FakeServer, run: Run) -> None:
    result = run("sync", "remove", "dev")
    assert result.code == 2
    assert "--yes" in result.err
    result = run("sync", "remove", "dev", typed="n\n")
    assert result.code == 130
    assert f"everything that {SYNC} wrote at octopus-deploy via octopus (" in result.err
    assert "spaceId=Spaces-1" in result.err
    assert "limit=5" in result.err
    assert "RemoveSecrets" not in server.methods
    assert run("sync", "remove", "dev", "--no-wait", typed="y\n").code == 0
    assert run("sync", "remove", "dev", "--yes").code == 0
    assert run("sync", "remove", "dev", "--dry-run").code == 0
    sent = server.all("RemoveSecrets", RemoveSecretsRequest)
    assert [item.validate_only for item in sent] == [False, False, True]


def test_import_shows_the_refusal(server: FakeServer, run: Run) -> None:
    server.replies["ImportSecrets"] = Failure(
        grpc.StatusCode.FAILED_PRECONDITION, "Octopus Deploy does not support importing secrets"
    )
    result = run("sync", "import", "dev")
    assert result.code == 4
    assert "does not support importing" in result.err
    assert server.only("ImportSecrets", ImportSecretsRequest).name == SYNC


def test_import_is_followed_like_any_run(server: FakeServer, run: Run) -> None:
    server.replies["ImportSecrets"] = QUEUED
    assert "succeeded" in run("sync", "import", "dev").out
    assert server.methods == ["ImportSecrets", "WatchSecretSyncs", "GetSyncRun"]


@pytest.mark.parametrize("name", ["dev/r1", NAME])
def test_get_names_a_run(server: FakeServer, run: Run, name: str) -> None:
    assert "succeeded" in run("run", "get", name).out
    assert server.only("GetSyncRun", GetSyncRunRequest).name == NAME


@pytest.mark.parametrize("name", ["dev", SYNC])
def test_get_takes_the_newest_run(server: FakeServer, run: Run, name: str) -> None:
    server.replies["ListSyncRuns"] = ListSyncRunsResponse(sync_runs=[QUEUED])
    assert run("run", "get", name).code == 0
    assert server.only("ListSyncRuns", ListSyncRunsRequest) == ListSyncRunsRequest(
        parent=SYNC, page_size=1
    )
    assert server.only("GetSyncRun", GetSyncRunRequest).name == NAME


def test_get_of_a_sync_that_never_ran(run: Run) -> None:
    result = run("run", "get", "dev")
    assert result.code == 3
    assert "has not run yet" in result.err


def test_get_waits(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = FAILED
    assert run("run", "get", "dev/r1").code == 0
    assert run("run", "get", "dev/r1", "--wait").code == 1
    server.replies["GetSyncRun"] = DONE
    assert run("run", "get", "dev/r1", "--wait").code == 0


def test_a_message_that_is_merely_the_counts_is_not_repeated(server: FakeServer, run: Run) -> None:
    told = SyncRun()
    told.CopyFrom(DONE)
    told.message = "1 created, 2 unchanged, 1 skipped"
    server.replies["GetSyncRun"] = told
    assert run("run", "get", "dev/r1").out.count(told.message) == 1


def test_a_waiting_run_says_what_it_waits_for(server: FakeServer, run: Run) -> None:
    waiting = SyncRun(
        name=NAME,
        state=RUN_STATE_PENDING,
        attempt=2,
        max_attempts=5,
        message="Octopus cannot be reached",
        error_reason=ERROR_REASON_DESTINATION_UNAVAILABLE,
        next_attempt_time=Timestamp(seconds=4_000_000_000),
    )
    server.replies["GetSyncRun"] = waiting
    out = run("run", "get", "dev/r1").out
    assert "pending, attempt 2 of 5, next in " in out
    assert "days: Octopus cannot be reached" in out
    assert "Duration" not in out


def test_a_running_run_says_how_far_it_is(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = [
        SyncRun(name=NAME, state=RUN_STATE_RUNNING, attempt=1, max_attempts=5),
        SyncRun(
            name=NAME, state=RUN_STATE_RUNNING, attempt=1, progress=RunProgress(step="reading")
        ),
    ]
    assert "State     running\n" in run("run", "get", "dev/r1").out
    assert "State     reading\n" in run("run", "get", "dev/r1").out


def test_list(server: FakeServer, run: Run) -> None:
    removal = SyncRun(
        name=f"{SYNC}/runs/r2",
        action=RUN_ACTION_REMOVE,
        trigger=RUN_TRIGGER_SOURCE_CHANGE,
        state=RUN_STATE_PENDING,
    )
    removal.state = 77  # type: ignore[assignment] # from a newer server
    server.replies["ListSyncRuns"] = ListSyncRunsResponse(sync_runs=[removal, DONE])
    lines = [line.split() for line in run("run", "list", "dev", "--limit", "2").out.splitlines()]
    assert lines[1] == ["dev/r2", "remove", "source-change", "77", "-", "-", "no", "keys"]
    assert lines[2][:6] == ["dev/r1", "sync", "manual", "succeeded", "2023-11-14", "22:13:20"]
    assert server.only("ListSyncRuns", ListSyncRunsRequest).page_size == 2
    server.replies["ListSyncRuns"] = ListSyncRunsResponse(sync_runs=[DONE])
    assert json.loads(run("run", "list", "dev", "--json").out)["syncRuns"][0]["name"] == NAME


CANCELLED = SyncRun(
    name=NAME,
    state=RUN_STATE_FAILED,
    message="cancelled while it waited",
    error_reason=ERROR_REASON_CANCELLED,
    cancel_requested=True,
)
STOPPING = SyncRun(name=NAME, state=RUN_STATE_RUNNING, cancel_requested=True)


@pytest.mark.parametrize("name", ["dev/r1", NAME])
def test_cancel_waits_until_the_run_has_stopped(server: FakeServer, run: Run, name: str) -> None:
    server.replies["CancelSyncRun"] = STOPPING
    server.replies["GetSyncRun"] = [STOPPING, CANCELLED]
    server.streams["WatchSecretSyncs"] = [[SYNCED, run_changed(CANCELLED)]]
    result = run("run", "cancel", name, "--request-id", "r")
    assert (result.code, result.out) == (0, f"{NAME}: cancelled while it waited.\n")
    sent = server.only("CancelSyncRun", CancelSyncRunRequest)
    assert sent == CancelSyncRunRequest(name=NAME, request_id="r")
    assert server.methods == ["CancelSyncRun", "WatchSecretSyncs", "GetSyncRun", "GetSyncRun"]


def test_cancel_need_not_wait(server: FakeServer, run: Run) -> None:
    server.replies["CancelSyncRun"] = STOPPING
    result = run("run", "cancel", "dev/r1", "--no-wait")
    assert (result.code, result.out) == (0, f"{NAME}: is being cancelled.\n")
    shown = json.loads(run("run", "cancel", "dev/r1", "--no-wait", "--json").out)
    assert (shown["state"], shown["cancelRequested"]) == ("RUN_STATE_RUNNING", True)
    server.replies["GetSyncRun"] = CANCELLED
    shown = json.loads(run("run", "cancel", "dev/r1", "--json").out)
    assert shown["errorReason"] == "ERROR_REASON_CANCELLED"


def test_cancel_as_a_dry_run(server: FakeServer, run: Run) -> None:
    server.replies["CancelSyncRun"] = CANCELLED
    result = run("run", "cancel", "dev/r1", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert server.only("CancelSyncRun", CancelSyncRunRequest).validate_only
    assert server.methods == ["CancelSyncRun"]


def test_cancel_needs_to_know_which(server: FakeServer, run: Run) -> None:
    result = run("run", "cancel", "dev")
    assert result.code == 2
    assert f"which run of {SYNC}? none was given" in result.err
    assert "`secretsync run list dev` shows them" in result.err
    assert server.methods == []


def test_cancel_of_a_run_that_has_ended(server: FakeServer, run: Run) -> None:
    server.replies["CancelSyncRun"] = Failure(
        grpc.StatusCode.FAILED_PRECONDITION, "has succeeded already"
    )
    result = run("run", "cancel", "dev/r1")
    assert result.code == 4
    assert "has succeeded already" in result.err


def test_a_run_that_is_being_cancelled_says_so(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = STOPPING
    assert "State     running, being cancelled\n" in run("run", "get", "dev/r1").out


def test_list_with_filters(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncRuns"] = ListSyncRunsResponse()
    words = ["--state", "failed", "--state", "pending", "--trigger", "source-change"]
    times = ["--since", "2026-03-01T12:00:00+01:00", "--until", "2026-03-02T00:00:00Z"]
    result = run("run", "list", "dev", *words, *times)
    assert (result.code, result.out) == (0, "No run matches.\n")
    assert server.only("ListSyncRuns", ListSyncRunsRequest) == ListSyncRunsRequest(
        parent=SYNC,
        page_size=1000,
        states=[RUN_STATE_FAILED, RUN_STATE_PENDING],
        triggers=[RUN_TRIGGER_SOURCE_CHANGE],
        start_create_time=Timestamp(seconds=1_772_362_800),
        end_create_time=Timestamp(seconds=1_772_409_600),
    )
    assert "The sync has not run yet" in run("run", "list", "dev").out


@pytest.mark.parametrize(
    ("age", "seconds"), [("30s", 30), ("90m", 5400), ("12h", 43_200), ("7d", 604_800)]
)
def test_list_of_the_last_time(server: FakeServer, run: Run, age: str, seconds: int) -> None:
    server.replies["ListSyncRuns"] = ListSyncRunsResponse()
    before = time.time()
    assert run("run", "list", "dev", "--since", age).code == 0
    since = server.only("ListSyncRuns", ListSyncRunsRequest).start_create_time
    assert before - seconds - 1 <= since.seconds <= time.time() - seconds


@pytest.mark.parametrize("text", ["yesterday", "", "7w", "999999999d", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none(server: FakeServer, run: Run, text: str) -> None:
    result = run("run", "list", "dev", "--since", text)
    assert result.code == 2
    assert "is no time: write it like 2026-03-01T12:00:00Z" in result.err
    assert server.methods == []


def test_waiting_for_a_run_that_succeeds_in_part_is_no_success(
    server: FakeServer, run: Run
) -> None:
    server.replies["GetSyncRun"] = SyncRun(
        name=NAME,
        state=RUN_STATE_PARTIALLY_SUCCEEDED,
        message="1 failed: X_B: too long",
        error_reason=ERROR_REASON_KEYS_FAILED,
        attempt=5,
        max_attempts=5,
        counts=KeyCounts(created=1, failed=1),
        key_results=[
            KeyResult(key="B", destination_name="X_B", action=KEY_ACTION_FAILED, reason="too long")
        ],
    )
    result = run("sync", "run", "dev")
    assert result.code == 1
    assert "partially-succeeded" in result.out
    assert "1 created, 1 failed" in result.out
    assert "B    X_B                  failed  too long" in result.out
    assert "the run r1 succeeded in part only: 1 failed: X_B: too long" in result.err
    assert "KEYS_FAILED" in result.err


def attempt(number: int, outcome: int, **fields: object) -> RunAttempt:
    return RunAttempt(
        number=number,
        outcome=outcome,  # type: ignore[arg-type]
        start_time=Timestamp(seconds=1_700_000_000),
        finish_time=Timestamp(seconds=1_700_000_002),
        **fields,  # type: ignore[arg-type]
    )


def test_get_shows_the_attempts_if_there_was_trouble(server: FakeServer, run: Run) -> None:
    tried_again = SyncRun()
    tried_again.CopyFrom(DONE)
    tried_again.MergeFrom(
        SyncRun(
            attempts=[
                attempt(3, ATTEMPT_OUTCOME_CUT_SHORT, message="cut short by a restart"),
                attempt(
                    4,
                    ATTEMPT_OUTCOME_SUCCEEDED,
                    http_request_count=2,
                    request_bytes=3_000_000,
                    response_bytes=2060,
                ),
                RunAttempt(number=5),
            ],
            http_request_count=9,
            request_bytes=3_000_100,
            response_bytes=4096,
        )
    )
    server.replies["GetSyncRun"] = tried_again
    lines = run("run", "get", "dev/r1").out.splitlines()
    [head] = [number for number, line in enumerate(lines) if line.startswith("ATTEMPT ")]
    cut, good, present, older, total = lines[head + 1 : head + 6]
    assert cut.split()[0] == "3"
    assert "cut-short" in cut
    assert cut.endswith("cut short by a restart")
    assert "2.9 MiB" in good
    assert "2.0 KiB" in good
    assert "under way" in present
    assert older == "2 older attempts are not kept"
    assert total == "in all: 9 requests, 2.9 MiB sent, 4.0 KiB received"
    tried_again.http_request_count = 1
    server.replies["GetSyncRun"] = tried_again
    assert "\nin all: 1 request, " in run("run", "get", "dev/r1").out


def test_get_says_nothing_of_a_single_attempt_that_went_well(server: FakeServer, run: Run) -> None:
    plain = SyncRun()
    plain.CopyFrom(DONE)
    plain.attempts.append(attempt(1, ATTEMPT_OUTCOME_SUCCEEDED))
    server.replies["GetSyncRun"] = plain
    assert "ATTEMPT " not in run("run", "get", "dev/r1").out
