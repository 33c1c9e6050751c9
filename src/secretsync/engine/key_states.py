"""Keeps what is known of each key of a sync, in the transaction that writes a run's result down."""

from collections.abc import Mapping
from datetime import datetime

from secretsync.adapter import RunResult
from secretsync.domain.entities import SyncRun
from secretsync.domain.key_states import SyncKey, after_run
from secretsync.store.protocol import Transaction


def keep_results(tx: Transaction, run: SyncRun, result: RunResult, now: datetime) -> None:
    """Write down how the keys of a sync stand after a sync or removal."""
    before = {key.name: key for key in tx.key_states.of_sync(run.sync_uid)}
    save_changes(tx, run.sync_uid, before, after_run(before, result.keys, run.uid, now))


def save_changes(
    tx: Transaction, sync_uid: str, before: Mapping[str, SyncKey], after: Mapping[str, SyncKey]
) -> None:
    """Write down the keys that differ, and nothing of the others: runs have thousands of them."""
    changed = [key for name, key in after.items() if key is not before.get(name)]
    gone = before.keys() - after.keys()
    if changed or gone:
        tx.key_states.save(sync_uid, changed, gone)
