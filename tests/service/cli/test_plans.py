"""`secretsync sync plan`: a diff for people, JSON for programs, and an exit code that tells."""

import json

import grpc
import pytest
from cli_kit import Failure, FakeServer, Run

from secretsync.v1.secret_sync_service_pb2 import (
    CHANGE_KIND_ADOPT,
    CHANGE_KIND_BLOCKED,
    CHANGE_KIND_CONFLICT,
    CHANGE_KIND_CONVERT,
    CHANGE_KIND_CREATE,
    CHANGE_KIND_DELETE,
    CHANGE_KIND_UNCHANGED,
    CHANGE_KIND_UPDATE,
    RUN_ACTION_REMOVE,
    RUN_ACTION_SYNC,
    ChangeCounts,
    PlannedChange,
    PlanSecretSyncRequest,
    SyncPlan,
)

SYNC = "projects/shop/secretSyncs/dev"
DEV = "Environment: Development"
CHANGES = [
    PlannedChange(key="A", destination_name="X_A", kind=CHANGE_KIND_CREATE, scope=DEV),
    PlannedChange(key="B", destination_name="X_B", kind=CHANGE_KIND_UPDATE, reason="new value"),
    PlannedChange(key="C", destination_name="X_C", kind=CHANGE_KIND_ADOPT),
    PlannedChange(key="D", destination_name="X_D", kind=CHANGE_KIND_CONVERT),
    PlannedChange(destination_name="X_E", kind=CHANGE_KIND_DELETE),
    PlannedChange(key="F", destination_name="X_F", kind=CHANGE_KIND_UNCHANGED),
    PlannedChange(key="G", destination_name="X_G", kind=CHANGE_KIND_BLOCKED),
]
PLAN = SyncPlan(
    secret_sync=SYNC,
    action=RUN_ACTION_SYNC,
    changes=CHANGES,
    counts=ChangeCounts(create=1, update=1, adopt=1, convert=1, delete=1, unchanged=1, blocked=1),
    warnings=["X_D was readable"],
    destination_version="7",
    fingerprint="f",
)


def test_a_plan_is_shown_as_a_diff(server: FakeServer, run: Run) -> None:
    server.replies["PlanSecretSync"] = PLAN
    result = run("sync", "plan", "dev")
    assert result.code == 2
    assert server.only("PlanSecretSync", PlanSecretSyncRequest) == PlanSecretSyncRequest(
        name=SYNC, action=RUN_ACTION_SYNC
    )
    counts = "1 to create, 1 to update, 1 to adopt, 1 to convert, 1 to delete, 1 unchanged"
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines == [
        "CHANGE NAME AT DESTINATION SCOPE KEY REASON",
        "+ create X_A Environment: Development A",
        "~ update X_B - B new value",
        "~ adopt X_C - C",
        "~ convert X_D - D",
        "- delete X_E - -",
        "! blocked X_G - G",
        "",
        f"Plan: {counts}, 1 blocked (--all lists the unchanged)",
        "warning: X_D was readable",
        "Fingerprint: f",
    ]
    assert server.methods == ["PlanSecretSync"]
    assert "= unchanged" in run("sync", "plan", "dev", "--all").out
    assert "\x1b[" in run("sync", "plan", "dev", terminal=True).out


def test_a_plan_for_programs(server: FakeServer, run: Run) -> None:
    server.replies["PlanSecretSync"] = PLAN
    result = run("sync", "plan", "dev", "--json")
    assert result.code == 2
    shown = json.loads(result.out)
    assert len(shown["changes"]) == 7
    assert shown["counts"]["conflict"] == 0
    assert (shown["fingerprint"], shown["destinationVersion"]) == ("f", "7")


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (ChangeCounts(), "Nothing to do.\nPlan: no keys\n"),
        (
            ChangeCounts(unchanged=1),
            "Nothing to do.\nPlan: 1 unchanged (--all lists the unchanged)\n",
        ),
    ],
)
def test_nothing_to_do(server: FakeServer, run: Run, counts: ChangeCounts, text: str) -> None:
    server.replies["PlanSecretSync"] = SyncPlan(
        changes=CHANGES[5:6] * counts.unchanged, counts=counts
    )
    result = run("sync", "plan", "dev")
    assert (result.code, result.out) == (0, text)


def test_what_is_only_left_alone_is_nothing_to_do(server: FakeServer, run: Run) -> None:
    server.replies["PlanSecretSync"] = SyncPlan(changes=CHANGES[6:], counts=ChangeCounts(blocked=1))
    result = run("sync", "plan", "dev", "--remove")
    assert result.code == 0
    assert server.only("PlanSecretSync", PlanSecretSyncRequest).action == RUN_ACTION_REMOVE
    assert "! blocked" in result.out
    assert "Nothing to do." in result.out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_run_that_would_fail_is_an_error(
    server: FakeServer, run: Run, options: list[str]
) -> None:
    conflict = PlannedChange(key="A", destination_name="A", kind=CHANGE_KIND_CONFLICT)
    server.replies["PlanSecretSync"] = SyncPlan(
        changes=[conflict, *CHANGES[:1]],
        counts=ChangeCounts(conflict=1, create=1),
        refusal="Another sync owns A.",
    )
    result = run("sync", "plan", "dev", *options)
    assert result.code == 1
    assert "a run would change nothing and fail: Another sync owns A." in result.err
    if options:
        assert json.loads(result.out)["refusal"] == "Another sync owns A."
    else:
        assert "! conflict" in result.out
        assert "Nothing to do" not in result.out


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND])
def test_errors_are_not_taken_for_changes(
    server: FakeServer, run: Run, code: grpc.StatusCode
) -> None:
    server.replies["PlanSecretSync"] = Failure(code, "no")
    assert run("sync", "plan", "dev").code == 1


def test_wrong_usage_is_not_taken_for_changes(server: FakeServer, run: Run) -> None:
    for words in (["--nonsense"], [], ["dev", "too-much"], ["x/y"]):
        result = run("sync", "plan", *words, "--json")
        assert result.code == 1
        assert json.loads(result.err)["error"]["exitCode"] == 1
    assert run("sync", "plan", "--help").code == 0
    assert server.methods == []
