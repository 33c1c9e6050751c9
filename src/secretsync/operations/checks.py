"""Checks for drift that somebody asks for."""

from secretsync.domain.entities import RunAction, RunTrigger, SyncRun
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.capabilities import check_plans
from secretsync.operations.runs import check_enabled
from secretsync.store.protocol import Transaction


def check_drift(app: App, tx: Transaction, name: str) -> SyncRun:
    """Queue a check of a sync, or return the run that answers it."""
    sync = lookups.secret_sync(tx, "name", name)
    check_enabled(sync)
    check_plans(app, sync.destination, "so it cannot be checked for drift")
    return app.engine.enqueue(tx, sync, RunAction.CHECK, RunTrigger.MANUAL)
