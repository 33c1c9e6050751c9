"""The tables of ledgers' entries and of former places, as the rest of secretsync sees them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from secretsync.adapter import LedgerEntry
from secretsync.domain.former_places import FormerPlace


class Claim(NamedTuple):
    """Something that is a sync's at a place which it has left."""

    identity: str
    name: str
    sync_name: str


class EntryTable(Protocol):
    """Ledgers, each of an owner: a sync, for the place that it leads to, or a former place."""

    def of(self, owner: str) -> Sequence[LedgerEntry]:
        """Return confirmed entries and intents, ordered by identity, confirmed ones first."""
        ...

    def replace(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        """Make these the whole ledger of the owner."""
        ...

    def put_intents(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        """Replace the owner's intents by these (all with `confirmed` False)."""
        ...

    def confirm(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        """Add entries (all with `confirmed` True), in place of those of the same identities."""
        ...

    def has_entries(self, owner: str) -> bool: ...


class FormerPlaceTable(Protocol):
    """Places that syncs have left, with what they put there."""

    @property
    def ledger(self) -> EntryTable:
        """The ledgers of the places, by their uids."""
        ...

    def insert(self, place: FormerPlace) -> None: ...
    def update(self, place: FormerPlace) -> None: ...
    def delete(self, uid: str) -> None:
        """Delete it with its ledger and credentials."""
        ...

    def by_uid(self, uid: str) -> FormerPlace | None: ...
    def at(self, sync_uid: str, target_key: str) -> FormerPlace | None: ...
    def of_syncs(self, sync_uids: Sequence[str]) -> Sequence[FormerPlace]:
        """Return those of the syncs, the one that was left first before the others."""
        ...

    def using_connection(self, connection_uid: str) -> Sequence[FormerPlace]: ...
    def left(self, uid: str, limit: int) -> tuple[int, Sequence[str]]:
        """Return how many names may still be at the place, and the first of them, in order."""
        ...

    def claims(self, sync_uid: str, target_key: str) -> Sequence[Claim]:
        """Return what other syncs have left at this target.

        Should two of them claim the same identity, the one whose name comes first is last.
        """
        ...

    def hand_over(
        self, sync_uid: str, target_key: str, identities: Iterable[str]
    ) -> Sequence[FormerPlace]:
        """Make what other syncs have left at a target the sync's, as far as it is among these.

        Returns:
            The former places of other syncs there that have nothing left.
        """
        ...
