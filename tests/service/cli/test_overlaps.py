"""`secretsync sync check-destination`, and the warnings of `create` and `update`."""

import json

import pytest
from cli_kit import OCTOPUS, FakeServer, Run

from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.secret_sync_service_pb2 import (
    OVERLAP_KIND_COLLISION,
    OVERLAP_KIND_POSSIBLE,
    OVERLAP_KIND_SCOPE,
    OVERLAP_POLICY_REFUSE,
    OVERLAP_POLICY_REFUSE_ANY,
    OVERLAP_POLICY_WARN,
    CheckDestinationRequest,
    CheckDestinationResponse,
    CreateSecretSyncRequest,
    OverlapKey,
    SecretSync,
    SyncOptions,
    SyncOverlap,
    UpdateSecretSyncRequest,
)

SYNC = "projects/shop/secretSyncs/dev"
THEIRS = "projects/bank/secretSyncs/theirs"
SCOPE = SyncOverlap(
    secret_sync=THEIRS,
    kind=OVERLAP_KIND_SCOPE,
    keys=[OverlapKey(destination_name="A", key="A", other_key="A")],
    key_count=1,
    message="Both apply.",
)
WARNED = SecretSync(name=SYNC, warnings=[f"{THEIRS} writes the same: A."])


def test_nobody_writes_the_same(server: FakeServer, run: Run) -> None:
    result = run("sync", "check-destination", "dev")
    assert (result.code, result.out) == (0, "No other secret sync writes the same.\n")
    assert server.only("CheckDestination", CheckDestinationRequest) == CheckDestinationRequest(
        name=SYNC
    )


def test_overlaps_are_listed_by_key(server: FakeServer, run: Run) -> None:
    server.replies["CheckDestination"] = CheckDestinationResponse(
        overlaps=[
            SyncOverlap(
                secret_sync=THEIRS,
                kind=OVERLAP_KIND_COLLISION,
                keys=[
                    OverlapKey(destination_name="X_A", key="A", other_key="X_A", owner=THEIRS),
                    OverlapKey(destination_name="X_B", other_key="X_B"),
                ],
                key_count=5,
                message="They write the same.",
            ),
            SyncOverlap(secret_sync=SYNC, kind=OVERLAP_KIND_POSSIBLE, message="They could."),
        ],
        overlap_count=4,
    )
    result = run("sync", "check-destination", "dev")
    assert result.code == 4
    assert [" ".join(line.split()) for line in result.out.splitlines()] == [
        "OVERLAP SECRET SYNC NAME AT DESTINATION KEY ITS KEY WRITTEN BY",
        f"collision {THEIRS} X_A A X_A {THEIRS}",
        f"collision {THEIRS} X_B - X_B -",
        f"collision {THEIRS} (3 more) - - -",
        f"possible {SYNC} - - - -",
        "",
        "They write the same.",
        "They could.",
        "There are 2 more.",
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_overlapping_scopes_alone_are_no_failure(
    server: FakeServer, run: Run, options: list[str]
) -> None:
    server.replies["CheckDestination"] = CheckDestinationResponse(overlaps=[SCOPE], overlap_count=1)
    result = run("sync", "check-destination", "dev", *options)
    assert result.code == 0
    if options:
        assert json.loads(result.out)["overlaps"][0]["kind"] == "OVERLAP_KIND_SCOPE"
    else:
        assert "Both apply." in result.out


def test_programs_are_told_of_collisions_by_the_exit_code_too(server: FakeServer, run: Run) -> None:
    overlap = SyncOverlap(secret_sync=THEIRS, kind=OVERLAP_KIND_POSSIBLE)
    server.replies["CheckDestination"] = CheckDestinationResponse(overlaps=[overlap])
    result = run("sync", "check-destination", "dev", "--json")
    assert result.code == 4
    assert json.loads(result.out)["overlaps"][0]["secretSync"] == THEIRS


CREATE = ("create", "dev", "--connection", "main", "--environment", "dev")


@pytest.mark.parametrize("words", [CREATE, ("update", "dev", "--recursive")])
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_saving_tells_its_warnings(
    server: FakeServer, run: Run, words: tuple[str, ...], options: list[str]
) -> None:
    server.replies["CreateSecretSync"] = server.replies["UpdateSecretSync"] = WARNED
    server.replies["GetConnection"] = Connection(destination=OCTOPUS.name)
    result = run("sync", *words, *options)
    assert result.code == 0
    assert f"warning: {THEIRS} writes the same: A.\n" in result.err
    result = run("sync", *words, *options, "--json")
    assert json.loads(result.out)["warnings"] == list(WARNED.warnings)
    assert "warning" not in result.err


@pytest.mark.parametrize(
    ("word", "policy"),
    [
        ("warn", OVERLAP_POLICY_WARN),
        ("refuse", OVERLAP_POLICY_REFUSE),
        ("refuse-any", OVERLAP_POLICY_REFUSE_ANY),
    ],
)
def test_the_policy_is_set_and_shown(server: FakeServer, run: Run, word: str, policy: int) -> None:
    run("sync", *CREATE, "--overlap-policy", word)
    created = server.only("CreateSecretSync", CreateSecretSyncRequest)
    assert created.secret_sync.sync_options.overlap_policy == policy
    run("sync", "update", "dev", "--overlap-policy", word)
    updated = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert list(updated.update_mask.paths) == ["sync_options.overlap_policy"]
    assert updated.secret_sync.sync_options.overlap_policy == policy
    server.replies["GetSecretSync"] = SecretSync(
        sync_options=SyncOptions(overlap_policy=policy)  # type: ignore[arg-type]
    )
    shown = run("sync", "get", "dev").out
    assert f"Overlap policy {word}" in " ".join(shown.split())
