"""The rules of merging secrets into a variable set, one by one and without a server."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import json
from collections.abc import Iterable
from typing import Any

import pytest
from octopus_kit import (
    DEV,
    config_of,
    desired_of,
    digest,
    row,
    sync_request,
    variable_set,
)

from secretsync.adapter import InvalidConfig, LedgerEntry, SecretValue, SyncRequest
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.rows import canonical_scope, identity_of
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.verify import verify

Json = dict[str, Any]
DEV_SCOPE = {"Environment": ["Environments-1"]}


def entry_for(variable: Json, value: str, **fields: Any) -> LedgerEntry:
    """Return the ledger's entry for a row that holds `value`."""
    identity = identity_of(variable["Name"], canonical_scope(variable["Scope"]))
    given = {
        "key": f"KEY_{variable['Name']}",
        "name": variable["Name"],
        "identity": identity,
        "remote_id": variable["Id"],
        "digest": digest(identity, SecretValue(value)),
        "version": "3",
    }
    return LedgerEntry(**{**given, **fields})


def plan_of(current: VariableSet, request: SyncRequest) -> Plan:
    return merge.plan_sync(current, request, Unconfirmed())


def sent(current: VariableSet, plan: Plan) -> list[Json]:
    rows: list[Json] = json.loads(current.render(plan.rows))["Variables"]
    return rows


def told(plan: Plan) -> list[tuple[str, str, str]]:
    return [(one.result.name, one.result.action.value, one.result.reason) for one in plan.outcomes]


def test_a_new_secret_becomes_a_row_without_id_behind_the_others() -> None:
    other = row("Other", Scope=DEV_SCOPE, Notes={"a": 1})
    current = variable_set(other)
    request = sync_request(desired_of({"A": "value-a"}, {"A": "why"}), scope=DEV)

    plan = plan_of(current, request)

    assert sent(current, plan) == [
        other,
        {
            "Name": "A",
            "Description": "why",
            "Scope": DEV_SCOPE,
            "IsEditable": True,
            "Prompt": None,
            "Type": "Sensitive",
            "IsSensitive": True,
            "Value": "value-a",
        },
    ]
    assert told(plan) == [("A", "created", "")]
    (intent,) = plan.intents("3")
    assert intent == LedgerEntry(
        key="KEY_A",
        name="A",
        identity='{"name":"A","scope":{"Environment":["Environments-1"]}}',
        remote_id=None,
        digest=digest(intent.identity, SecretValue("value-a")),
        version="3",
        confirmed=False,
    )


def test_nothing_is_sent_if_everything_is_known_to_be_there() -> None:
    mine = row("A")
    current = variable_set(mine, row("B"))
    entry = entry_for(mine, "value-a")

    plan = plan_of(current, sync_request({"A": "value-a"}, ledger=[entry], known=[3]))

    assert not plan.is_changed
    assert told(plan) == [("A", "unchanged", "")]
    assert plan.rows == current.rows
    assert plan.intents("3") == ()


def test_a_changed_value_is_written_and_everything_else_kept() -> None:
    mine = row(
        "A", Prompt={"Label": "x"}, IsEditable=False, Description="theirs", New=[1], Scope=DEV_SCOPE
    )
    current = variable_set(mine)
    request = sync_request(
        {"A": "new value"}, scope=DEV, ledger=[entry_for(mine, "old value")], known=[3]
    )

    plan = plan_of(current, request)

    assert sent(current, plan) == [{**mine, "Value": "new value"}]
    assert told(plan) == [("A", "updated", "its value was changed")]
    assert plan.intents("3") == ()


def test_values_are_written_again_after_somebody_elses_change() -> None:
    mine = row("A")
    current = variable_set(mine, version=4)

    plan = plan_of(
        current, sync_request({"A": "v" * 9}, ledger=[entry_for(mine, "v" * 9)], known=[3])
    )

    assert sent(current, plan) == [{**mine, "Value": "v" * 9}]
    assert told(plan) == [("A", "updated", merge.CHANGED_BY_OTHERS)]


