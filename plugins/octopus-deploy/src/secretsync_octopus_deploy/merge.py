"""Merges what a sync wants into a variable set: pure, from one version of it to a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secretsync.adapter import (
    Action,
    ChangeKind,
    KeyResult,
    LedgerEntry,
    RemoveRequest,
    SyncRequest,
)
from secretsync_octopus_deploy.draft import Draft
from secretsync_octopus_deploy.hidden import warn_of_hidden
from secretsync_octopus_deploy.obstacles import Obstacle, find_obstacles
from secretsync_octopus_deploy.ownership import (
    DOUBTED,
    HIDDEN,
    Owned,
    Unconfirmed,
    is_ours,
    owned_entries,
)
from secretsync_octopus_deploy.plan import Outcome, Plan
from secretsync_octopus_deploy.rows import TEXT, Row, WrittenRow, identity_of
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.wishes import Wish, check_scope, warnings_for, wishes_of

CHANGED_BY_OTHERS = (
    "the variable set was changed by somebody else since its value was written, so it may have been"
    " changed"
)
ADOPTED = "takes over a sensitive variable of this name and scope that was already there"
CONVERTED = "makes a plain-text variable of this name and scope sensitive"
UNCERTAIN = "it is not certain what value it holds"
LEFT_TO_OTHERS = (
    "somebody else renamed the variable, gave it another scope or made it readable, so it was left"
    " alone"
)
NOT_VISIBLE = (
    "the variable is gone, or hidden from the connection's user; it is remembered and deleted if it"
    " shows up again"
)
COPY = "it has the same name and scope as a variable of this sync"
UNWANTED = "it matches the key schema, and the source does not have it"
DELETION_DISABLED = "deletion is disabled for this sync"


def plan_sync(current: VariableSet, request: SyncRequest, unconfirmed: Unconfirmed) -> Plan:
    """Return what makes the set hold exactly the desired secrets, as far as they are ours.

    Args:
        current: the variable set as it is now.
        request: what is wanted, and what is known of the past. Nothing in it is called that does
            I/O.
        unconfirmed: what an earlier attempt of the same run may have done.

    Returns:
        A plan that leaves every row of somebody else untouched and in its place.

    Raises:
        InvalidConfig: the wish breaks a rule; nothing must be written.
        PermissionDenied: the connection's user cannot see what was written.
    """
    plan, obstacles = merge_sync(current, request, unconfirmed)
    if obstacles:
        raise obstacles[0].error
    return plan


def merge_sync(
    current: VariableSet, request: SyncRequest, unconfirmed: Unconfirmed
) -> tuple[Plan, list[Obstacle]]:
    """Return what `plan_sync` does, and what is in its way instead of failing for it.

    With anything in its way nothing must be written; the plan is then about all other variables.

    Raises:
        InvalidConfig: the wish breaks a rule that is about no single variable.
    """
    wishes = wishes_of(request)
    warnings = [*check_scope(request.config, current), *warnings_for(request)]
    owned = owned_entries(current, request.ledger, request.claimed_by_others, request.written_from)
    owned = replace(owned, doubtful=owned.doubtful - _claimed_identities(owned, request))
    unconfirmed = unconfirmed.with_intents(current, request.ledger)
    is_known = current.version_text in request.known_versions
    # Without any version, it is a write of this service itself that nothing is certain after.
    doubt = CHANGED_BY_OTHERS if request.known_versions else UNCERTAIN
    draft = Draft(current, owned, unconfirmed, is_known, warnings=warnings)
    rows = current.rows_by_identity()
    obstacles = find_obstacles(wishes, owned, current, rows, request)
    obstructed = {wish.identity for obstacle in obstacles for wish, _ in obstacle.wishes}
    for wish in wishes:
        if wish.identity in obstructed:
            continue
        present = rows.get(wish.identity, [])
        if present:
            _keep_or_update(draft, wish, present, doubt, merges_copies=request.delete_missing)
        else:
            _create(draft, wish, request)
    desired = {wish.identity for wish in wishes}
    warn_of_hidden(draft, [one.name for one in owned.hidden if one.identity not in desired])
    leftovers = [entry for entry in owned.entries.values() if entry.identity not in desired]
    _delete(draft, leftovers, request.claimed_by_others, is_allowed=request.delete_missing)
    _delete_claimed(draft, request, desired)
    return draft.plan(), obstacles


def plan_removal(current: VariableSet, request: RemoveRequest, unconfirmed: Unconfirmed) -> Plan:
    """Return what takes away everything that the ledger lists and that still is ours."""
    owned = owned_entries(current, request.ledger, request.claimed_by_others, request.written_from)
    unconfirmed = unconfirmed.with_intents(current, request.ledger)
    is_known = current.version_text in request.known_versions
    draft = Draft(current, owned, unconfirmed, is_known)
    _delete(draft, list(owned.entries.values()), request.claimed_by_others, is_allowed=True)
    kept = [one.result.name for one in draft.outcomes if one.entry is not None]
    warn_of_hidden(draft, list(dict.fromkeys([*kept, *(one.name for one in owned.hidden)])))
    return draft.plan()


def _claimed_identities(owned: Owned, request: SyncRequest) -> frozenset[str]:
    """Return the doubtful identities that may be deleted all the same; see `claims`."""
    scope = request.config.scope_values.as_scope()
    return frozenset(
        identity
        for identity in owned.doubtful
        if identity == identity_of(owned.entries[identity].name, scope)
        and request.claims(owned.entries[identity].name)
    )


def _create(draft: Draft, wish: Wish, request: SyncRequest) -> None:
    earlier = draft.owned.entries.get(wish.identity)
    reasons = []
    if earlier is not None:
        reasons.append(
            "somebody else renamed the variable written before or gave it another scope"
            if earlier.remote_id in draft.rows_by_id
            else "the variable written before is no longer there"
        )
    scope = request.config.scope_values.as_scope()
    draft.added.append(WrittenRow.new(wish.name, scope, wish.value, wish.comment))
    reasons.extend(_escape_note(wish))
    draft.outcomes.append(_desired(wish, Action.CREATED, ChangeKind.CREATE, reasons, None))


def _keep_or_update(
    draft: Draft, wish: Wish, present: Sequence[Row], doubt: str, *, merges_copies: bool
) -> None:
    entry = draft.owned.entries.get(wish.identity)
    ours = next((row for row in present if entry is not None and row.id == entry.remote_id), None)
    row = ours or present[0]
    doubt = "" if draft.values_are_known else doubt
    value_reasons = _value_reasons(wish, row, entry if ours else None, doubt)
    reasons = list(value_reasons)
    if row.name != wish.name:
        reasons.append(f"the letter case of its name was changed from {row.label}")
    if wish.comment and row.fields.get("Description") != wish.comment:
        reasons.append("its description was changed")
    if row.type == TEXT:
        draft.warnings.append(f"{wish.name} is made sensitive; it was a plain-text variable.")
    if reasons:
        value = wish.value if value_reasons else None
        written = WrittenRow.revised(row, name=wish.name, value=value, comment=wish.comment)
        draft.replaced[id(row)] = written
        if value_reasons:
            reasons.extend(_escape_note(wish))
        is_creation = wish.identity in draft.unconfirmed.created
        action = Action.CREATED if is_creation else Action.UPDATED
        kind = _kind_of_update(row, is_ours=ours is not None)
        draft.outcomes.append(_desired(wish, action, kind, reasons, written.id))
    else:
        unchanged = _desired(wish, Action.UNCHANGED, ChangeKind.UNCHANGED, [], row.id)
        draft.outcomes.append(unchanged)
    copies = [other for other in present if other is not row]
    if copies:
        _merge_copies(draft, wish, copies, is_allowed=merges_copies)


def _merge_copies(draft: Draft, wish: Wish, copies: Sequence[Row], *, is_allowed: bool) -> None:
    """Delete further rows of the name and scope of a wish, each with a result of its own."""
    found = f"{wish.name} was there {len(copies) + 1} times with the same scope"
    if not is_allowed:
        draft.warnings.append(
            f"{found}; the others are left alone, because {DELETION_DISABLED}. Which of them a"
            " deployment sees is not defined."
        )
        return
    draft.warnings.append(f"{found}; one is kept.")
    for copy in copies:
        draft.delete_foreign(copy, COPY)


def _value_reasons(wish: Wish, row: Row, entry: LedgerEntry | None, doubt: str) -> list[str]:
    """Return why the value must be written; nothing if the row certainly has it.

    Args:
        wish: the variable as it is to be.
        row: the row that holds it, or will.
        entry: the ledger's entry for that very row, or None if the row is not ours.
        doubt: why values may be others than were written; empty if they certainly are not.
    """
    if row.type == TEXT:
        return [CONVERTED]
    if entry is None:
        return [ADOPTED]
    if entry.digest not in {wish.digest, DOUBTED, HIDDEN}:
        return ["its value was changed"]
    if entry.version is None:
        return [UNCERTAIN]
    return [doubt] if doubt else []


def _delete(
    draft: Draft,
    entries: Sequence[LedgerEntry],
    claimed_by_others: Mapping[str, str],
    *,
    is_allowed: bool,
) -> None:
    for entry in entries:
        row = draft.rows_by_id.get(entry.remote_id or "")
        if row is None and entry.remote_id in draft.unconfirmed.deleted:
            draft.forget(entry, Action.DELETED)
        elif row is None:
            draft.keep(entry, NOT_VISIBLE)
        elif not is_ours(entry, row) or entry.identity in claimed_by_others:
            draft.forget(entry, Action.SKIPPED, LEFT_TO_OTHERS)
        elif entry.identity in draft.owned.doubtful:
            draft.leave(entry)
        elif not is_allowed:
            draft.keep(entry, DELETION_DISABLED, is_certain=draft.values_are_known)
        else:
            draft.delete(entry, row)


def _delete_claimed(draft: Draft, request: SyncRequest, desired: set[str]) -> None:
    scope = request.config.scope_values.as_scope()
    for row in draft.current.rows:
        if (
            row.is_sensitive
            and row.scope == scope
            and row.identity not in desired
            and row.identity not in request.claimed_by_others
            and id(row) not in draft.replaced
            and request.claims(row.name)
        ):
            draft.delete_foreign(row, UNWANTED)


def _kind_of_update(row: Row, *, is_ours: bool) -> ChangeKind:
    """Return what overwriting a row is, which may have become readable while it was ours."""
    if row.type == TEXT:
        return ChangeKind.CONVERT
    return ChangeKind.UPDATE if is_ours else ChangeKind.ADOPT


def _desired(
    wish: Wish, action: Action, kind: ChangeKind, reasons: Sequence[str], remote_id: str | None
) -> Outcome:
    result = KeyResult(key=wish.key, name=wish.name, action=action, reason="; ".join(reasons))
    entry = LedgerEntry(
        key=wish.key,
        name=wish.name,
        identity=wish.identity,
        remote_id=remote_id,
        digest=wish.digest,
    )
    return Outcome(result=result, kind=kind, identity=wish.identity, entry=entry, is_desired=True)


def _escape_note(wish: Wish) -> list[str]:
    return ["#{ in its value is escaped"] if wish.is_escaped else []
