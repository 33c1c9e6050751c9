"""A plan in the making: what is sent in place of which row, and what is reported of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from secretsync.adapter import Action, ChangeKind, KeyResult, LedgerEntry
from secretsync_octopus_deploy.ownership import Owned, Unconfirmed
from secretsync_octopus_deploy.plan import Outcome, Plan
from secretsync_octopus_deploy.rows import Row, WrittenRow
from secretsync_octopus_deploy.variable_set import VariableSet

CANNOT_TELL = (
    "a run was cut short when it was about to create this variable, and the set was changed since,"
    " so it cannot be told whose it is; it was left alone"
)


@dataclass(slots=True)
class Draft:
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
        dropped: identities whose intents led to nothing.
    """

    current: VariableSet
    owned: Owned
    unconfirmed: Unconfirmed
    values_are_known: bool
    replaced: dict[int, WrittenRow | None] = field(default_factory=dict)
    added: list[WrittenRow] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    rows_by_id: Mapping[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self.rows_by_id = self.current.rows_by_id()

    def delete(self, entry: LedgerEntry, row: Row) -> None:
        """Delete a row of ours."""
        self.replaced[id(row)] = None
        result = KeyResult(key=entry.key, name=entry.name, action=Action.DELETED)
        self.outcomes.append(
            Outcome(
                result=result,
                kind=ChangeKind.DELETE,
                identity=entry.identity,
                deleted_id=row.id,
                deleted_entry=entry,
            )
        )

    def delete_foreign(self, row: Row, reason: str) -> None:
        """Delete a row that the ledger does not know."""
        self.replaced[id(row)] = None
        result = KeyResult(key="", name=row.label, action=Action.DELETED, reason=reason)
        self.outcomes.append(
            Outcome(result=result, kind=ChangeKind.DELETE, identity=row.identity, deleted_id=row.id)
        )

    def forget(self, entry: LedgerEntry, action: Action, reason: str = "") -> None:
        """Report what became of an entry, and drop it from the ledger."""
        result = KeyResult(key=entry.key, name=entry.name, action=action, reason=reason)
        kind = ChangeKind.DELETE if action is Action.DELETED else ChangeKind.BLOCKED
        self.outcomes.append(Outcome(result=result, kind=kind, identity=entry.identity))

    def keep(self, entry: LedgerEntry, reason: str, *, is_certain: bool = False) -> None:
        """Leave an entry in the ledger, and say why.

        Args:
            entry: the entry.
            reason: for people.
            is_certain: whether its row certainly still holds the value of the entry.
        """
        result = KeyResult(key=entry.key, name=entry.name, action=Action.SKIPPED, reason=reason)
        kept = entry if is_certain else replace(entry, version=None)
        self.outcomes.append(
            Outcome(result=result, kind=ChangeKind.BLOCKED, identity=entry.identity, entry=kept)
        )

    def leave(self, entry: LedgerEntry) -> None:
        """Leave a row alone that may be somebody else's, and forget about it."""
        self.dropped.add(entry.identity)
        self.forget(entry, Action.SKIPPED, CANNOT_TELL)

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
            recovered=tuple(
                entry for entry in self.owned.recovered if entry.identity not in self.dropped
            ),
        )
