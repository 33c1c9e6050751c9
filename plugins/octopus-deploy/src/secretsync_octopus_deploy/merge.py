"""Merges what a sync wants into a variable set: pure, from one version of it to a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from secretsync.adapter import (
    Action,
    InvalidConfig,
    KeyResult,
    LedgerEntry,
    RemoveRequest,
    SyncRequest,
)
from secretsync_octopus_deploy.ownership import Owned, Unconfirmed, is_ours, owned_entries
from secretsync_octopus_deploy.plan import Outcome, Plan
from secretsync_octopus_deploy.rows import SENSITIVE, TEXT, Row, WrittenRow
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.wishes import Wish, check_scope, warnings_for, wishes_of

CHANGED_BY_OTHERS = (
    "the variable set was changed by somebody else since the last run, so its value was written"
    " again"
)
ADOPTED = "a sensitive variable of this name and scope was already there and was taken over"
CONVERTED = "a plain-text variable of this name and scope was there and was made sensitive"
UNCERTAIN = "it is not certain what value it holds, so it was written again"
LEFT_TO_OTHERS = (
    "somebody else renamed the variable, gave it another scope or made it readable, so it was left"
    " alone"
)
NOT_VISIBLE = (
    "the variable is gone, or hidden from this API key; it is remembered and deleted if it shows"
    " up again"
)
DELETION_DISABLED = "deletion is disabled for this sync"


@dataclass(slots=True)
class _Merge:
    """A plan in the making.

    Attributes:
        current: the set as it was read.
        owned: what is ours.
        unconfirmed: see `plan_sync`.
        values_are_known: whether nobody else can have changed values since they were written.
        rows_by_id: the rows that were read.
        replaced: what is sent instead of a row that was read, by its `id()`; None deletes it.
        added: rows to send behind the others.
        outcomes: see `Plan`.
        warnings: see `Plan`.
    """

    current: VariableSet
    owned: Owned
    unconfirmed: Unconfirmed
    values_are_known: bool
    replaced: dict[int, WrittenRow | None] = field(default_factory=dict)
    added: list[WrittenRow] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows_by_id: Mapping[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self.rows_by_id = self.current.rows_by_id()

    def delete(self, entry: LedgerEntry, row: Row) -> None:
        """Delete a row of ours."""
        self.replaced[id(row)] = None
        result = KeyResult(key=entry.key, name=entry.name, action=Action.DELETED)
        self.outcomes.append(Outcome(result=result, deleted_id=row.id, deleted_entry=entry))

    def forget(self, entry: LedgerEntry, action: Action, reason: str = "") -> None:
        """Report what became of an entry, and drop it from the ledger."""
        result = KeyResult(key=entry.key, name=entry.name, action=action, reason=reason)
        self.outcomes.append(Outcome(result=result))

    def keep(self, entry: LedgerEntry, reason: str, *, is_certain: bool = False) -> None:
        """Leave an entry in the ledger, and say why.

        Args:
            entry: the entry.
            reason: for people.
            is_certain: whether its row certainly still holds the value of the entry.
        """
        result = KeyResult(key=entry.key, name=entry.name, action=Action.SKIPPED, reason=reason)
        kept = entry if is_certain else replace(entry, version=None)
        self.outcomes.append(Outcome(result=result, entry=kept))

    def plan(self) -> Plan:
        """Return the plan as it stands."""
        rows: list[Row | WrittenRow] = []
        for row in self.current.rows:
            sent = self.replaced.get(id(row), row)
            if sent is not None:
                rows.append(sent)
        return Plan(
            rows=(*rows, *self.added),
            outcomes=tuple(self.outcomes),
            is_changed=bool(self.replaced or self.added),
            warnings=tuple(self.warnings),
            recovered=tuple(self.owned.recovered.values()),
        )


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
    """
    wishes = wishes_of(request)
    warnings = [*check_scope(request.config, current), *warnings_for(request)]
    ledger = (*request.ledger, *unconfirmed.created)
    owned = owned_entries(current, ledger, request.claimed_by_others)
    unconfirmed = unconfirmed.with_intents(current, request.ledger)
    is_known = current.version_text in request.known_versions
    merge = _Merge(current, owned, unconfirmed, is_known, warnings=warnings)
    rows = current.rows_by_identity()
    _check_types(wishes, rows)
    for wish in wishes:
        present = rows.get(wish.identity, [])
        if present:
            _keep_or_update(merge, wish, present)
        else:
            _create(merge, wish, request)
    desired = {wish.identity for wish in wishes}
    leftovers = [entry for entry in owned.entries.values() if entry.identity not in desired]
    _delete(merge, leftovers, request.claimed_by_others, is_allowed=request.delete_missing)
    _delete_claimed(merge, request, desired)
    return merge.plan()


def plan_removal(current: VariableSet, request: RemoveRequest, unconfirmed: Unconfirmed) -> Plan:
    """Return what takes away everything that the ledger lists and that still is ours."""
    owned = owned_entries(current, request.ledger, request.claimed_by_others)
    unconfirmed = unconfirmed.with_intents(current, request.ledger)
    is_known = current.version_text in request.known_versions
    merge = _Merge(current, owned, unconfirmed, is_known)
    _delete(merge, list(owned.entries.values()), request.claimed_by_others, is_allowed=True)
    return merge.plan()