def test_nobody_else_is_blamed_for_a_run_that_relies_on_nothing() -> None:
    mine = row("A")
    current = variable_set(mine, version=3)

    plan = plan_of(current, sync_request({"A": "v" * 9}, ledger=[entry_for(mine, "v" * 9)]))

    assert sent(current, plan) == [{**mine, "Value": "v" * 9}]
    assert told(plan) == [("A", "updated", merge.UNCERTAIN)]


def test_a_value_that_is_not_certain_is_written_again() -> None:
    mine = row("A")
    entry = entry_for(mine, "value-a", version=None)

    plan = plan_of(variable_set(mine), sync_request({"A": "value-a"}, ledger=[entry], known=[3]))

    assert told(plan) == [("A", "updated", merge.UNCERTAIN)]


def test_an_existing_sensitive_row_is_taken_over_in_place() -> None:
    theirs = row("A", Description="keep")
    current = variable_set(theirs, row("B"))

    plan = plan_of(current, sync_request({"A": "value-a"}, known=[3]))

    assert sent(current, plan)[0] == {**theirs, "Value": "value-a"}
    assert told(plan) == [("A", "updated", merge.ADOPTED)]
    assert plan.intents("3") == ()


def test_a_row_that_was_made_anew_under_another_id_is_taken_over() -> None:
    mine = row("A")
    current = variable_set(mine)
    entry = entry_for(mine, "value-a", remote_id="gone")

    plan = plan_of(current, sync_request({"A": "value-a"}, ledger=[entry], known=[3]))

    assert told(plan) == [("A", "updated", merge.ADOPTED)]
    assert plan.outcomes[0].entry is not None
    assert plan.outcomes[0].entry.remote_id == mine["Id"]


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_plain_text_row_is_converted_in_place(*, is_ours: bool) -> None:
    text = row("A", Type="String", Value="readable")
    current = variable_set(text)
    ledger = [entry_for(text, "value-a")] if is_ours else []

    plan = plan_of(current, sync_request({"A": "value-a"}, ledger=ledger, known=[3]))

    assert sent(current, plan) == [
        {**text, "Type": "Sensitive", "IsSensitive": True, "Value": "value-a"}
    ]
    assert told(plan) == [("A", "updated", merge.CONVERTED)]
    assert plan.warnings == ("A is made sensitive; it was a plain-text variable.",)


@pytest.mark.parametrize("kind", ["Certificate", "AzureAccount", "WorkerPool", "SomethingNew"])
def test_rows_of_other_types_are_never_overwritten(kind: str) -> None:
    current = variable_set(row("a", Type=kind), row("B", Type=kind), row("C"))

    with pytest.raises(InvalidConfig) as caught:
        plan_of(current, sync_request({"A": "value-a", "B": "value-b", "C": "value-c"}))

    assert f"a (type {kind}), B (type {kind})" in caught.value.message
    assert "Nothing was changed" in caught.value.message


def test_the_letter_case_of_the_name_becomes_the_desired_one_without_writing_the_value() -> None:
    mine = row("db.password")
    current = variable_set(mine)
    entry = entry_for(mine, "value-a")

    plan = plan_of(current, sync_request({"DB.Password": "value-a"}, ledger=[entry], known=[3]))

    assert sent(current, plan) == [{**mine, "Name": "DB.Password"}]
    reason = "the letter case of its name was changed from db.password"
    assert told(plan) == [("DB.Password", "updated", reason)]


def test_a_comment_becomes_the_description_without_writing_the_value() -> None:
    mine = row("A", Description="theirs")
    current = variable_set(mine)
    ledger = [entry_for(mine, "value-a")]

    with_comment = sync_request(
        desired_of({"A": "value-a"}, {"A": "ours"}), ledger=ledger, known=[3]
    )
    without = sync_request({"A": "value-a"}, ledger=ledger, known=[3])

    assert sent(current, plan_of(current, with_comment)) == [{**mine, "Description": "ours"}]
    assert told(plan_of(current, with_comment)) == [("A", "updated", "its description was changed")]
    assert not plan_of(current, without).is_changed


