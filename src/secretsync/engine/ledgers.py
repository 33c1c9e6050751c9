"""Which ledger a run is about: that of its sync, or that of a former place."""

from secretsync.domain.entities import SecretSync, SyncRun
from secretsync.domain.former_places import sync_at
from secretsync.store.place_tables import EntryTable
from secretsync.store.protocol import Transaction


def ledger_of(tx: Transaction, run: SyncRun) -> tuple[EntryTable, str]:
    """Return the table and the owner of the ledger that a run is about."""
    if run.place_uid:
        return tx.former_places.ledger, run.place_uid
    return tx.ledger, run.sync_uid


def sync_of(tx: Transaction, run: SyncRun) -> SecretSync | None:
    """Return the sync of a run, as it is or was when it led to the place that the run is about.

    None if there is no such sync or place any more.
    """
    sync = tx.syncs.by_uid(run.sync_uid)
    if sync is None or not run.place_uid:
        return sync
    place = tx.former_places.by_uid(run.place_uid)
    return sync_at(sync, place) if place else None
