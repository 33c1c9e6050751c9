"""Tells which rows of a variable set are this sync's, from its ledger and from what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from secretsync.adapter import LedgerEntry
from secretsync_octopus_deploy.rows import Row
from secretsync_octopus_deploy.variable_set import VariableSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """What writes did that were sent, and whose success was never seen.

    Attributes:
        created: ledger entries of the rows that they create.
        deleted: ids of the rows that they delete.
    """

    created: tuple[LedgerEntry, ...] = ()
    deleted: frozenset[str] = frozenset()

    def created_identities(self) -> frozenset[str]:
        """Return the identities of the rows that may have been created."""
        return frozenset(entry.identity for entry in self.created)

    def with_intents(self, current: VariableSet, ledger: Sequence[LedgerEntry]) -> "Unconfirmed":
        """Return this with the deletions that a run which died was about to make.

        They were not made if the set still has the version that they were based on.
        """
        deleted = {
            intent.remote_id
            for intent in ledger
            if not intent.confirmed
            and intent.remote_id is not None
            and intent.version != current.version_text
        }
        return replace(self, deleted=self.deleted | deleted)

    @property
    def is_empty(self) -> bool:
        """Whether there was no such write."""
        return not self.created and not self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What is this sync's.

    Attributes:
        entries: per identity, the confirmed entry, in the ledger's order. Those that come from an
            intent have no version: it is not certain what value their rows hold.
        recovered: per identity, the intent that such an entry comes from.
    """

    entries: Mapping[str, LedgerEntry]
    recovered: Mapping[str, LedgerEntry]


def owned_entries(
    current: VariableSet,
    ledger: Sequence[LedgerEntry],
    claimed_by_others: Mapping[str, str],
) -> Owned:
    """Return what is ours, with the intents to create looked up in the set.

    Such an intent is a row that was about to be created. It was not if the set still has the
    version that the write was based on. At any other version, a sensitive row of that identity
    which the ledger does not know is taken for the one that was created.

    Args:
        current: the variable set as it is now.
        ledger: this sync's ledger, intents included.
        claimed_by_others: identities of other syncs, which are never ours.
    """
    owned = {entry.identity: entry for entry in ledger if entry.confirmed}
    known_ids = {entry.remote_id for entry in owned.values()}
    present = current.rows_by_id()
    rows = current.rows_by_identity()
    recovered: dict[str, LedgerEntry] = {}
    for intent in ledger:
        if intent.confirmed or intent.remote_id or intent.version == current.version_text:
            continue
        if intent.identity in claimed_by_others:
            continue
        earlier = owned.get(intent.identity)
        if earlier is not None and is_ours(earlier, present.get(earlier.remote_id or "")):
            continue
        row = _first_unknown(rows.get(intent.identity, []), known_ids)
        if row is not None:
            owned[intent.identity] = replace(intent, remote_id=row.id, version=None, confirmed=True)
            recovered[intent.identity] = intent
    return Owned(entries=owned, recovered=recovered)


def is_ours(entry: LedgerEntry, row: Row | None) -> bool:
    """Tell whether `row`, found under the entry's id, still is what this sync put there.

    Somebody who renamed a row, gave it another scope or made it readable made it theirs.
    """
    return row is not None and row.identity == entry.identity and row.is_sensitive


def _first_unknown(rows: Sequence[Row], known_ids: set[str | None]) -> Row | None:
    candidates = (row for row in rows if row.is_sensitive and row.id and row.id not in known_ids)
    return next(candidates, None)