@pytest.mark.parametrize("ours", [0, 1, None])
def test_duplicates_are_merged_into_our_row_or_the_first(ours: int | None) -> None:
    twins = [row("A"), row("a", Type="String", Value="x"), row("A", Scope={"Role": []})]
    twins = [twins[0], twins[2]] if ours is not None else twins
    current = variable_set(twins[0], row("B"), *twins[1:])
    ledger = [entry_for(twins[ours], "value-a")] if ours is not None else []

    plan = plan_of(current, sync_request({"A": "value-a"}, ledger=ledger, known=[3]))

    kept = [one for one in sent(current, plan) if one["Name"].casefold() == "a"]
    assert [one["Id"] for one in kept] == [twins[ours or 0]["Id"]]
    assert kept[0]["Value"] == (None if ours is not None else "value-a")
    first, *deleted = told(plan)
    assert first == (("A", "updated", merge.ADOPTED) if ours is None else ("A", "unchanged", ""))
    gone = [twin for twin in twins if twin["Id"] != kept[0]["Id"]]
    assert deleted == [(twin["Name"], "deleted", merge.COPY) for twin in gone]
    assert plan.is_changed
    assert plan.deleted_ids() == {twin["Id"] for twin in gone}
    assert plan.warnings == (f"A was there {len(twins)} times with the same scope; one is kept.",)


def test_duplicates_are_left_alone_if_deletion_is_disabled() -> None:
    twins = [row("A", Type="String", Value="x"), row("a"), row("A")]
    current = variable_set(*twins)
    request = sync_request({"A": "value-a"}, known=[3], delete_missing=False)

    plan = plan_of(current, request)

    assert sent(current, plan)[1:] == twins[1:]
    assert told(plan) == [("A", "updated", merge.CONVERTED)]
    assert "A was there 3 times with the same scope; the others are left alone" in plan.warnings[1]
    after = variable_set(
        {**twins[0], "Type": "Sensitive", "IsSensitive": True}, *twins[1:], version=4
    )
    verdict = verify(current, plan, after)
    assert (verdict.problems, verdict.is_only_change) == ((), True)


def test_names_that_differ_for_octopus_are_not_taken_for_one() -> None:
    theirs = [row("stra\u00dfe"), row("\ufb01le"), row("\u212a"), row("\u0131"), row("\u017f")]
    current = variable_set(*theirs)
    wanted = dict.fromkeys(["STRASSE", "FILE", "k", "I", "S"], "value-a")

    plan = plan_of(current, sync_request(wanted))

    assert sent(current, plan)[:5] == theirs
    assert {action for _, action, _ in told(plan)} == {"created"}


def test_duplicates_of_other_types_are_refused() -> None:
    current = variable_set(row("A"), row("a", Type="Certificate"))

    with pytest.raises(InvalidConfig, match="type Certificate"):
        plan_of(current, sync_request({"A": "value-a"}))


def test_the_same_name_in_another_scope_is_another_variable() -> None:
    prod = row("A", Scope={"Environment": ["Environments-2"]})
    wider = row("A")
    narrower = row("A", Scope={**DEV_SCOPE, "Role": ["web-server"]})
    current = variable_set(prod, wider, narrower)

    plan = plan_of(current, sync_request({"A": "value-a"}, scope=DEV, claims=lambda _: True))

    assert sent(current, plan)[:3] == [prod, wider, narrower]
    assert told(plan) == [("A", "created", "")]


def test_names_that_octopus_takes_for_one_are_refused() -> None:
    with pytest.raises(InvalidConfig) as caught:
        plan_of(variable_set(), sync_request({"Ab": "x" * 9, "AB": "y" * 9, "C": "z" * 9}))

    assert "Ab (from KEY_Ab) and AB (from KEY_AB)" in caught.value.message
    assert "KEY_C" not in caught.value.message


