"""Runs that somebody asks for, their history, and the deletion of a sync."""

from secretsync.domain import names
from secretsync.domain.entities import (
    RunAction,
    RunFilter,
    RunState,
    RunTrigger,
    SecretSync,
    SyncRun,
)
from secretsync.domain.etags import check_etag
from secretsync.domain.pauses import paused
from secretsync.domain.problems import (
    Code,
    Problem,
    Reason,
    Violations,
    in_use,
    not_found,
)
from secretsync.engine.queue import NO_TERMS, RunTerms
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.capabilities import import_unsupported
from secretsync.operations.paging import Page, PageRequest, close_page, fitting
from secretsync.operations.pauses import pauses_of, pauses_of_run
from secretsync.store.protocol import Transaction
from secretsync.store.run_tables import AFTER_ALL_RUNS

LOOK_BACK = 100


def sync_secrets(app: App, tx: Transaction, name: str, terms: RunTerms = NO_TERMS) -> SyncRun:
    """Queue a run that makes the destination hold what the source holds."""
    sync = lookups.secret_sync(tx, "name", name)
    check_enabled(sync)
    return app.engine.enqueue(tx, sync, RunAction.SYNC, RunTrigger.MANUAL, terms=terms)


def check_enabled(sync: SecretSync) -> None:
    """Check that a sync may run.

    Raises:
        Problem: FAILED_PRECONDITION (SYNC_DISABLED).
    """
    if not sync.is_enabled:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.SYNC_DISABLED,
            f"{sync.name} is disabled: set is_enabled to run it",
            metadata={"resource": sync.name},
        )


def remove_secrets(app: App, tx: Transaction, name: str, terms: RunTerms = NO_TERMS) -> SyncRun:
    """Queue a run that takes away what the sync put at the destination.

    What it has left at former places is cleaned by runs of their own, unless these would need an
    approval, or a plan was approved, which says nothing of them: then somebody has to ask for them.
    """
    sync = lookups.secret_sync(tx, "name", name)
    run = app.engine.enqueue(tx, sync, RunAction.REMOVE, RunTrigger.MANUAL, terms=terms)
    is_of_plan = sync.options.require_approval or terms.fingerprint
    for place in () if is_of_plan else tx.former_places.of_syncs([sync.uid]):
        app.engine.clean_up(tx, sync, place, RunTrigger.MANUAL)
    return run


def import_secrets(app: App, tx: Transaction, name: str) -> Problem:
    """Return why secrets cannot be imported; no destination can do that yet."""
    sync = lookups.secret_sync(tx, "name", name)
    return import_unsupported(app, sync.destination)


def get_run(tx: Transaction, name: str) -> SyncRun:
    """Return a run with its results."""
    project, slug, uid = lookups.parse(names.SYNC_RUN, "name", name)
    sync = lookups.secret_sync(tx, "name", f"projects/{project}/secretSyncs/{slug}")
    run = tx.runs.get(sync.uid, uid)
    if run is None:
        raise not_found(name)
    return run


def cancel_run(app: App, tx: Transaction, name: str) -> SyncRun:
    """Cancel a run, or ask the attempt of one under way to stop."""
    return app.engine.cancel(tx, get_run(tx, name))


def list_runs(
    tx: Transaction, parent: str, request: PageRequest, only: RunFilter, violations: Violations
) -> Page[SyncRun]:
    """Return a page of a sync's runs, newest first; fewer than asked for if they are large.

    Args:
        tx: the transaction.
        parent: the sync's name.
        request: what the request says of pages.
        only: which runs.
        violations: what is wrong with the rest of the request.
    """
    scope = f"runs of {parent}{_scope_of(only)}"
    names.SECRET_SYNC.check("parent", parent, violations)
    if only.created_from and only.created_before and only.created_before <= only.created_from:
        violations.add("end_create_time", "must be later than start_create_time")
    size, (before,) = request.open(scope, [AFTER_ALL_RUNS], violations)
    sync = lookups.secret_sync(tx, "parent", parent)
    found = tx.runs.list(sync.uid, int(before), size + 1, only)
    size = fitting(found, size, lambda each: (each.message, *each.outcome.warnings))
    return close_page(found, size, scope, lambda each: [each.seq])


def _scope_of(only: RunFilter) -> str:
    """Return a filter as text, the same for the same filter; empty for none."""
    parts = [
        ", ".join(sorted(only.states)),
        ", ".join(sorted(only.triggers)),
        only.created_from.isoformat() if only.created_from else "",
        only.created_before.isoformat() if only.created_before else "",
    ]
    return f" only {' | '.join(parts)}" if any(parts) else ""


