"""What one run is about to do to a variable set, before anything is sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from secretsync.adapter import Action, ChangeKind, KeyResult, LedgerEntry, SecretValue
from secretsync_octopus_deploy.rows import Row, WrittenRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of one key.

    Attributes:
        result: what is reported.
        kind: what is done, as plans tell it.
        identity: see `identity_of`.
        entry: what the new ledger has for it; None if nothing. Its `remote_id` is None if the
            write gives the row a new id.
        is_desired: whether the row must be in the set afterwards.
        deleted_id: id of the row that is deleted, if any.
        deleted_entry: what the ledger had for that row, if it had anything.
    """

    result: KeyResult
    kind: ChangeKind
    identity: str
    entry: LedgerEntry | None = None
    is_desired: bool = False
    deleted_id: str | None = None
    deleted_entry: LedgerEntry | None = None

    @property
    def is_creation(self) -> bool:
        """Whether the write makes a row with a new id."""
        return self.is_desired and self.entry is not None and self.entry.remote_id is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole of a run's changes to one version of a variable set.

    Attributes:
        rows: the variables to send; rows that are not touched are the very objects that were read.
        outcomes: one for each key that is desired, deleted or skipped.
        is_changed: whether there is anything to send.
        warnings: for people; never a value.
        recovered: what must be made durable of earlier writes, whatever becomes of this one: see
            `Owned.recovered`.
    """

    rows: tuple[Row | WrittenRow, ...] = field(repr=False)
    outcomes: tuple[Outcome, ...]
    is_changed: bool
    warnings: tuple[str, ...] = ()
    recovered: tuple[LedgerEntry, ...] = ()

    def intents(self, version: str) -> tuple[LedgerEntry, ...]:
        """Return an unconfirmed entry for whatever must not be forgotten if the process dies.

        Those are the rows that the write creates (without id) and the rows of ours that it deletes
        (with their ids). What is recovered of earlier writes comes with them.

        Args:
            version: the version of the set that the write is based on.
        """
        intents = {entry.identity: entry for entry in self.recovered if not entry.confirmed}
        for outcome in self.outcomes:
            entry = outcome.deleted_entry
            # What only an intent knows would be forgotten if that gave way to one to delete it.
            if entry is not None and entry.identity not in intents:
                intents[entry.identity] = replace(entry, version=version, confirmed=False)
        intents |= {entry.identity: entry for entry in self.creations(version)}
        confirmed = (entry for entry in self.recovered if entry.confirmed)
        return (*confirmed, *intents.values())

    def marked_intents(
        self, version: str, mark: str, identities: Collection[str] | None = None
    ) -> tuple[LedgerEntry, ...]:
        """Return the intents with a mark in place of the digest of those that this write has.

        Args:
            version: the version of the set that the write is based on.
            mark: `DOUBTED` or `HIDDEN`.
            identities: those to be marked; all of this write by default.
        """
        earlier = set(self.recovered)
        return tuple(
            replace(intent, digest=mark)
            if intent not in earlier and (identities is None or intent.identity in identities)
            else intent
            for intent in self.intents(version)
        )

    def creations(self, version: str) -> tuple[LedgerEntry, ...]:
        """Return an unconfirmed entry for each row that the write creates.

        Args:
            version: the version of the set that the write is based on.
        """
        return tuple(
            replace(outcome.entry, version=version, confirmed=False)
            for outcome in self.outcomes
            if outcome.is_creation and outcome.entry is not None
        )

    def created_identities(self) -> frozenset[str]:
        """Return the identities of the rows that the write creates."""
        return frozenset(
            one.entry.identity for one in self.outcomes if one.is_creation and one.entry is not None
        )

    def deleted_ids(self) -> frozenset[str]:
        """Return the ids of the rows that the write deletes."""
        return frozenset(one.deleted_id for one in self.outcomes if one.deleted_id is not None)

    def overwrites_values(self) -> bool:
        """Tell whether the write gives a new value to a row that stays, which cannot be seen."""
        return any(
            isinstance(row, WrittenRow) and row.id is not None and row.value is not None
            for row in self.rows
        )

    def values(self) -> list[SecretValue]:
        """Return the values that the write sends, for removal from whatever is reported of it."""
        return [
            row.value for row in self.rows if isinstance(row, WrittenRow) and row.value is not None
        ]

    def desired_names(self) -> dict[str, str]:
        """Return the names of the variables that are wanted, by identity."""
        return {
            outcome.entry.identity: outcome.entry.name
            for outcome in self.outcomes
            if outcome.is_desired and outcome.entry is not None
        }

    def count(self, actions: Sequence[Action]) -> int:
        """Return how many keys have one of these actions."""
        return sum(outcome.result.action in actions for outcome in self.outcomes)

    def ledger(self, version: str | None, new_ids: Mapping[str, str]) -> tuple[LedgerEntry, ...]:
        """Return the ledger after it was done.

        Args:
            version: the version of the set at which the desired rows certainly hold their values;
                None if somebody else may have changed them since they were written.
            new_ids: ids of rows by identity, for those that did not have one before.
        """
        entries = []
        for outcome in self.outcomes:
            entry = outcome.entry
            if entry is None:
                continue
            if outcome.is_desired:
                remote_id = entry.remote_id or new_ids.get(entry.identity)
                entry = replace(entry, remote_id=remote_id, version=version)
            elif version is None:
                entry = replace(entry, version=None)
            entries.append(entry)
        return tuple(entries)
