"""Approving plans and overriding guards from the command line."""

import json

import grpc
import pytest
from cli_kit import Failure, FakeServer, Run

from secretsync.v1.secret_sync_service_pb2 import (
    CHANGE_KIND_CREATE,
    RUN_ACTION_REMOVE,
    RUN_ACTION_SYNC,
    RUN_STATE_AWAITING_APPROVAL,
    RUN_STATE_SUCCEEDED,
    ChangeCounts,
    CreateSecretSyncRequest,
    ListSyncRunsRequest,
    ListSyncRunsResponse,
    MaxDeletions,
    PlannedChange,
    RemoveSecretsRequest,
    SecretSync,
    SyncOptions,
    SyncPlan,
    SyncRun,
    SyncSecretsRequest,
    UpdateSecretSyncRequest,
)

SYNC = "projects/shop/secretSyncs/dev"
NAME = f"{SYNC}/runs/r1"
PLAN = SyncPlan(
    secret_sync=SYNC,
    changes=[PlannedChange(key="A", destination_name="X_A", kind=CHANGE_KIND_CREATE)],
    counts=ChangeCounts(create=1),
    fingerprint="f",
)
WAITING = SyncRun(
    name=NAME, action=RUN_ACTION_SYNC, state=RUN_STATE_AWAITING_APPROVAL, plan=PLAN, max_attempts=5
)
DONE = SyncRun(name=NAME, action=RUN_ACTION_SYNC, state=RUN_STATE_SUCCEEDED, max_attempts=5)


@pytest.fixture
def waiting(server: FakeServer) -> FakeServer:
    """A server with a plan that waits for approval."""
    server.replies["ListSyncRuns"] = ListSyncRunsResponse(sync_runs=[SyncRun(name=NAME)])
    server.replies["GetSyncRun"] = WAITING
    return server


def test_the_plan_is_shown_and_approved(waiting: FakeServer, run: Run) -> None:
    waiting.replies["SyncSecrets"] = DONE
    result = run("sync", "approve", "dev", "--no-wait", typed="y\n")
    assert result.code == 0
    assert "+ create" in result.out
    assert f"Approve the plan of {NAME}?" in result.err
    assert waiting.only("ListSyncRuns", ListSyncRunsRequest) == ListSyncRunsRequest(
        parent=SYNC, states=[RUN_STATE_AWAITING_APPROVAL], page_size=1
    )
    request = waiting.only("SyncSecrets", SyncSecretsRequest)
    assert (request.name, request.fingerprint) == (SYNC, "f")


def test_a_removal_is_approved_as_one(waiting: FakeServer, run: Run) -> None:
    removal = SyncRun()
    removal.CopyFrom(WAITING)
    removal.action = RUN_ACTION_REMOVE
    waiting.replies["GetSyncRun"] = removal
    waiting.replies["RemoveSecrets"] = DONE
    result = run("sync", "approve", "dev", "--yes", "--no-wait", "--json")
    assert json.loads(result.out)["name"] == NAME
    assert waiting.only("RemoveSecrets", RemoveSecretsRequest).fingerprint == "f"


def test_without_an_answer_nothing_is_approved(waiting: FakeServer, run: Run) -> None:
    assert run("sync", "approve", "dev", typed="n\n").code == 130
    assert run("sync", "approve", "dev").code == 2
    assert "SyncSecrets" not in waiting.methods


def test_a_dry_run_does_not_ask(waiting: FakeServer, run: Run) -> None:
    waiting.replies["SyncSecrets"] = DONE
    result = run("sync", "approve", "dev", "--dry-run")
    assert result.code == 0
    assert waiting.only("SyncSecrets", SyncSecretsRequest).validate_only


def test_no_plan_waits(server: FakeServer, run: Run) -> None:
    server.replies["ListSyncRuns"] = ListSyncRunsResponse()
    result = run("sync", "approve", "dev")
    assert result.code == 3
    assert f"no plan of {SYNC} waits for approval" in result.err
    assert "sync plan dev" in result.err


def test_a_plan_that_is_out_of_date(waiting: FakeServer, run: Run) -> None:
    waiting.replies["SyncSecrets"] = Failure(grpc.StatusCode.ABORTED, "the source moved since")
    result = run("sync", "approve", "dev", "--yes")
    assert result.code == 4
    assert "the source moved since" in result.err


def test_a_run_that_waits_for_approval_is_shown_with_its_plan(
    waiting: FakeServer, run: Run
) -> None:
    waiting.replies["SyncSecrets"] = WAITING
    result = run("sync", "run", "dev")
    assert result.code == 4
    assert "awaiting-approval" in result.out
    assert "+ create" in result.out
    assert "Fingerprint: f" in result.out
    assert "waits for approval: nothing was changed" in result.err
    assert "secretsync sync approve dev" in result.err


def test_fingerprints_and_overrides_of_one_run(server: FakeServer, run: Run) -> None:
    server.replies["SyncSecrets"] = server.replies["RemoveSecrets"] = DONE
    run("sync", "run", "dev", "--fingerprint", "f", "--override-guards", "--no-wait")
    request = server.only("SyncSecrets", SyncSecretsRequest)
    assert (request.fingerprint, request.override_guards) == ("f", True)
    run("sync", "remove", "dev", "--yes", "--fingerprint", "g", "--no-wait")
    assert server.only("RemoveSecrets", RemoveSecretsRequest).fingerprint == "g"


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("10", MaxDeletions(count=10), "10"),
        ("0", MaxDeletions(count=0), "0"),
        ("20%", MaxDeletions(percent=20), "20%"),
        ("default", MaxDeletions(), "default"),
    ],
)
def test_limits_are_read_and_shown(
    server: FakeServer, run: Run, text: str, limit: MaxDeletions, shown: str
) -> None:
    options = SyncOptions(max_deletions=limit, require_approval=True)
    server.replies["GetSecretSync"] = server.replies["UpdateSecretSync"] = SecretSync(
        name=SYNC, sync_options=options
    )
    assert run("sync", "update", "dev", "--max-deletions", text, "--require-approval").code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert request.secret_sync.sync_options.max_deletions == limit
    assert request.secret_sync.sync_options.require_approval
    assert set(request.update_mask.paths) == {
        "sync_options.max_deletions",
        "sync_options.require_approval",
    }
    lines = [" ".join(line.split()) for line in run("sync", "get", "dev").out.splitlines()]
    assert f"Max deletions {shown}" in lines
    assert "Needs approval yes" in lines


def test_bad_limits(server: FakeServer, run: Run) -> None:
    for text in ("-1", "many", "5 %", ""):
        result = run("sync", "update", "dev", f"--max-deletions={text}")
        assert result.code == 2
        assert f"{text!r} is no limit: write a number such as 10" in " ".join(result.err.split())
    assert server.methods == []


def test_a_sync_is_created_with_a_limit(server: FakeServer, run: Run) -> None:
    server.replies["CreateSecretSync"] = SecretSync(name=SYNC)
    run("sync", "create", "dev", "--connection", "main", "-e", "dev", "--max-deletions", "3")
    request = server.only("CreateSecretSync", CreateSecretSyncRequest)
    assert request.secret_sync.sync_options.max_deletions.count == 3
