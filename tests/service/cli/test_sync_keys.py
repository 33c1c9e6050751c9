"""`secretsync sync keys`, and what `sync get` says of keys."""

import json

from cli_kit import FakeServer, Run
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.secret_sync_service_pb2 import (
    KEY_STATE_DRIFTED,
    KEY_STATE_FAILED,
    KEY_STATE_SYNCED,
    KeyStateCounts,
    ListSyncKeysRequest,
    ListSyncKeysResponse,
    SecretSync,
    SyncKey,
)

NAME = "projects/shop/secretSyncs/dev"
KEYS = [
    SyncKey(
        key="A",
        destination_name="X_A",
        state=KEY_STATE_SYNCED,
        state_time=Timestamp(seconds=1772368200),
        change_time=Timestamp(seconds=1772371800),
        last_run=f"{NAME}/runs/r1",
    ),
    SyncKey(key="B", destination_name="X_B", state=KEY_STATE_DRIFTED, reason="it is gone"),
]


def test_keys_are_listed_with_their_states(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncKeys"] = ListSyncKeysResponse(sync_keys=KEYS)
    header, first, second = run("sync", "keys", "dev").out.splitlines()
    assert header.split("  ")[0] == "KEY"
    assert first.split()[:3] == ["A", "X_A", "synced"]
    assert first.count("2026-03-01") == 2
    assert second.split(maxsplit=5) == ["B", "X_B", "drifted", "-", "-", "it is gone"]
    assert server.only("ListSyncKeys", ListSyncKeysRequest).parent == NAME


def test_states_can_be_chosen(server: FakeServer, run: Run) -> None:
    result = run("sync", "keys", "dev", "--state", "drifted", "--state", "failed")
    assert (result.code, result.out) == (0, "There are no such keys.\n")
    request = server.only("ListSyncKeys", ListSyncKeysRequest)
    assert list(request.states) == [KEY_STATE_DRIFTED, KEY_STATE_FAILED]
    assert "nothing of this sync is at its destination" in run("sync", "keys", "dev").out
    assert run("sync", "keys", "dev", "--state", "unspecified").code == 2


def test_programs_get_json_and_all_pages(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncKeys"] = [
        ListSyncKeysResponse(sync_keys=KEYS[:1], next_page_token="more"),
        ListSyncKeysResponse(sync_keys=KEYS[1:]),
    ]
    found = json.loads(run("--json", "sync", "keys", "dev").out)["syncKeys"]
    assert [key["destinationName"] for key in found] == ["X_A", "X_B"]
    assert found[1]["state"] == "KEY_STATE_DRIFTED"


def test_get_counts_them(server: FakeServer, run: Run) -> None:
    counts = KeyStateCounts(synced=5, drifted=1)
    for given, told in ((counts, "5 synced, 1 drifted"), (None, "none")):
        server.replies["GetSecretSync"] = SecretSync(name=NAME, key_state_counts=given)
        lines = run("sync", "get", "dev").out.splitlines()
        [shown] = [line for line in lines if line.startswith("Keys ")]
        assert shown.split(maxsplit=1)[1] == told
