"""Compares a variable set read after a write with what was written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.rows import Row
from secretsync_octopus_deploy.variable_set import VariableSet

_MAX_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    Attributes:
        problems: what is not as it was written; empty if the write took place as planned.
        ids: per identity of a desired row, the id that the server has for it.
        is_only_change: whether exactly one change was made to the set since it was read: ours.
        at_most_one_change: whether the version grew by one at most, so that no later write of
            somebody else explains a problem.
        warnings: what became of rows that are not ours although at most one change was made. It is
            the server's doing; or the change was somebody else's, and the write was lost.
        hidden: identities of rows that were created and cannot be seen, to the names.
    """

    problems: tuple[str, ...]
    ids: Mapping[str, str]
    is_only_change: bool
    at_most_one_change: bool
    warnings: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)


def verify(before: VariableSet, plan: Plan, after: VariableSet) -> Verdict:
    """Check that every row of ours is there as planned, and every other row as it was.

    Rows of others are compared only if the version grew by one: a difference is then the server's
    doing, or somebody else's while our write was lost. Otherwise it is what the other one wanted.

    Args:
        before: the set that the plan was made for.
        plan: what was sent.
        after: the set as it was read after that.
    """
    problems: list[str] = []
    missing: dict[str, str] = {}
    ids: dict[str, str] = {}
    rows = after.rows_by_identity()
    untouched = _untouched_ids(plan)
    for outcome in plan.outcomes:
        entry = outcome.entry
        if entry is None or not outcome.is_desired:
            continue
        name = outcome.result.name
        # Further rows of its identity that were sent back as they came.
        copies = untouched.get(entry.identity, set()) - {entry.remote_id}
        found = [row for row in rows.get(entry.identity, []) if row.id not in copies]
        problem = _problem_with(found, name, entry.remote_id)
        if outcome.is_creation and not found:
            missing[entry.identity] = name
        if problem:
            problems.append(problem)
        else:
            ids[entry.identity] = found[0].id or ""
    present_ids = after.rows_by_id()
    problems.extend(
        f"{outcome.result.name} was not deleted"
        for outcome in plan.outcomes
        if outcome.deleted_id is not None and outcome.deleted_id in present_ids
    )
    if after.version <= before.version:
        problems.append(f"its version is still {after.version}")
    is_one_step = after.version == before.version + 1
    warnings = _changed_foreign_rows(plan, after) if is_one_step else ()
    is_only_change = is_one_step and not warnings
    return Verdict(
        problems=tuple(problems),
        ids=ids,
        is_only_change=is_only_change,
        at_most_one_change=after.version <= before.version + 1,
        warnings=warnings,
        hidden=missing if is_only_change else {},
    )


def _untouched_ids(plan: Plan) -> dict[str, set[str | None]]:
    """Return, by identity, the ids of the rows that were sent back as they came."""
    found: dict[str, set[str | None]] = defaultdict(set)
    for row in plan.rows:
        if isinstance(row, Row):
            found[row.identity].add(row.id)
    return found


def _problem_with(found: Sequence[Row], name: str, expected_id: str | None) -> str:
    """Return what is wrong with the rows of one identity; nothing if it is the one as written.

    Args:
        found: the rows of that identity.
        name: the name as it was written.
        expected_id: the id that was sent, None if the server was to choose one.
    """
    if not found:
        return f"{name} is missing"
    if len(found) > 1:
        return f"{name} is there {len(found)} times"
    row = found[0]
    if not row.is_sensitive:
        return f"{name} is not sensitive"
    if row.name != name:
        return f"{name} is spelled {row.label}"
    if row.id is None or expected_id not in {None, row.id}:
        return f"{name} is another variable than the one that was written"
    return ""


def _changed_foreign_rows(plan: Plan, after: VariableSet) -> tuple[str, ...]:
    ours = {one.entry.identity for one in plan.outcomes if one.is_desired and one.entry}
    present = after.rows_by_id()
    sent = [row for row in plan.rows if isinstance(row, Row) and row.identity not in ours]
    changed = [
        row.label
        for row in sent
        if row.id and (row.id not in present or present[row.id].fields != row.fields)
    ]
    sent_ids = {row.id for row in sent}
    # A row that had no id has one now.
    without_id = {row.identity for row in sent if not row.id}
    deleted = plan.deleted_ids()
    added = [
        row.label
        for row in after.rows
        if row.identity not in ours
        and row.id not in sent_ids
        and row.id not in deleted
        and row.identity not in without_id
    ]
    different = [*changed, *added]
    if not different:
        return ()
    named = ", ".join(different[:_MAX_NAMED])
    warning = "variables that are not this sync's came back different from what was sent"
    return (f"{len(different)} {warning}: {named}.",)
