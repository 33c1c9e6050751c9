"""Waiting for a run in the stream of what happens to its sync, whatever becomes of the stream."""

import grpc
import pytest
from cli_kit import SYNCED, Failure, FakeServer, Run, Terminal, run_changed
from google.rpc.error_details_pb2 import ErrorInfo

from secretsync.cli import streams
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    RUN_STATE_SUCCEEDED,
    SYNC_CHANGE_DELETED,
    SYNC_CHANGE_PRESENT,
    GetSyncRunRequest,
    RunProgress,
    SyncRun,
    WatchSecretSyncsRequest,
    WatchSecretSyncsResponse,
)

SYNC = "projects/shop/secretSyncs/dev"
NAME = f"{SYNC}/runs/r1"
QUEUED = SyncRun(name=NAME, state=RUN_STATE_PENDING, max_attempts=5)
RUNNING = SyncRun(name=NAME, state=RUN_STATE_RUNNING, attempt=1, max_attempts=5)
DONE = SyncRun(name=NAME, state=RUN_STATE_SUCCEEDED)
GONE = Failure(grpc.StatusCode.UNAVAILABLE, "shutting down")
WAIT = ("run", "get", "dev/r1", "--wait")


def refusal(code: grpc.StatusCode, reason: str) -> Failure:
    return Failure(code, "refused", [ErrorInfo(reason=reason, domain="secretsync")])


@pytest.fixture(autouse=True)
def _impatient(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.01)
    server.replies["GetSyncRun"] = [QUEUED, DONE]


def cursors(server: FakeServer) -> list[str]:
    sent = server.all("WatchSecretSyncs", WatchSecretSyncsRequest)
    assert {request.parent for request in sent} == {SYNC}
    return [request.cursor for request in sent]


def test_a_stream_that_breaks_off_is_gone_on_with(server: FakeServer, run: Run) -> None:
    present = WatchSecretSyncsResponse(change=SYNC_CHANGE_PRESENT, cursor="first", name=SYNC)
    server.streams["WatchSecretSyncs"] = [
        [present, GONE],
        [GONE],
        [SYNCED, run_changed(RUNNING, "second"), GONE],
        [run_changed(DONE, "third")],
    ]
    assert run(*WAIT).code == 0
    assert cursors(server) == ["", "first", "first", "second"]
    assert len(server.all("GetSyncRun", GetSyncRunRequest)) == 2


def test_an_expired_cursor_begins_anew(server: FakeServer, run: Run) -> None:
    expired = refusal(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
    server.streams["WatchSecretSyncs"] = [[SYNCED, GONE], [expired], [SYNCED]]
    assert run(*WAIT).code == 0
    assert cursors(server) == ["", "start", ""]


def test_one_watcher_too_many_asks_now_and_then(server: FakeServer, run: Run) -> None:
    crowded = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS")
    server.replies["GetSyncRun"] = [QUEUED, RUNNING, DONE]
    server.streams["WatchSecretSyncs"] = [[crowded]]
    assert run(*WAIT).code == 0
    assert server.methods == ["WatchSecretSyncs", "GetSyncRun"] * 3


def test_a_server_that_goes_away_while_it_is_asked_is_waited_for(
    server: FakeServer, run: Run
) -> None:
    crowded = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS")
    server.replies["GetSyncRun"] = [GONE, DONE]
    server.streams["WatchSecretSyncs"] = [[crowded]]
    assert run(*WAIT).code == 0
    assert server.methods == ["WatchSecretSyncs", "GetSyncRun"] * 2


def test_other_runs_of_the_sync_do_not_matter(server: FakeServer, run: Run) -> None:
    other = SyncRun(name=f"{SYNC}/runs/r2", state=RUN_STATE_SUCCEEDED)
    server.streams["WatchSecretSyncs"] = [[SYNCED, run_changed(other), run_changed(DONE)]]
    assert run(*WAIT).code == 0
    assert len(server.all("GetSyncRun", GetSyncRunRequest)) == 2


def test_a_run_that_waits_for_somebody_is_at_rest(server: FakeServer, run: Run) -> None:
    """Whatever a newer server calls the state."""
    waiting = SyncRun(name=NAME)
    waiting.state = 99  # type: ignore[assignment]
    server.replies["GetSyncRun"] = [QUEUED, waiting]
    server.streams["WatchSecretSyncs"] = [[SYNCED, run_changed(RUNNING), run_changed(waiting)]]
    result = run(*WAIT)
    assert "99" in result.out


def test_a_sync_that_is_deleted_meanwhile_ends_the_wait(server: FakeServer, run: Run) -> None:
    deleted = WatchSecretSyncsResponse(change=SYNC_CHANGE_DELETED, cursor="x", name=SYNC)
    missing = Failure(grpc.StatusCode.NOT_FOUND, f"{SYNC} does not exist")
    server.streams["WatchSecretSyncs"] = [[SYNCED, deleted, missing]]
    result = run(*WAIT)
    assert result.code == 3
    assert "does not exist" in result.err


def test_the_time_limit_holds_while_the_server_is_away(server: FakeServer, run: Run) -> None:
    server.streams["WatchSecretSyncs"] = [[SYNCED, GONE], [GONE]]
    result = run(*WAIT, "--timeout", "0.5")
    assert result.code == 7
    assert "did not end within 0.5 s" in result.err


@pytest.mark.usefixtures("interruptible")
def test_progress_is_shown_as_it_comes(server: FakeServer) -> None:
    progress = SyncRun(name=NAME, state=RUN_STATE_RUNNING, attempt=1, max_attempts=5)
    progress.progress.CopyFrom(RunProgress(step="writing", done=3, total=200))
    server.streams["WatchSecretSyncs"] = [[SYNCED, run_changed(progress)]]
    with Terminal(*WAIT, address=server.address) as terminal:
        terminal.expect("writing 3/200")
        terminal.interrupt()
        assert terminal.finish() == 130
