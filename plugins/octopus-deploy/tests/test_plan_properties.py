"""What a plan says is exactly what a run then does, for any starting set and any two syncs."""

import json
import re
from collections.abc import Iterable

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from merge_kit import Json, Server, Syncing, places, secrets, starting_rows, wishes
from octopus_kit import removal_request, sync_request

from secretsync.adapter import (
    Action,
    AdapterError,
    ChangeKind,
    InvalidConfig,
    LedgerEntry,
    PlanResult,
    RemoveRequest,
    SyncRequest,
)
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.foresight import foresee
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.plan import Plan

ACTIONS = {
    ChangeKind.CREATE: Action.CREATED,
    ChangeKind.UPDATE: Action.UPDATED,
    ChangeKind.ADOPT: Action.UPDATED,
    ChangeKind.CONVERT: Action.UPDATED,
    ChangeKind.DELETE: Action.DELETED,
    ChangeKind.UNCHANGED: Action.UNCHANGED,
    ChangeKind.BLOCKED: Action.SKIPPED,
}
WRITES = {*ChangeKind} - {ChangeKind.UNCHANGED, ChangeKind.BLOCKED, ChangeKind.CONFLICT}


def told(result: PlanResult) -> list[tuple[str, str, Action, str]]:
    """Return what a plan says as a run would report it."""
    return sorted((each.key, each.name, ACTIONS[each.kind], each.reason) for each in result.changes)


def done(plan: Plan) -> list[tuple[str, str, Action, str]]:
    """Return what a run reports."""
    results = (outcome.result for outcome in plan.outcomes)
    return sorted((each.key, each.name, each.action, each.reason) for each in results)


def run_of(request: SyncRequest | RemoveRequest, server: Server) -> Plan:
    """Return what a run carries out, or raise what it fails with."""
    if isinstance(request, SyncRequest):
        return merge.plan_sync(server.read(), request, Unconfirmed())
    return merge.plan_removal(server.read(), request, Unconfirmed())


def check(server: Server, request: SyncRequest | RemoveRequest) -> tuple[LedgerEntry, ...] | None:
    """Plan, run, and compare the two; return the run's ledger, or None if it fails."""
    before, version = server.contents(), server.stored.version
    try:
        planned, _ = foresee(server.read(), request)
    except InvalidConfig as error:
        with pytest.raises(InvalidConfig, match=re.escape(str(error))):
            run_of(request, server)
        return None
    assert (server.contents(), server.stored.version) == (before, version)
    kinds = {each.kind for each in planned.changes}
    told_of = [(each.key, each.name, each.scope) for each in planned.changes if each.key]
    assert len(told_of) == len(set(told_of))
    if planned.refusal:
        event("refused")
        with pytest.raises(AdapterError) as refused:
            run_of(request, server)
        assert planned.refusal.startswith(str(refused.value))
        assert kinds & {ChangeKind.CONFLICT, ChangeKind.BLOCKED}
        return None
    plan = run_of(request, server)
    assert told(planned) == done(plan)
    assert planned.warnings == plan.warnings
    assert planned.version == str(version)
    ledger = server.carry_out(plan)
    assert (server.stored.version != version) == bool(kinds & WRITES)
    check_rows(before, server.contents(), planned)
    return ledger


def check_rows(
    before: list[tuple[str, Json]], after: list[tuple[str, Json]], planned: PlanResult
) -> None:
    """As many rows have come, gone and changed as the plan says, and each as its kind says."""
    old = {fields["Id"]: fields for _, fields in before}
    new = {fields["Id"]: fields for _, fields in after}
    expected = dict.fromkeys(ChangeKind, 0)
    for each in planned.changes:
        expected[each.kind] += 1
    assert len(after) - len(before) == expected[ChangeKind.CREATE] - expected[ChangeKind.DELETE]
    converted = [
        fields
        for identity, fields in before
        if fields["Type"] == "String" and fields["Id"] in ids_of(after, "Sensitive")
    ]
    # An empty value is stored by a new row in place of the old one, which hides its conversion.
    assert len(converted) <= expected[ChangeKind.CONVERT]
    touched = sum(expected[kind] for kind in WRITES)
    assert len([one for one in old if new.get(one) != old[one]]) <= touched


def ids_of(rows: Iterable[tuple[str, Json]], kind: str) -> set[str]:
    """Return the ids of the rows of a type."""
    return {fields["Id"] for _, fields in rows if fields["Type"] == kind}


@settings(max_examples=200, deadline=None)
@given(
    starting_rows,
    wishes,
    wishes,
    secrets,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["a", "be", "str", "", "nothing"]),
    st.none() | st.integers(0, 9),
    places,
)
def test_a_run_does_what_its_plan_says(  # noqa: PLR0913, PLR0917  each is a thing that can vary
    rows: list[Json],
    first: tuple[dict[str, list[str]], dict[str, str]],
    second: tuple[dict[str, list[str]], dict[str, str]],
    later: dict[str, str],
    is_trusted: bool,  # noqa: FBT001
    may_delete: bool,  # noqa: FBT001
    prefix: str,
    tampered: int | None,
    place: Json,
) -> None:
    server = Server(rows)
    one, other = Syncing(*first, place), Syncing(*second, place)

    def request(mine: Syncing, theirs: Syncing, **fields: object) -> SyncRequest:
        return sync_request(
            mine.secrets,
            config=mine.config(),
            ledger=mine.ledger,
            known=[server.stored.version] if is_trusted else [],
            claimed_by_others={entry.identity: "syncs/other" for entry in theirs.ledger},
            delete_missing=may_delete,
            **fields,
        )

    def claims(name: str) -> bool:
        return may_delete and name.casefold().startswith(prefix)

    for mine, theirs in ((one, other), (other, one)):
        mine.ledger = check(server, request(mine, theirs, claims=claims)) or ()
    if tampered is not None:
        server.tamper(one, tampered)
    one.secrets = later
    one.ledger = check(server, request(one, other)) or one.ledger
    claimed = {entry.identity: "syncs/other" for entry in other.ledger}
    ledger = check(
        server, removal_request(one.ledger, config=one.config(), claimed_by_others=claimed)
    )
    assert ledger is not None


def test_plans_are_json_without_values() -> None:
    server = Server([])
    result, _ = foresee(server.read(), sync_request({"A": "secret-value-1"}))
    assert "secret-value-1" not in json.dumps([repr(result), *map(repr, result.changes)])
