"""`sync watch`: a line for each change, going on by itself where a stream broke off."""

import json

import grpc
import pytest
from cli_kit import SYNCED, Failure, FakeServer, Run, Terminal, run_changed
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo

from secretsync.cli import streams
from secretsync.v1.error_reason_pb2 import ERROR_REASON_AUTHENTICATION_FAILED
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_ACTION_REMOVE,
    RUN_ACTION_SYNC,
    RUN_STATE_FAILED,
    RUN_STATE_RUNNING,
    RUN_STATE_SUCCEEDED,
    SYNC_CHANGE_DELETED,
    SYNC_CHANGE_KEEP_ALIVE,
    SYNC_CHANGE_PRESENT,
    SYNC_CHANGE_PROGRESS,
    SYNC_CHANGE_RUN,
    SYNC_CHANGE_UPDATED,
    SYNC_CONDITION_DISABLED,
    SYNC_CONDITION_PAUSED,
    RunProgress,
    RunStatus,
    SecretSync,
    SyncRun,
    WatchSecretSyncsRequest,
    WatchSecretSyncsResponse,
)

SYNC = "projects/shop/secretSyncs/dev"
NAME = f"{SYNC}/runs/0123456789abcdef"
NOON = Timestamp(seconds=1_700_049_600)
END = Failure(grpc.StatusCode.NOT_FOUND, "parent: projects/shop does not exist")
GONE = Failure(grpc.StatusCode.UNAVAILABLE, "shutting down")


def change(kind: int, cursor: str = "c", **fields: object) -> WatchSecretSyncsResponse:
    return WatchSecretSyncsResponse(
        change=kind,  # type: ignore[arg-type]
        cursor=cursor,
        name=SYNC,
        change_time=NOON,
        **fields,  # type: ignore[arg-type]
    )


def sync_run(state: int, **fields: object) -> SyncRun:
    return SyncRun(
        name=NAME,
        action=RUN_ACTION_SYNC,
        state=state,  # type: ignore[arg-type]
        attempt=1,
        max_attempts=5,
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.01)


def requests(server: FakeServer) -> list[tuple[str, str]]:
    sent = server.all("WatchSecretSyncs", WatchSecretSyncsRequest)
    return [(request.parent, request.cursor) for request in sent]


def test_each_change_is_a_line(server: FakeServer, run: Run) -> None:
    removed = sync_run(RUN_STATE_SUCCEEDED, message="2 deleted")
    removed.action = RUN_ACTION_REMOVE
    failed = sync_run(
        RUN_STATE_FAILED, message="no key", error_reason=ERROR_REASON_AUTHENTICATION_FAILED
    )
    progress = sync_run(RUN_STATE_RUNNING, progress=RunProgress(step="writing", done=1, total=2))
    paused = SecretSync(condition=SYNC_CONDITION_PAUSED)
    server.streams["WatchSecretSyncs"] = [
        [
            WatchSecretSyncsResponse(
                change=SYNC_CHANGE_PRESENT,
                cursor="p",
                name=SYNC,
                secret_sync=SecretSync(
                    condition=SYNC_CONDITION_DISABLED,
                    sync_status=RunStatus(
                        state=RUN_STATE_FAILED, last_run=NAME, message="no such key"
                    ),
                    remove_status=RunStatus(state=RUN_STATE_SUCCEEDED, last_run=NAME),
                ),
            ),
            change(SYNC_CHANGE_PRESENT, secret_sync=paused),
            SYNCED,
            change(SYNC_CHANGE_RUN, sync_run=sync_run(RUN_STATE_RUNNING)),
            change(SYNC_CHANGE_PROGRESS, sync_run=progress),
            change(SYNC_CHANGE_RUN, sync_run=failed),
            change(SYNC_CHANGE_RUN, sync_run=removed),
            WatchSecretSyncsResponse(change=SYNC_CHANGE_KEEP_ALIVE, cursor="k"),
            change(SYNC_CHANGE_UPDATED, secret_sync=paused),
            change(SYNC_CHANGE_UPDATED),
            change(SYNC_CHANGE_DELETED),
            END,
        ]
    ]
    result = run("sync", "watch")
    assert result.code == 3
    first, *lines = result.out.splitlines()
    assert first.endswith("  dev  disabled, last sync failed: no such key, last removal succeeded")
    assert lines == [
        "12:00:00  dev  paused, has not run yet",
        "12:00:00  dev  sync 01234567 running",
        "12:00:00  dev  sync 01234567 writing 1/2",
        "12:00:00  dev  sync 01234567 failed (AUTHENTICATION_FAILED): no key",
        "12:00:00  dev  remove 01234567 succeeded: 2 deleted",
        "12:00:00  dev  updated, paused",
        "12:00:00  dev  updated",
        "12:00:00  dev  deleted",
    ]
    assert "2 syncs; watching for changes." in result.err
    assert "parent: projects/shop does not exist" in result.err