def delete_secret_sync(tx: Transaction, name: str, etag: str) -> None:
    """Delete a sync with its history; what it put at the destination stays there."""
    sync = _deletable(tx, name, etag)
    for run in tx.runs.unfinished(sync.uid):
        if run.state is RunState.RUNNING:
            raise in_use(name, f"{run.name} is under way: wait for it to end", [run.name])
        if run.delete_sync:
            message = f"{run.name} is to remove its secrets before it is deleted: wait for it"
            raise in_use(name, f"{message} to end", [run.name])
    tx.syncs.delete(sync.uid)


async def delete_with_secrets(app: App, name: str, etag: str, *, validate_only: bool) -> None:
    """Remove what a sync put at the destination, then delete it; return when that is done.

    Raises:
        Problem: FAILED_PRECONDITION: REMOVAL_FAILED, if the removal failed; the sync is kept.
            PAUSED, if a pause holds it.
    """
    if validate_only:
        await app.read(lambda tx: _removable(tx, name, etag))
        return
    run = await app.store.write(lambda tx: _queue_deletion(app, tx, name, etag))
    app.engine.wake()
    await _wait_for_deletion(app, run)


def _queue_deletion(app: App, tx: Transaction, name: str, etag: str) -> SyncRun:
    """Queue what ends with the deletion of a sync.

    Its former places are cleaned first. When that has succeeded, its removal is queued; until then
    its present place is as it was.
    """
    sync = _removable(tx, name, etag)
    cleaning = [
        app.engine.clean_up(tx, sync, place, RunTrigger.MANUAL, delete_sync=True)
        for place in tx.former_places.of_syncs([sync.uid])
    ]
    if cleaning:
        return cleaning[0]
    terms = RunTerms(delete_sync=True)
    return app.engine.enqueue(tx, sync, RunAction.REMOVE, RunTrigger.MANUAL, terms=terms)


def _deletable(tx: Transaction, name: str, etag: str) -> SecretSync:
    sync = lookups.secret_sync(tx, "name", name)
    check_etag(sync, etag)
    return sync


def _removable(tx: Transaction, name: str, etag: str) -> SecretSync:
    """Return a sync whose removal can start, and go on without anybody's resume or approval."""
    sync = _deletable(tx, name, etag)
    pauses = pauses_of(tx, sync)
    if pauses:
        raise paused(sync, pauses, "resume it first, or delete the sync without removing secrets")
    if sync.options.require_approval and tx.ledger.has_entries(sync.uid):
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.APPROVAL_REQUIRED,
            f"{name} requires approval: plan its removal, call RemoveSecrets with the plan's"
            " fingerprint, and delete it then",
            metadata={"resource": name},
        )
    return sync


async def _wait_for_deletion(app: App, first: SyncRun) -> None:
    """Return when a sync is deleted.

    Args:
        app: the parts to work with.
        first: the run that the deletion begins with; others may follow it.
    """
    while True:
        has_ended, failed = await app.read(lambda tx: _failed_deletion(tx, first))
        if has_ended and failed is None:
            return
        if failed:
            raise Problem(
                Code.FAILED_PRECONDITION,
                Reason.REMOVAL_FAILED,
                f"{first.sync_name} is kept, because its secrets could not be removed:"
                f" {failed.message}",
                metadata={"run": failed.name},
            )
        await app.engine.attempt_ended(timeout=1.0)


def _failed_deletion(tx: Transaction, first: SyncRun) -> tuple[bool, SyncRun | None]:
    """Return whether a deletion has ended, and its run that failed, None if the sync is gone.

    Raises:
        Problem: FAILED_PRECONDITION (PAUSED): it cannot go on before a resume.
    """
    sync = tx.syncs.by_uid(first.sync_uid)
    if sync is None:
        return True, None
    unfinished = [run for run in tx.runs.unfinished(sync.uid) if run.delete_sync]
    for run in unfinished:
        pauses = pauses_of_run(tx, run)
        if pauses:
            told = (
                f"{run.name} waits, and deletes the sync after the resume, unless it is cancelled"
            )
            raise paused(sync, pauses, told)
    return (False, None) if unfinished else (True, _newest_failure(tx, first))


def _newest_failure(tx: Transaction, first: SyncRun) -> SyncRun:
    """Return the run of a deletion that failed, of those that followed the first, as it is now."""
    runs = tx.runs.list(first.sync_uid, AFTER_ALL_RUNS, LOOK_BACK)
    failed = [run for run in runs if run.delete_sync and run.state is not RunState.SUCCEEDED]
    if failed:
        return failed[0]
    # One whose plan has to be approved deletes nothing more.
    return tx.runs.get(first.sync_uid, first.uid) or first
