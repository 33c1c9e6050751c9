"""When it is certain that a destination still holds the values that it was given."""

from collections.abc import Sequence

from secretsync.adapter import LedgerEntry
from secretsync.domain.attempts import AttemptOutcome, RunAttempt
from secretsync.domain.entities import RunAction, RunFilter, RunState, SecretSync, SyncRun
from secretsync.store.protocol import Transaction
from secretsync.store.run_tables import AFTER_ALL_RUNS

AT_A_TIME = 20
DONE = frozenset({RunState.SUCCEEDED, RunState.PARTIALLY_SUCCEEDED})
"""The states of runs whose last attempt came to a result."""
WRITING = frozenset({RunAction.SYNC, RunAction.REMOVE})
WRITING_RUNS = RunFilter(actions=WRITING)


def known_versions(
    tx: Transaction, run: SyncRun, sync: SecretSync, ledger: Sequence[LedgerEntry]
) -> frozenset[str]:
    """Return the versions at which a run can rely on its ledger; see `RunRequest`."""
    versions = {entry.version for entry in ledger if entry.confirmed and entry.version is not None}
    # Of a place that the sync has left, nobody has kept track.
    if run.place_uid or not versions:
        return frozenset()
    if run.action in WRITING and may_be_in_flight(tx, run):
        return frozenset()
    # Entries that were left alone are certain since an earlier version than those last written.
    led_to = [tx.ledger.versions_after(sync.target_key, version) for version in versions]
    return frozenset.intersection(*led_to)


def may_be_in_flight(tx: Transaction, run: SyncRun) -> bool:
    """Tell whether a write of an earlier attempt may still arrive at the destination.

    It may if that attempt was cut short or got no answer, and it would undo what this run finds to
    be right. A run that relies on nothing writes all values again; that gives the destination a new
    version, at which it refuses the older write. Checks write nothing.
    """
    if run.action in WRITING:
        if run.may_have_written:
            return True
        if _came_to_a_result(run.attempts[-2:-1]):
            return False
    before = AFTER_ALL_RUNS
    while found := tx.runs.list(run.sync_uid, before, AT_A_TIME, WRITING_RUNS):
        for other in found:
            # One that a newer run replaced while it waited has never begun.
            if other.uid == run.uid or other.start_time is None:
                continue
            if other.state in DONE:
                return False
            if other.may_have_written or other.state is RunState.RUNNING:
                return True
        before = found[-1].seq
    return False


def _came_to_a_result(attempts: Sequence[RunAttempt]) -> bool:
    # Of the keys that failed nothing is certain, which their entries in the ledger say.
    return [each.outcome for each in attempts] == [AttemptOutcome.PARTIALLY_SUCCEEDED]
