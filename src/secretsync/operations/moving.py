"""Leads a sync to another place, and keeps in mind what it leaves behind."""

from dataclasses import replace
from uuid import uuid4

from secretsync.adapter import LedgerEntry
from secretsync.crypto import DecryptionError
from secretsync.domain.entities import Connection, RunAction, RunTrigger, SecretSync
from secretsync.domain.former_places import FormerPlace, uncertain
from secretsync.domain.problems import Reason, in_use
from secretsync.domain.sealing import credentials_context, place_context
from secretsync.engine.unwanted import end_waiting
from secretsync.operations.app import App
from secretsync.store.protocol import Transaction


def move(
    app: App,
    tx: Transaction,
    sync: SecretSync,
    connection: Connection,
    target_key: str,
    what: str,
) -> SecretSync:
    """Make the place that a sync leads to a former one, if anything of it is there.

    If the sync has been at the new place before, what it left there becomes its ledger again.

    Args:
        app: the parts to work with.
        tx: the transaction, which is to store what is returned.
        sync: the sync as it was so far, with the options that it is to have.
        connection: its connection as it was so far.
        target_key: of the place that the sync is led to.
        what: what leads it there, for people, e.g. `this change leads`.

    Returns:
        The sync, which leads to the new target key.

    Raises:
        Problem: FAILED_PRECONDITION (RESOURCE_IN_USE): a run is under way at one of the places, or
            the sync is being deleted.
    """
    returning = tx.former_places.at(sync.uid, target_key)
    _check_movable(tx, sync, returning, what)
    left = tx.ledger.of_sync(sync.uid)
    if left:
        place = FormerPlace(
            uid=str(uuid4()),
            sync_uid=sync.uid,
            project_uid=sync.project_uid,
            destination=sync.destination,
            connection_uid=connection.uid,
            connection=connection.slug,
            instance=connection.instance,
            destination_config=sync.destination_config,
            target_key=sync.target_key,
            method=connection.method,
            leave_time=app.clock(),
            initialized=sync.initialized or sync.was_here,
        )
        tx.former_places.insert(place)
        tx.former_places.ledger.replace(place.uid, left)
        removal = tx.runs.pending(sync.uid)
        is_removal = removal is not None and removal.action is RunAction.REMOVE
        is_of_plan = sync.options.require_approval or (removal and removal.approved_fingerprint)
        if is_removal and not is_of_plan:
            # It was asked to take away what is at the old place, and will run at the new one.
            app.engine.clean_up(tx, sync, place, RunTrigger.MANUAL)
    found = _taken_up(app, tx, sync, returning) if returning else []
    tx.ledger.replace(sync.uid, found)
    was_here = returning is not None and returning.initialized
    return replace(sync, target_key=target_key, initialized=False, was_here=was_here)


def _check_movable(
    tx: Transaction, sync: SecretSync, returning: FormerPlace | None, what: str
) -> None:
    """Check that no run writes to the old place, or cleans the new one.

    A run under way writes to the place that it began with, so it must end first.
    """
    for run in tx.runs.unfinished(sync.uid):
        if run.delete_sync and not run.cancel_requested:
            message = f"{what} {sync.name} to another place while {run.name} is to delete it"
            raise in_use(sync.name, f"{message}: cancel that run first", [run.name])
    running = tx.runs.running(sync.uid) or (
        tx.runs.running(sync.uid, returning.uid) if returning else None
    )
    if running:
        message = f"{what} {sync.name} to another place while {running.name} is under way: wait"
        raise in_use(sync.name, f"{message} for it to end", [running.name])


def _taken_up(
    app: App, tx: Transaction, sync: SecretSync, returning: FormerPlace
) -> list[LedgerEntry]:
    """Forget a former place that is the present one again, and return what is left there."""
    waiting = tx.runs.pending(sync.uid, returning.uid)
    if waiting:
        told = "the sync was led back to this place"
        end_waiting(tx, waiting, Reason.SUPERSEDED, told, app.clock())
    found = uncertain(tx.former_places.ledger.of(returning.uid))
    tx.former_places.delete(returning.uid)
    return found


def keep_credentials(app: App, tx: Transaction, before: Connection, connection: Connection) -> None:
    """Let the former places of a connection keep the credentials that lead to them.

    They use the connection's as long as those lead to the same instance, and keep a copy of those
    of before otherwise. Without one (if they cannot be decrypted) nothing there can be reached, but
    nothing elsewhere is taken for it either.

    Args:
        app: the parts to work with.
        tx: the transaction, which is to store the connection.
        before: the connection as it was so far.
        connection: the connection as it is to be.
    """
    for place in tx.former_places.using_connection(connection.uid):
        kept = place
        if place.instance == connection.instance:
            kept = replace(place, sealed_credentials=b"")
        elif place.instance == before.instance and not place.sealed_credentials:
            kept = _with_copy(app, tx, place, before)
        if kept != place:
            tx.former_places.update(kept)


def _with_copy(app: App, tx: Transaction, place: FormerPlace, before: Connection) -> FormerPlace:
    try:
        opened = app.vault.open(
            tx, before.project_uid, credentials_context(before), before.sealed_credentials
        )
    except DecryptionError:
        return place
    sealed = app.vault.seal(tx, place.project_uid, place_context(place), opened)
    return replace(place, method=before.method, sealed_credentials=sealed)


def queue_sync(app: App, tx: Transaction, sync: SecretSync, trigger: RunTrigger) -> None:
    """Queue the run that follows from a change, if the sync runs by itself."""
    if sync.is_enabled and sync.is_auto_sync_enabled:
        app.engine.enqueue(tx, sync, RunAction.SYNC, trigger)
