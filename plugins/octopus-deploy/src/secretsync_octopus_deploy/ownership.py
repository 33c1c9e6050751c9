"""Tells which rows of a variable set are this sync's, from its ledger and from what is there."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from secretsync.adapter import LedgerEntry
from secretsync_octopus_deploy.rows import Row
from secretsync_octopus_deploy.variable_set import VariableSet

DOUBTED = ""
"""Digest of an intent whose write had not taken place when the set was looked at afterwards."""
HIDDEN = "hidden"
"""Digest of an intent to create a row that took place, and whose row cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """What writes did that were sent, and whose success was never seen.

    Attributes:
        created: identities of the rows that they create.
        deleted: ids of the rows that they delete.
    """

    created: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()

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
        doubtful: identities of those that come from an intent, and whose rows somebody else may
            have made. They must not be deleted.
        recovered: what must be made durable before the next write: confirmed entries of rows that
            an intent certainly made ours, and the intents whose story is not at its end.
        hidden: intents whose rows were created, and cannot be seen.
    """

    entries: Mapping[str, LedgerEntry]
    doubtful: frozenset[str] = frozenset()
    recovered: tuple[LedgerEntry, ...] = ()
    hidden: tuple[LedgerEntry, ...] = ()


def owned_entries(
    current: VariableSet,
    ledger: Sequence[LedgerEntry],
    claimed_by_others: Mapping[str, str],
    written_from: Container[str],
) -> Owned:
    """Return what is ours, with the intents to create looked up in the set.

    Such an intent is a row that was about to be created. It was not if the set still has the
    version that the write was based on. At any other version, a sensitive row of that identity
    which the ledger does not know is taken for the one that was created; that it certainly is
    one of ours is said only if our writes account for all that happened since, see
    `_accounted_versions`. Then it becomes an entry like any other, before anything else is written:
    later writes can only blur the traces of this one.

    Args:
        current: the variable set as it is now.
        ledger: this sync's ledger, intents included.
        claimed_by_others: identities of other syncs, which are never ours.
        written_from: versions that writes of this service were based on.
    """
    owned = {entry.identity: entry for entry in ledger if entry.confirmed}
    known_ids = {entry.remote_id for entry in owned.values()}
    present = current.rows_by_id()
    rows = current.rows_by_identity()
    found: dict[str, Row] = {}
    made: dict[str, LedgerEntry] = {}
    unsettled: list[LedgerEntry] = []
    hidden: list[LedgerEntry] = []
    for intent in ledger:
        if intent.confirmed:
            continue
        if intent.version == current.version_text:
            # Its write may still be under way, and has not taken place so far.
            unsettled.append(replace(intent, digest=DOUBTED))
            continue
        if intent.remote_id:
            if intent.remote_id not in present and intent.remote_id in known_ids:
                unsettled.append(intent)
            continue
        if intent.identity in claimed_by_others:
            continue
        earlier = owned.get(intent.identity)
        if earlier is not None and is_ours(earlier, present.get(earlier.remote_id or "")):
            continue
        row = _first_unknown(rows.get(intent.identity, []), known_ids)
        if row is not None:
            found[intent.identity] = row
            made[intent.identity] = intent
        elif intent.digest == HIDDEN:
            hidden.append(intent)
            unsettled.append(intent)
        else:
            # Should such a row turn up later, it is not the one that was to be created.
            unsettled.append(replace(intent, digest=DOUBTED))
    accounted = _accounted_versions(current, ledger, found, written_from)
    certain = {
        identity
        for identity, intent in made.items()
        if intent.digest != DOUBTED and intent.version in accounted
    }
    entries = {
        identity: replace(intent, remote_id=found[identity].id, version=None, confirmed=True)
        for identity, intent in made.items()
    }
    settled = [
        entries[identity] if identity in certain else intent for identity, intent in made.items()
    ]
    return Owned(
        entries=owned | entries,
        doubtful=frozenset(made.keys() - certain),
        recovered=(*unsettled, *settled),
        hidden=tuple(hidden),
    )


def _accounted_versions(
    current: VariableSet,
    ledger: Sequence[LedgerEntry],
    found: Mapping[str, Row],
    written_from: Container[str],
) -> frozenset[str]:
    """Return the versions since which every change of the set is one of our writes.

    A step from one version to the next counts as ours if a write of ours was based on the former,
    this sync's or another's. If the ledger has intents of that write, all that it was to do must be
    done: each row that it was to create is there, in the letter case that we write, and each that
    it was to delete is gone. Intents whose write had not taken place when somebody looked are not
    counted; if there are no others, the step is not ours.
    So a row that somebody makes by hand while a write of ours is unresolved is not taken for ours,
    unless it is the very next change of the set, and all that our write was to create.
    """
    present = current.rows_by_id()
    done: dict[str, bool] = {}
    doubted: set[str] = set()
    for intent in ledger:
        if intent.confirmed or intent.version is None:
            continue
        if intent.digest == DOUBTED:
            doubted.add(intent.version)
            continue
        row = found.get(intent.identity)
        is_done = (
            intent.remote_id not in present
            if intent.remote_id
            else row is not None and row.name == intent.name
        )
        done[intent.version] = done.get(intent.version, True) and is_done
    version = current.version
    while True:
        before = str(version - 1)
        if not done.get(before, before in written_from and before not in doubted):
            break
        version -= 1
    return frozenset(str(number) for number in range(version, current.version))


def is_ours(entry: LedgerEntry, row: Row | None) -> bool:
    """Tell whether `row`, found under the entry's id, still is what this sync put there.

    Somebody who renamed a row, gave it another scope or made it readable made it theirs.
    """
    return row is not None and row.identity == entry.identity and row.is_sensitive


def _first_unknown(rows: Sequence[Row], known_ids: set[str | None]) -> Row | None:
    candidates = (row for row in rows if row.is_sensitive and row.id and row.id not in known_ids)
    return next(candidates, None)