def _check_types(wishes: Sequence[Wish], rows: Mapping[str, Sequence[Row]]) -> None:
    refused = [
        f"{row.name} (type {row.type})"
        for wish in wishes
        for row in rows.get(wish.identity, [])
        if row.type not in {SENSITIVE, TEXT}
    ]
    if refused:
        raise InvalidConfig(
            "Variables of the same name and scope exist whose type cannot hold a secret:"
            f" {', '.join(refused)}. Nothing was changed.",
            violations={"scopeValues": "names of this sync are taken by variables of other types"},
            hint="Rename the secret, change the key schema or scope, or delete that variable.",
        )


def _create(merge: _Merge, wish: Wish, request: SyncRequest) -> None:
    earlier = merge.owned.entries.get(wish.identity)
    reasons = []
    if earlier is not None:
        reasons.append(
            "somebody else renamed the variable written before or gave it another scope"
            if earlier.remote_id in merge.rows_by_id
            else "the variable written before is no longer there"
        )
    scope = request.config.scope_values.as_scope()
    merge.added.append(WrittenRow.new(wish.name, scope, wish.value, wish.comment))
    merge.outcomes.append(_desired(wish, Action.CREATED, [*reasons, *_escape_note(wish)], None))


def _keep_or_update(merge: _Merge, wish: Wish, present: Sequence[Row]) -> None:
    entry = merge.owned.entries.get(wish.identity)
    ours = next((row for row in present if entry is not None and row.id == entry.remote_id), None)
    row = ours or present[0]
    duplicates = [other for other in present if other is not row]
    value_reasons = _value_reasons(wish, row, entry if ours else None, known=merge.values_are_known)
    reasons = list(value_reasons)
    if row.name != wish.name:
        reasons.append(f"the letter case of its name was changed from {row.name}")
    if wish.comment and row.fields.get("Description") != wish.comment:
        reasons.append("its description was changed")
    if duplicates:
        count = len(duplicates)
        reasons.append(f"{count} more of the same name and scope were merged into this one")
        merge.warnings.append(
            f"{wish.name} was there {count + 1} times with the same scope; one was kept."
        )
    if row.type == TEXT:
        merge.warnings.append(f"{wish.name} was a plain-text variable; it is sensitive now.")
    if not reasons:
        merge.outcomes.append(_desired(wish, Action.UNCHANGED, [], row.id))
        return
    value = wish.value if value_reasons else None
    written = WrittenRow.revised(row, name=wish.name, value=value, comment=wish.comment)
    merge.replaced[id(row)] = written
    merge.replaced.update({id(other): None for other in duplicates})
    if value_reasons:
        reasons.extend(_escape_note(wish))
    is_creation = wish.identity in merge.unconfirmed.created_identities()
    action = Action.CREATED if is_creation else Action.UPDATED
    merge.outcomes.append(_desired(wish, action, reasons, written.id))


def _value_reasons(wish: Wish, row: Row, entry: LedgerEntry | None, *, known: bool) -> list[str]:
    """Return why the value must be written; nothing if the row certainly has it.

    Args:
        wish: the variable as it is to be.
        row: the row that holds it, or will.
        entry: the ledger's entry for that very row, or None if the row is not ours.
        known: whether nobody else can have changed values since they were written.
    """
    if row.type == TEXT:
        return [CONVERTED]
    if entry is None:
        return [ADOPTED]
    if entry.digest != wish.digest:
        return ["its value was changed"]
    if entry.version is None:
        return [UNCERTAIN]
    return [] if known else [CHANGED_BY_OTHERS]


def _delete(
    merge: _Merge,
    entries: Sequence[LedgerEntry],
    claimed_by_others: Mapping[str, str],
    *,
    is_allowed: bool,
) -> None:
    for entry in entries:
        row = merge.rows_by_id.get(entry.remote_id or "")
        if row is None and entry.remote_id in merge.unconfirmed.deleted:
            merge.forget(entry, Action.DELETED)
        elif row is None:
            merge.keep(entry, NOT_VISIBLE)
        elif not is_ours(entry, row) or entry.identity in claimed_by_others:
            merge.forget(entry, Action.SKIPPED, LEFT_TO_OTHERS)
        elif not is_allowed:
            merge.keep(entry, DELETION_DISABLED, is_certain=merge.values_are_known)
        else:
            merge.delete(entry, row)


def _delete_claimed(merge: _Merge, request: SyncRequest, desired: set[str]) -> None:
    scope = request.config.scope_values.as_scope()
    for row in merge.current.rows:
        if (
            row.is_sensitive
            and row.scope == scope
            and row.identity not in desired
            and row.identity not in request.claimed_by_others
            and id(row) not in merge.replaced
            and request.claims(row.name)
        ):
            merge.replaced[id(row)] = None
            reason = "it matches the key schema, and the source does not have it"
            result = KeyResult(key="", name=row.name, action=Action.DELETED, reason=reason)
            merge.outcomes.append(Outcome(result=result, deleted_id=row.id))


def _desired(wish: Wish, action: Action, reasons: Sequence[str], remote_id: str | None) -> Outcome:
    result = KeyResult(key=wish.key, name=wish.name, action=action, reason="; ".join(reasons))
    entry = LedgerEntry(
        key=wish.key,
        name=wish.name,
        identity=wish.identity,
        remote_id=remote_id,
        digest=wish.digest,
    )
    return Outcome(result=result, entry=entry, is_desired=True)


def _escape_note(wish: Wish) -> list[str]:
    return ["#{ in its value is escaped"] if wish.is_escaped else []