@pytest.mark.parametrize(
    ("words", "parent", "shown"),
    [
        ([], "projects/shop", "  dev  "),
        (["dev"], SYNC, "  dev  "),
        ([SYNC], SYNC, "  dev  "),
        (["--all"], "projects/-", "  shop/dev  "),
    ],
)
def test_what_is_watched(
    server: FakeServer, run: Run, words: list[str], parent: str, shown: str
) -> None:
    server.streams["WatchSecretSyncs"] = [[change(SYNC_CHANGE_DELETED), END]]
    assert shown in run("sync", "watch", *words, "--cursor", "mine").out
    assert requests(server) == [(parent, "mine")]


def test_one_sync_or_all(server: FakeServer, run: Run) -> None:
    result = run("sync", "watch", "dev", "--all")
    assert (result.code, server.methods) == (2, [])
    assert "give a SYNC or --all, not both" in result.err


def test_as_json_each_line_is_a_message(server: FakeServer, run: Run) -> None:
    alive = WatchSecretSyncsResponse(change=SYNC_CHANGE_KEEP_ALIVE, cursor="k")
    server.streams["WatchSecretSyncs"] = [
        [SYNCED, run_changed(sync_run(RUN_STATE_RUNNING)), alive, END]
    ]
    result = run("sync", "watch", "--json")
    shown = [json.loads(line) for line in result.out.splitlines()]
    assert [(each["change"], each["cursor"]) for each in shown] == [
        ("SYNC_CHANGE_SYNCED", "start"),
        ("SYNC_CHANGE_RUN", "next"),
        ("SYNC_CHANGE_KEEP_ALIVE", "k"),
    ]
    assert shown[1]["syncRun"]["state"] == "RUN_STATE_RUNNING"
    assert json.loads(result.err)["error"]["status"] == "NOT_FOUND"


def test_it_goes_on_where_a_stream_broke_off(server: FakeServer, run: Run) -> None:
    crowded = Failure(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "full", [ErrorInfo(reason="TOO_MANY_WATCHERS")]
    )
    server.streams["WatchSecretSyncs"] = [
        [SYNCED, GONE],
        [GONE],
        [crowded],
        [change(SYNC_CHANGE_UPDATED, "mine"), GONE],
        [END],
    ]
    result = run("sync", "watch")
    assert [cursor for _, cursor in requests(server)] == ["", "start", "start", "start", "mine"]
    assert "is not available: shutting down; trying again in 0.01 s" in result.err
    assert "shutting down; trying again in 0.02 s" in result.err
    assert "full; trying again in 0.04 s" in result.err


def test_when_too_much_has_happened_meanwhile_it_begins_anew(server: FakeServer, run: Run) -> None:
    expired = Failure(grpc.StatusCode.OUT_OF_RANGE, "too old", [ErrorInfo(reason="CURSOR_EXPIRED")])
    server.streams["WatchSecretSyncs"] = [[SYNCED, GONE], [expired], [SYNCED, END]]
    result = run("sync", "watch")
    assert [cursor for _, cursor in requests(server)] == ["", "start", ""]
    assert "too old; going on with the present state" in result.err

    server.streams["WatchSecretSyncs"] = [[expired]]
    result = run("sync", "watch", "--cursor", "given")
    assert result.code == 2
    assert "reason: CURSOR_EXPIRED" in result.err


def test_a_server_that_was_never_there_is_not_waited_for(server: FakeServer, run: Run) -> None:
    server.streams["WatchSecretSyncs"] = [[GONE]]
    assert run("sync", "watch").code == 6
    assert len(requests(server)) == 1


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_how_to_go_on(server: FakeServer) -> None:
    server.streams["WatchSecretSyncs"] = [[SYNCED, change(SYNC_CHANGE_UPDATED, "here")]]
    with Terminal("sync", "watch", address=server.address) as terminal:
        terminal.expect("updated")
        terminal.interrupt()
        assert terminal.finish() == 130
        assert "To go on from here: --cursor here" in terminal.seen