def test_variables_of_other_syncs_are_refused() -> None:
    claimed = {identity_of("A", {}): "syncs/other", identity_of("B", {}): "syncs/third"}

    with pytest.raises(InvalidConfig) as caught:
        plan_of(
            variable_set(row("A")),
            sync_request({"a": "x" * 9, "B": "y" * 9, "C": "z"}, claimed_by_others=claimed),
        )

    assert "a (syncs/other), B (syncs/third)" in caught.value.message
    assert set(caught.value.violations) == {"scopeValues"}


def test_unknown_scope_ids_are_all_named_per_field() -> None:
    scope = {
        "environments": ["Environments-1", "Environments-7", "Environments-8"],
        "machines": ["Machines-9"],
        "roles": ["web-server"],
        "tenantTags": ["Tier/Gold", "us-east"],
    }

    with pytest.raises(InvalidConfig) as caught:
        plan_of(variable_set(), sync_request({"A": "value-a"}, scope=scope))

    assert set(caught.value.violations) == {
        "scopeValues.environments",
        "scopeValues.machines",
        "scopeValues.tenantTags",
    }
    assert "no us-east for this project" in caught.value.violations["scopeValues.tenantTags"]
    said = caught.value.violations["scopeValues.environments"]
    assert "no Environments-7, Environments-8" in said
    assert "Choose from: Environments-1, Environments-2" in said


def test_tenant_tags_are_known_by_whatever_id_octopus_offers() -> None:
    offered = {"TenantTags": [{"Id": "TagSets-1/Tags-0", "Name": "EU"}]}
    current = variable_set(scope_values=offered)
    by_name = sync_request({"A": "value-a"}, scope={"tenantTags": ["Region/EU"]})
    by_id = sync_request({"A": "value-a"}, scope={"tenantTags": ["TagSets-1/Tags-0"]})

    with pytest.raises(InvalidConfig) as caught:
        plan_of(current, by_name)

    (said,) = caught.value.violations.values()
    assert "Choose from: TagSets-1/Tags-0." in said
    (written,) = sent(current, plan_of(current, by_id))
    assert written["Scope"] == {"TenantTag": ["TagSets-1/Tags-0"]}


def test_every_kind_of_scope_is_written_under_its_key() -> None:
    scope = {
        "environments": ["Environments-2", "Environments-1"],
        "roles": ["web-server"],
        "machines": ["Machines-1"],
        "processes": ["Projects-2"],
        "actions": ["action-1"],
        "channels": ["Channels-1"],
        "tenantTags": ["Tier/Gold", "Regions/us-east"],
    }
    current = variable_set()

    plan = plan_of(current, sync_request({"A": "value-a"}, scope=scope))

    assert sent(current, plan)[0]["Scope"] == {
        "Action": ["action-1"],
        "Channel": ["Channels-1"],
        "Environment": ["Environments-1", "Environments-2"],
        "Machine": ["Machines-1"],
        "ProcessOwner": ["Projects-2"],
        "Role": ["web-server"],
        "TenantTag": ["Regions/us-east", "Tier/Gold"],
    }


@pytest.mark.parametrize("scope_values", [None, {"Roles": []}])
def test_scope_ids_that_cannot_be_checked_are_a_warning(scope_values: Json | None) -> None:
    current = variable_set(scope_values=scope_values)

    plan = plan_of(current, sync_request({"A": "value-a"}, scope=DEV))

    assert plan.is_changed
    assert "could not be checked that scopeValues.environments exist" in plan.warnings[0]


def test_an_empty_value_replaces_a_row_that_has_one() -> None:
    mine = row("A", Description="keep", Prompt={"Label": "x"}, New=1)
    current = variable_set(row("B"), mine, row("C"))
    entry = entry_for(mine, "old value")

    plan = plan_of(current, sync_request({"A": ""}, ledger=[entry], known=[3]))

    expected = {key: value for key, value in mine.items() if key != "Id"} | {"Value": ""}
    assert sent(current, plan)[1] == expected
    assert told(plan) == [("A", "updated", "its value was changed")]
    assert [intent.identity for intent in plan.intents("3")] == [entry.identity]


