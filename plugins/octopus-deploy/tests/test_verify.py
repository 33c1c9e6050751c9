"""What reading a set again after a write shows to be wrong with it."""

from typing import Any

import pytest
from octopus_kit import digest, row, sync_request, variable_set

from secretsync.adapter import LedgerEntry, SecretValue
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.rows import identity_of
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.verify import Verdict, verify

Json = dict[str, Any]

MINE = row("A")
OLD = row("Old")
THEIRS = row("Theirs", Type="String", Value="x", Notes=1.5)
NEW = row("New")


def entry_for(variable: Json, value: str) -> LedgerEntry:
    identity = identity_of(variable["Name"], {})
    return LedgerEntry(
        key="KEY",
        name=variable["Name"],
        identity=identity,
        remote_id=variable["Id"],
        digest=digest(identity, SecretValue(value)),
        version="3",
    )


def planned() -> tuple[VariableSet, Plan]:
    """Return a set and a plan that updates A, creates New and deletes Old."""
    before = variable_set(MINE, OLD, THEIRS)
    ledger = [entry_for(MINE, "old value"), entry_for(OLD, "value")]
    request = sync_request({"A": "new value", "New": "value"}, ledger=ledger, known=[3])
    return before, merge.plan_sync(before, request, Unconfirmed())


def found(*rows: Json, version: int = 4) -> Verdict:
    before, plan = planned()
    return verify(before, plan, variable_set(*rows, version=version))


def test_everything_as_planned() -> None:
    verdict = found(MINE, THEIRS, NEW)

    assert verdict.problems == ()
    assert verdict.warnings == ()
    assert verdict.is_only_change
    assert verdict.ids == {identity_of("A", {}): MINE["Id"], identity_of("New", {}): NEW["Id"]}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([MINE], "New is missing"),
        ([NEW], "A is missing"),
        ([MINE, NEW, OLD], "Old was not deleted"),
        ([MINE, NEW, row("NEW")], "New is there 2 times"),
        ([MINE, {**NEW, "Type": "String", "IsSensitive": False}], "New is not sensitive"),
        ([MINE, {**NEW, "Name": "nEW"}], "New is spelled nEW"),
        ([MINE, {**NEW, "Id": None}], "New is another variable than the one that was written"),
        ([{**MINE, "Id": "x"}, NEW], "A is another variable than the one that was written"),
        ([{**MINE, "Scope": {"Role": ["web"]}}, NEW], "A is missing"),
    ],
)
@pytest.mark.parametrize("version", [4, 5])
def test_what_is_not_as_planned(rows: list[Json], problem: str, version: int) -> None:
    assert found(*rows, THEIRS, version=version).problems == (problem,)


@pytest.mark.parametrize("version", [3, 2])
def test_a_version_that_does_not_grow_is_a_problem(version: int) -> None:
    verdict = found(MINE, THEIRS, NEW, version=version)

    assert verdict.problems == (f"its version is still {version}",)
    assert verdict.at_most_one_change
    assert not verdict.is_only_change


def test_a_row_that_was_created_and_cannot_be_seen_is_hidden_if_nobody_else_was_at_work() -> None:
    assert found(MINE, THEIRS).hidden == {identity_of("New", {}): "New"}
    assert found(MINE, THEIRS, row("New2")).hidden == {}
    assert found(MINE).hidden == {}
    assert found(MINE, THEIRS, version=5).hidden == {}
    assert found(THEIRS, NEW).hidden == {}


def test_a_foreign_row_that_came_on_top_is_told() -> None:
    verdict = found(MINE, NEW, THEIRS, row("More"))

    assert verdict.problems == ()
    assert not verdict.is_only_change
    assert verdict.warnings[0].endswith(": More.")


@pytest.mark.parametrize("theirs", [[], [{**THEIRS, "Value": "y"}], [{**THEIRS, "Notes": 1.25}]])
def test_foreign_rows_that_came_back_different_are_told(theirs: list[Json]) -> None:
    verdict = found(MINE, NEW, *theirs)

    assert verdict.problems == ()
    assert not verdict.is_only_change
    (warning,) = verdict.warnings
    assert warning.startswith("1 variables that are not this sync's came back different")
    assert warning.endswith(": Theirs.")


def test_foreign_rows_that_somebody_else_changed_are_none_of_our_business() -> None:
    verdict = found(MINE, NEW, version=5)

    assert not verdict.is_only_change
    assert verdict.warnings == ()


def test_a_foreign_row_without_id_is_not_looked_for() -> None:
    before = variable_set({**THEIRS, "Id": None})
    plan = merge.plan_sync(before, sync_request({"New": "value"}), Unconfirmed())

    verdict = verify(before, plan, variable_set(THEIRS, NEW, version=4))

    assert (verdict.problems, verdict.warnings) == ((), ())
