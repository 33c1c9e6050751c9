"""Compares a variable set read after a write with what was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        warnings: what became of rows that are not ours although nobody else was at work.
    """

    problems: tuple[str, ...]
    ids: Mapping[str, str]
    is_only_change: bool
    warnings: tuple[str, ...] = ()


def verify(before: VariableSet, plan: Plan, after: VariableSet) -> Verdict:
    """Check that every row of ours is there as planned, and every other row as it was.

    Rows of others are compared only if no one else changed the set in between: a difference is
    then the server's doing, and is reported. Otherwise it is what the other one wanted.

    Args:
        before: the set that the plan was made for.
        plan: what was sent.
        after: the set as it was read after that.
    """
    problems: list[str] = []
    ids: dict[str, str] = {}
    rows = after.rows_by_identity()
    for outcome in plan.outcomes:
        entry = outcome.entry
        if entry is None or not outcome.is_desired:
            continue
        found = rows.get(entry.identity, [])
        problem = _problem_with(found, outcome.result.name, entry.remote_id)
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
    is_only_change = after.version == before.version + 1
    warnings = _changed_foreign_rows(plan, after) if is_only_change else ()
    return Verdict(
        problems=tuple(problems), ids=ids, is_only_change=is_only_change, warnings=warnings
    )


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
        return f"{name} is spelled {row.name}"
    if row.id is None or expected_id not in {None, row.id}:
        return f"{name} is another variable than the one that was written"
    return ""


def _changed_foreign_rows(plan: Plan, after: VariableSet) -> tuple[str, ...]:
    ours = {one.entry.identity for one in plan.outcomes if one.is_desired and one.entry}
    present = after.rows_by_id()
    changed = [
        row.name
        for row in plan.rows
        if isinstance(row, Row)
        and row.id
        and row.identity not in ours
        and (row.id not in present or present[row.id].fields != row.fields)
    ]
    if not changed:
        return ()
    named = ", ".join(changed[:_MAX_NAMED])
    warning = "variables that are not this sync's were sent unchanged and came back different"
    return (f"{len(changed)} {warning}: {named}.",)