def test_an_empty_value_that_is_stored_already_is_unchanged() -> None:
    mine = row("A")
    current = variable_set(mine)

    plan = plan_of(current, sync_request({"A": ""}, ledger=[entry_for(mine, "")], known=[3]))

    assert told(plan) == [("A", "unchanged", "")]


def test_an_empty_value_becomes_a_full_one_under_its_id() -> None:
    mine = row("A")
    current = variable_set(mine)

    plan = plan_of(current, sync_request({"A": "full"}, ledger=[entry_for(mine, "")], known=[3]))

    assert sent(current, plan) == [{**mine, "Value": "full"}]


def test_a_new_empty_value_is_a_deliberate_one() -> None:
    current = variable_set()

    (only,) = sent(current, plan_of(current, sync_request({"A": ""})))

    assert only["Value"] == ""
    assert "Id" not in only


def test_expressions_are_escaped_and_the_digest_is_of_what_is_written() -> None:
    current = variable_set()
    identity = identity_of("A", {})

    plan = plan_of(current, sync_request({"A": "x#{y}"}))

    assert sent(current, plan)[0]["Value"] == "x##{y}"
    assert told(plan) == [("A", "created", "#{ in its value is escaped")]
    assert plan.outcomes[0].entry is not None
    assert plan.outcomes[0].entry.digest == digest(identity, SecretValue("x##{y}"))
    assert plan.warnings == ()


def test_expressions_pass_through_if_asked_for() -> None:
    current = variable_set()
    request = sync_request({"A": "x#{y}", "B": "plain"}, config=config_of(octostache="passthrough"))

    plan = plan_of(current, request)

    assert sent(current, plan)[0]["Value"] == "x#{y}"
    assert [warning for warning in plan.warnings if "KEY_A" in warning]
    assert not [warning for warning in plan.warnings if "KEY_B" in warning]


def test_passthrough_of_plain_values_is_no_warning() -> None:
    request = sync_request({"B": "plain"}, config=config_of(octostache="passthrough"))

    assert plan_of(variable_set(), request).warnings == ()


def test_a_scope_without_any_choice_says_so() -> None:
    with pytest.raises(InvalidConfig) as caught:
        plan_of(
            variable_set(scope_values={"Environments": []}),
            sync_request({"A": "value-a"}, scope=DEV),
        )

    assert "Choose from: (none)." in caught.value.violations["scopeValues.environments"]


def test_a_switch_of_octostache_writes_the_values_that_it_matters_to() -> None:
    with_expression, plain = row("A"), row("B")
    current = variable_set(with_expression, plain)
    ledger = [entry_for(with_expression, "x##{y}"), entry_for(plain, "plain")]
    request = sync_request(
        {"A": "x#{y}", "B": "plain"},
        ledger=ledger,
        known=[3],
        config=config_of(octostache="passthrough"),
    )

    assert [action for _, action, _ in told(plan_of(current, request))] == ["updated", "unchanged"]


def names_warned_of(names: Iterable[str]) -> str:
    plan = plan_of(variable_set(), sync_request(dict.fromkeys(names, "long enough")))
    return " ".join(plan.warnings)


def test_names_that_no_deployment_can_refer_to_are_a_warning() -> None:
    said = names_warned_of(["a.b-c_d:e f/g~(h)", "Größe1", "odd|name", "b{c}", "d#e"])

    assert said.endswith(": odd|name, b{c}, d#e.")


def test_long_lists_in_warnings_are_cut() -> None:
    said = names_warned_of([f"odd|{number}" for number in range(25)])

    assert said.endswith("odd|19 and 5 more.")


def test_short_values_are_a_warning_that_names_their_keys() -> None:
    plan = plan_of(variable_set(), sync_request({"A": "abc", "B": "abcd", "C": "", "D": "d"}))

    (warning,) = plan.warnings
    assert warning.endswith("KEY_A, KEY_D.")
