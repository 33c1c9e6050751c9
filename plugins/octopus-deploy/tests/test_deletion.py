"""What a sync or a removal deletes, and above all what it does not."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from octopus_kit import DEV, digest, removal_request, row, sync_request, variable_set

from secretsync.adapter import LedgerEntry, SecretValue
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.draft import CANNOT_TELL
from secretsync_octopus_deploy.ownership import DOUBTED, HIDDEN, Unconfirmed
from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.rows import canonical_scope, identity_of

Json = dict[str, Any]
NOTHING: dict[str, str] = {}
DEV_SCOPE = {"Environment": ["Environments-1"]}


def entry_for(variable: Json, **fields: Any) -> LedgerEntry:
    identity = identity_of(variable["Name"], canonical_scope(variable["Scope"]))
    given = {
        "key": f"KEY_{variable['Name']}",
        "name": variable["Name"],
        "identity": identity,
        "remote_id": variable["Id"],
        "digest": digest(identity, SecretValue("value")),
        "version": "3",
    }
    return LedgerEntry(**{**given, **fields})


def plans(current: Sequence[Json], ledger: Sequence[LedgerEntry], **fields: Any) -> list[Plan]:
    """Return the plans of a sync that wants nothing, and of a removal."""
    return [
        merge.plan_sync(
            variable_set(*current),
            sync_request(NOTHING, ledger=ledger, known=[3], **fields),
            Unconfirmed(),
        ),
        merge.plan_removal(
            variable_set(*current),
            removal_request(ledger, **{k: v for k, v in fields.items() if k != "delete_missing"}),
            Unconfirmed(),
        ),
    ]


def kept_ids(plan: Plan) -> list[str | None]:
    return [one.id for one in plan.rows]


def kept_entries(plan: Plan) -> list[LedgerEntry]:
    return [one.entry for one in plan.outcomes if one.entry is not None]


def told(plan: Plan) -> list[tuple[str, str, str, str]]:
    return [
        (one.result.key, one.result.name, one.result.action.value, one.result.reason)
        for one in plan.outcomes
    ]


def test_what_the_ledger_lists_is_deleted_and_nothing_else() -> None:
    mine, theirs = row("A"), row("B")

    for plan in plans([mine, theirs], [entry_for(mine)]):
        assert kept_ids(plan) == [theirs["Id"]]
        assert told(plan) == [("KEY_A", "A", "deleted", "")]
        assert kept_entries(plan) == []
        assert plan.deleted_ids() == {mine["Id"]}


def test_a_row_of_our_identity_under_another_id_is_not_deleted() -> None:
    theirs = row("A")
    entry = entry_for(theirs, remote_id="ours-that-is-gone")

    for plan in plans([theirs], [entry]):
        assert not plan.is_changed
        assert told(plan) == [("KEY_A", "A", "skipped", merge.NOT_VISIBLE)]


@pytest.mark.parametrize(
    "edit",
    [
        {"Name": "Renamed"},
        {"Scope": {"Environment": ["Environments-2"]}},
        {"Scope": {"NewKindOfScope": ["x"]}},
        {"Type": "String", "IsSensitive": False, "Value": "now readable"},
        {"Type": "Certificate", "IsSensitive": False},
    ],
)
def test_a_row_of_ours_that_somebody_made_another_is_left_alone_and_forgotten(edit: Json) -> None:
    mine = row("A")

    for plan in plans([{**mine, **edit}], [entry_for(mine)]):
        assert not plan.is_changed
        assert told(plan) == [("KEY_A", "A", "skipped", merge.LEFT_TO_OTHERS)]
        assert kept_entries(plan) == []


def test_a_change_of_letter_case_does_not_make_it_another_row() -> None:
    mine = row("A")

    for plan in plans([{**mine, "Name": "a"}], [entry_for(mine)]):
        assert kept_ids(plan) == []


def test_a_row_that_cannot_be_seen_is_remembered() -> None:
    hidden = entry_for(row("A"))

    for plan in plans([row("B")], [hidden]):
        assert not plan.is_changed
        assert told(plan) == [("KEY_A", "A", "skipped", merge.NOT_VISIBLE)]
        assert kept_entries(plan) == [replace(hidden, version=None)]


def test_a_row_that_was_hidden_and_shows_up_again_is_deleted() -> None:
    mine = row("A")
    (first, _) = plans([], [entry_for(mine)])

    (second, _) = plans([mine], kept_entries(first))

    assert kept_ids(second) == []


def test_remembering_hidden_rows_does_not_pile_up() -> None:
    hidden = entry_for(row("A"))
    request = sync_request({"A": "value"}, ledger=[hidden], known=[3])

    plan = merge.plan_sync(variable_set(), request, Unconfirmed())

    assert [entry.identity for entry in kept_entries(plan)] == [hidden.identity]
    assert told(plan) == [
        ("KEY_A", "A", "created", "the variable written before is no longer there")
    ]


def test_a_desired_row_that_somebody_renamed_is_created_anew_beside_it() -> None:
    mine = row("A")
    renamed = {**mine, "Name": "B"}
    request = sync_request({"A": "value"}, ledger=[entry_for(mine)], known=[3])

    plan = merge.plan_sync(variable_set(renamed), request, Unconfirmed())

    assert kept_ids(plan) == [mine["Id"], None]
    assert [action for _, _, action, _ in told(plan)] == ["created"]
    assert "somebody else renamed" in told(plan)[0][3]


def test_deletion_can_be_disabled_for_a_sync() -> None:
    mine = row("A")
    entry = entry_for(mine)

    (sync, removal) = plans([mine], [entry])
    disabled = merge.plan_sync(
        variable_set(mine),
        sync_request(NOTHING, ledger=[entry], known=[3], delete_missing=False),
        Unconfirmed(),
    )

    assert kept_ids(sync) == kept_ids(removal) == []
    assert not disabled.is_changed
    assert kept_entries(disabled) == [entry]
    assert told(disabled) == [("KEY_A", "A", "skipped", merge.DELETION_DISABLED)]


def test_what_is_kept_is_not_trusted_any_more_after_somebody_elses_change() -> None:
    mine = row("A")
    request = sync_request(NOTHING, ledger=[entry_for(mine)], known=[2], delete_missing=False)

    plan = merge.plan_sync(variable_set(mine), request, Unconfirmed())

    assert [entry.version for entry in kept_entries(plan)] == [None]


def test_what_another_sync_claims_is_not_deleted() -> None:
    mine = row("A")
    entry = entry_for(mine)

    for plan in plans([mine], [entry], claimed_by_others={entry.identity: "syncs/other"}):
        assert not plan.is_changed
        assert kept_entries(plan) == []


def test_a_renamed_secret_takes_its_old_row_away() -> None:
    old = row("OLD")
    request = sync_request({"NEW": "value"}, ledger=[entry_for(old)], known=[3])

    plan = merge.plan_sync(variable_set(old), request, Unconfirmed())

    assert [(name, action) for _, name, action, _ in told(plan)] == [
        ("NEW", "created"),
        ("OLD", "deleted"),
    ]
    assert kept_ids(plan) == [None]


def test_a_change_of_scope_takes_the_rows_of_the_old_one_away() -> None:
    old = row("A")
    request = sync_request({"A": "value"}, ledger=[entry_for(old)], known=[3], scope=DEV)

    plan = merge.plan_sync(variable_set(old), request, Unconfirmed())

    assert [action for _, _, action, _ in told(plan)] == ["created", "deleted"]


def test_the_first_run_deletes_what_it_may_claim_and_nothing_else() -> None:
    claimed = identity_of("APP_OTHER", DEV_SCOPE)
    rows = {
        "gone": row("APP_OLD", Scope=DEV_SCOPE),
        "gone too": row("app_older", Scope={**DEV_SCOPE, "Role": []}),
        "desired": row("APP_A", Scope=DEV_SCOPE),
        "other name": row("WEB_OLD", Scope=DEV_SCOPE),
        "unscoped": row("APP_OLD"),
        "other scope": row("APP_OLD", Scope={"Environment": ["Environments-2"]}),
        "narrower": row("APP_OLD", Scope={**DEV_SCOPE, "Role": ["web-server"]}),
        "wider": row("APP_OLD", Scope={"Environment": ["Environments-1", "Environments-2"]}),
        "new kind": row("APP_OLD", Scope={**DEV_SCOPE, "New": ["x"]}),
        "text": row("APP_TEXT", Scope=DEV_SCOPE, Type="String", Value="x"),
        "certificate": row("APP_CERT", Scope=DEV_SCOPE, Type="Certificate"),
        "of another sync": row("APP_OTHER", Scope=DEV_SCOPE),
    }
    request = sync_request(
        {"APP_A": "value"},
        scope=DEV,
        claims=lambda name: name.casefold().startswith("app_"),
        claimed_by_others={claimed: "syncs/other"},
        delete_missing=False,
    )

    plan = merge.plan_sync(variable_set(*rows.values()), request, Unconfirmed())

    gone = {rows["gone"]["Id"], rows["gone too"]["Id"]}
    assert plan.deleted_ids() == gone
    assert kept_ids(plan) == [one["Id"] for one in rows.values() if one["Id"] not in gone]
    assert told(plan)[1:] == [
        ("", "APP_OLD", "deleted", "it matches the key schema, and the source does not have it"),
        ("", "app_older", "deleted", "it matches the key schema, and the source does not have it"),
    ]


def test_later_runs_claim_nothing() -> None:
    request = sync_request({"APP_A": "value"}, scope=DEV)

    plan = merge.plan_sync(variable_set(row("APP_OLD", Scope=DEV_SCOPE)), request, Unconfirmed())

    assert plan.deleted_ids() == frozenset()


def intent_for(variable: Json, version: str) -> LedgerEntry:
    return replace(entry_for(variable), remote_id=None, confirmed=False, version=version)


def test_an_intent_whose_write_never_happened_gives_no_right_to_the_row() -> None:
    theirs = row("A")

    for plan in plans([theirs], [intent_for(theirs, version="3")]):
        assert not plan.is_changed
        assert plan.outcomes == ()


def test_an_intent_whose_write_happened_makes_the_row_ours() -> None:
    mine = row("A")

    for plan in plans([mine], [intent_for(mine, version="2")]):
        assert kept_ids(plan) == []
        assert told(plan) == [("KEY_A", "A", "deleted", "")]


def left_alone(plan: Plan) -> bool:
    return (
        told(plan) == [("KEY_A", "A", "skipped", CANNOT_TELL)]
        and not plan.is_changed
        and kept_entries(plan) == []
        and not any(entry.name == "A" for entry in plan.recovered)
    )


def test_a_row_that_somebody_may_have_made_while_a_write_was_unresolved_is_left_alone() -> None:
    theirs = row("A")
    intent = intent_for(theirs, version="2")

    for found, ledger in (
        # Two changes since, of which one write of ours accounts for one at most.
        ([theirs], [replace(intent, version="1")]),
        # The write was seen not to have taken place.
        ([theirs], [replace(intent, digest=DOUBTED)]),
        # It was to create, or to delete, more than was done.
        ([theirs], [intent, intent_for(row("B"), version="2")]),
        # We write A, not a.
        ([{**theirs, "Name": "a"}], [intent]),
    ):
        for plan in (*plans(found, ledger), plans(found, ledger, delete_missing=False)[0]):
            assert left_alone(plan)


def test_a_write_that_deleted_less_than_it_was_to_is_not_taken_for_ours() -> None:
    theirs, old = row("A"), row("Old")
    ledger = [entry_for(old), intent_for(theirs, "2")]
    deletion = replace(entry_for(old), version="2", confirmed=False)

    for is_gone in (True, False):
        found = [theirs] if is_gone else [theirs, old]
        for plan in plans(found, [*ledger, deletion]):
            assert (theirs["Id"] in plan.deleted_ids()) is is_gone


def test_a_chain_of_writes_of_ours_accounts_for_several_changes() -> None:
    first, second = row("A"), row("B")
    ledger = [intent_for(first, version="1"), intent_for(second, version="2")]

    for plan in plans([first, second], ledger):
        assert plan.deleted_ids() == {first["Id"], second["Id"]}


def test_what_may_be_claimed_is_deleted_though_it_cannot_be_told_whose_it_is() -> None:
    theirs = row("A")
    request = sync_request(NOTHING, ledger=[intent_for(theirs, version="1")], claims=lambda _: True)

    plan = merge.plan_sync(variable_set(theirs), request, Unconfirmed())

    assert told(plan) == [("KEY_A", "A", "deleted", "")]


def test_a_row_that_cannot_be_told_whose_it_is_is_taken_over_if_it_is_wanted() -> None:
    theirs = row("A")
    intent = replace(intent_for(theirs, version="1"), digest=DOUBTED)

    plan = merge.plan_sync(
        variable_set(theirs), sync_request({"A": "value"}, ledger=[intent]), Unconfirmed()
    )

    assert told(plan) == [("KEY_A", "A", "updated", merge.UNCERTAIN)]


def test_intents_that_are_not_settled_are_kept_beside_those_of_the_next_write() -> None:
    under_way = intent_for(row("A"), version="3")
    found = row("B")
    gone = row("C")
    ledger = [
        entry_for(gone),
        replace(entry_for(gone), version="2", confirmed=False),
        under_way,
        intent_for(found, version="2"),
        intent_for(row("D"), version="2"),
    ]
    request = sync_request({"New": "value", "B": "value"}, ledger=ledger)

    plan = merge.plan_sync(variable_set(found), request, Unconfirmed())

    unwritten = [replace(intent, digest=DOUBTED) for intent in (under_way, ledger[4])]
    kept = [ledger[1], *unwritten, ledger[3]]
    assert list(plan.recovered) == kept
    assert list(plan.intents("3")) == [*kept, *plan.creations("3")]
    assert [one.name for one in plan.creations("3")] == ["New"]


def test_what_an_intent_led_to_is_an_entry_before_it_is_deleted() -> None:
    mine = row("A")
    intent = intent_for(mine, version="2")
    entry = replace(intent, remote_id=mine["Id"], version=None, confirmed=True)

    for plan in plans([mine], [intent]):
        assert plan.recovered == (entry,)
        assert plan.intents("3") == (entry, replace(entry, version="3", confirmed=False))


def test_what_somebody_else_may_have_made_is_no_entry_before_it_is_written() -> None:
    theirs = row("A")
    intent = intent_for(theirs, version="1")

    plan = merge.plan_sync(
        variable_set(theirs), sync_request({"A": "value"}, ledger=[intent]), Unconfirmed()
    )

    assert plan.recovered == (intent,)


def test_a_removal_says_what_it_could_not_see() -> None:
    hidden, created = row("A"), row("B")
    ledger = [entry_for(hidden), replace(intent_for(created, version="1"), digest=HIDDEN)]

    sync, removal = plans([], ledger)

    assert removal.warnings[0].endswith("they may still be in Octopus: A, B.")
    assert sync.warnings[0].endswith("they may still be in Octopus: B.")


def test_the_value_of_a_row_from_an_intent_is_written_again() -> None:
    mine = row("A")
    request = sync_request({"A": "value"}, ledger=[intent_for(mine, version="2")], known=[3])

    plan = merge.plan_sync(variable_set(mine), request, Unconfirmed())

    assert told(plan) == [("KEY_A", "A", "updated", merge.UNCERTAIN)]
    assert [entry.remote_id for entry in kept_entries(plan)] == [mine["Id"]]


def test_an_intent_without_a_row_is_dropped() -> None:
    for plan in plans([], [intent_for(row("A"), version="2")]):
        assert plan.outcomes == ()


@pytest.mark.parametrize(
    "edit", [{"Type": "String", "IsSensitive": False}, {"Id": None, "Value": "x"}]
)
def test_an_intent_is_not_matched_by_a_row_that_cannot_be_it(edit: Json) -> None:
    theirs = row("A")

    for plan in plans([{**theirs, **edit}], [intent_for(theirs, version="2")]):
        assert not plan.is_changed
        assert plan.outcomes == ()


def test_an_intent_for_what_another_sync_claims_is_dropped() -> None:
    theirs = row("A")
    intent = intent_for(theirs, version="2")

    for plan in plans([theirs], [intent], claimed_by_others={intent.identity: "syncs/other"}):
        assert not plan.is_changed
        assert plan.outcomes == ()


def test_an_intent_beside_a_confirmed_row_that_is_still_there_changes_nothing() -> None:
    mine, twin = row("A"), row("A")

    for plan in plans([twin, mine], [entry_for(mine), intent_for(mine, version="2")]):
        assert kept_ids(plan) == [twin["Id"]]


def test_an_intent_replaces_the_confirmed_row_that_it_took_the_place_of() -> None:
    old, new = row("A"), row("A")

    for plan in plans([new], [entry_for(old), intent_for(old, version="2")]):
        assert kept_ids(plan) == []
        assert told(plan) == [("KEY_A", "A", "deleted", "")]


def test_a_row_that_the_ledger_knows_is_not_matched_by_an_intent() -> None:
    mine = row("B")
    renamed = {**mine, "Name": "A"}
    ledger = [entry_for(mine), intent_for(row("A"), version="2")]

    for plan in plans([renamed], ledger):
        assert not plan.is_changed
        assert told(plan) == [("KEY_B", "B", "skipped", merge.LEFT_TO_OTHERS)]


def test_what_an_earlier_attempt_of_the_same_run_deleted_counts_as_deleted() -> None:
    mine = row("A")
    earlier = Unconfirmed(deleted=frozenset({mine["Id"]}))
    request = sync_request(NOTHING, ledger=[entry_for(mine)])

    plan = merge.plan_sync(variable_set(), request, earlier)

    assert told(plan) == [("KEY_A", "A", "deleted", "")]
    assert kept_entries(plan) == []


def test_what_an_earlier_attempt_of_the_same_run_created_counts_as_created() -> None:
    mine = row("A")
    intent = intent_for(mine, version="2")
    earlier = Unconfirmed(created=frozenset({intent.identity}))
    request = sync_request({"A": "value"}, ledger=[intent])

    plan = merge.plan_sync(variable_set(mine), request, earlier)

    assert told(plan) == [("KEY_A", "A", "created", merge.UNCERTAIN)]
    assert [one.id for one in plan.rows] == [mine["Id"]]


def test_what_may_be_claimed_and_is_in_the_ledger_is_dealt_with_once() -> None:
    wanted, gone = row("APP_A"), row("APP_OLD")
    request = sync_request(
        {"APP_A": "value"},
        ledger=[entry_for(wanted), entry_for(gone)],
        known=[3],
        claims=lambda _: True,
    )

    plan = merge.plan_sync(variable_set(wanted, gone), request, Unconfirmed())

    assert kept_ids(plan) == [wanted["Id"]]
    assert told(plan) == [
        ("KEY_APP_A", "APP_A", "unchanged", ""),
        ("KEY_APP_OLD", "APP_OLD", "deleted", ""),
    ]
